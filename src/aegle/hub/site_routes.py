"""The calls of a site: the paths and messages of `aegle.api`."""

from aegle import api
from aegle.access import Act
from aegle.hub import heads, labels, requests, sites
from aegle.hub.routes import Answer, Call, Caller, Route, Services

_MEGABYTE = 1024 * 1024


def _hello(services: Services, call: Call) -> Answer:
    hello: api.Hello = call.message
    welcome = sites.greet(services.database, call.by_site, hello)
    told = (call.by_site.name, hello.software, str(hello.held))
    facts: dict[str, str | int] = {"software": hello.software, "count": hello.held}
    return Answer(message=welcome, facts=facts, happened=services.hellos.is_news(*told))


def _submit(services: Services, call: Call) -> Answer:
    submission: api.Submission = call.message
    receipt = requests.accept(services.database, call.by_site, submission)
    facts = {"state": receipt.state.value, "digest": submission.input_digest}
    return Answer(message=receipt, subject=receipt.request_id, facts=facts)


def _outcomes(services: Services, call: Call) -> Answer:
    found = requests.uncollected(services.database, call.by_site)
    return Answer(
        message=api.OutcomeList(outcomes=found),
        subject=found[0].request_id if found else "",
        facts={"count": len(found)},
        happened=bool(found),
    )


def _collected(services: Services, call: Call) -> Answer:
    request_id = call.path["request_id"]
    requests.collected(services.database, call.by_site, request_id)
    return Answer(subject=request_id, facts={"state": "collected"})


def _labels(services: Services, call: Call) -> Answer:
    batch: api.LabelBatch = call.message
    receipt = labels.store(services.warehouse, call.by_site, batch.labels)
    return Answer(message=receipt, facts={"count": len(receipt.stored)})


def _heads(services: Services, call: Call) -> Answer:
    lodged: api.HeadList = call.message
    new = heads.lodge(services.database, call.by_site, lodged.heads)
    message = api.HeadList(heads=tuple(services.heads()))
    return Answer(message=message, facts={"count": new}, happened=new > 0)


SITE_ROUTES = (
    Route(
        method="POST", path=api.HELLO, act=Act.HUB_SITE_HELLO, caller=Caller.SITE, handle=_hello,
        takes=api.Hello, gives=api.Welcome,
        summary="Report health; learn the model and operating point in force.",
    ),
    Route(
        method="POST", path=api.REQUESTS, act=Act.HUB_REQUEST_ACCEPT, caller=Caller.HOSPITAL, handle=_submit,
        takes=api.Submission, gives=api.Receipt, body_max_bytes=4 * _MEGABYTE,
        summary="Ask for one study to be read. Idempotent by key; a repeat renews the grant.",
    ),
    Route(
        method="GET", path=api.OUTCOMES, act=Act.HUB_OUTCOME_HAND_OVER, caller=Caller.HOSPITAL, handle=_outcomes,
        gives=api.OutcomeList,
        summary="Finished and not yet collected, oldest first; the same again until each is collected.",
    ),
    Route(
        method="POST", path=api.COLLECTED, act=Act.HUB_OUTCOME_HAND_OVER, caller=Caller.HOSPITAL, handle=_collected,
        summary="Say that this outcome is held durably. Idempotent.",
    ),
    Route(
        method="POST", path=api.LABELS, act=Act.HUB_LABELS_STORE, caller=Caller.SITE, handle=_labels,
        takes=api.LabelBatch, gives=api.LabelReceipt, body_max_bytes=2 * _MEGABYTE,
        summary="Store label events. Idempotent by event id; each that is not fit is named with the reason.",
    ),
    Route(
        method="POST", path=api.AUDIT_HEADS, act=Act.HUB_AUDIT_EXCHANGE, caller=Caller.SITE, handle=_heads,
        takes=api.HeadList, gives=api.HeadList,
        summary="Lodge the site's audit heads; answers the hub's own.",
    ),
)  # fmt: skip

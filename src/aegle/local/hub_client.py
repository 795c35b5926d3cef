"""The hub as a site sees it, over HTTP with the site's own credential."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from aegle import api
from aegle.errors import MEANING, AegleError, PeerUnreachable
from aegle.records import AuditHead, Label, Outcome

T = TypeVar("T")
_BY_CODE = {meaning.code: kind for kind, meaning in MEANING.items()}


class HttpHub:
    """The Hub port. `credential` is asked for at each call, so that a rotated one is picked up without a restart."""

    def __init__(self, url: str, credential: Callable[[], str]) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._credential = credential

    def hello(self, hello: api.Hello) -> api.Welcome:
        """Report health; learn the model and operating point in force."""
        return self._call("POST", api.HELLO, hello, api.Welcome)

    def submit(self, submission: api.Submission) -> api.Receipt:
        """Ask for one study to be read."""
        return self._call("POST", api.REQUESTS, submission, api.Receipt)

    def outcomes(self) -> Sequence[Outcome]:
        """Finished and not yet collected, oldest first."""
        return self._call("GET", api.OUTCOMES, None, api.OutcomeList).outcomes

    def collected(self, request_id: str) -> None:
        """The site holds this outcome durably."""
        self._send("POST", api.COLLECTED.format(request_id=request_id), None)

    def send_labels(self, labels: Sequence[Label]) -> api.LabelReceipt:
        """Store label events durably."""
        return self._call("POST", api.LABELS, api.LabelBatch(labels=tuple(labels)), api.LabelReceipt)

    def exchange_heads(self, heads: Sequence[AuditHead]) -> Sequence[AuditHead]:
        """Lodge the site's audit heads; answers the hub's own."""
        return self._call("POST", api.AUDIT_HEADS, api.HeadList(heads=tuple(heads)), api.HeadList).heads

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, method: str, path: str, message: object, kind: type[T]) -> T:
        return api.decode(kind, self._send(method, path, message))

    def _send(self, method: str, path: str, message: object) -> bytes:
        headers = {"Authorization": f"Bearer {self._credential()}", "Content-Type": "application/json"}
        body = None if message is None else api.encode(message)
        try:
            answer = self._client.request(method, path, headers=headers, content=body)
        except httpx.HTTPError as error:
            raise PeerUnreachable(f"the hub does not answer ({type(error).__name__})") from None
        if answer.is_success:
            return answer.content
        raise error_of(answer)


def error_of(answer: httpx.Response) -> AegleError:
    """What the hub answered, as an error of ours with the hub's own words."""
    try:
        body = answer.json()
        kind, detail = _BY_CODE[body["code"]], str(body["detail"])
    except (ValueError, KeyError, TypeError):
        return PeerUnreachable(f"the hub answered {answer.status_code} and no reason")
    return kind(f"the hub says: {detail}")

"""What a study's state is called on a page, and what a person can do about it."""

from dataclasses import dataclass
from datetime import datetime

from aegle.deid import REASONS
from aegle.intake.admit import Admission, Settled
from aegle.records import Failure, Prediction, Rejection, RejectReason
from aegle.site.state import Delivery, RequestPhase, Step, Study, Wish


@dataclass(frozen=True, kw_only=True)
class Told:
    """A state in words, with its tone (`good`, `warn`, `bad` or plain)."""

    state: str
    tone: str = ""
    explanation: str = ""
    remedy: str = ""
    pending: bool = False  #: whether it changes by itself


@dataclass(frozen=True, kw_only=True)
class FileTold:
    """What became of one uploaded file."""

    explanation: str
    tone: str = ""
    settled: bool = True


def tell_file(fate: Admission | None, *, waiting: bool) -> FileTold:
    """One file's way after the door took it. A fate is None while the file waits, and after the program was restarted."""
    if fate is None:
        gone = "Settled before the site was restarted: see Studies and Held."
        return FileTold(explanation="Being checked.", settled=False) if waiting else FileTold(explanation=gone)
    if fate.settled is Settled.HELD and fate.reason is not None:
        reason = REASONS[fate.reason]
        tone = "bad" if reason.blocks_study else "warn"
        return FileTold(explanation=f"Held: {reason.text} {reason.remedy}", tone=tone)
    return _FATES[fate.settled]


_FATES = {
    Settled.ADMITTED: FileTold(explanation="Admitted, de-identified.", tone="good"),
    Settled.REPEATED: FileTold(explanation="Already here: the same file was admitted before.", tone="good"),
    Settled.OWN_RESULT: FileTold(explanation="Not needed: this is a result that Aegle made itself.", tone="warn"),
    Settled.HELD: FileTold(explanation="Held: see Held.", tone="bad"),
}

REJECTED: dict[RejectReason, tuple[str, str]] = {
    RejectReason.WRONG_CLASS: ("The images are of a kind this model does not read.", "Read the study by hand."),
    RejectReason.WRONG_SPACING: (
        "The images do not say their pixel size, or it is out of range.",
        "Check the scanner's export.",
    ),
    RejectReason.OUT_OF_FOCUS: ("The images are out of focus.", "Scan the slide again, then send it as a new study."),
    RejectReason.TOO_FEW_CELLS: ("There are too few cells for a reading.", "Check the specimen; repeat it if needed."),
    RejectReason.WRONG_STAIN: ("The stain is not one this model was made for.", "Read the study by hand."),
    RejectReason.UNREADABLE_PIXELS: ("The pixels cannot be decoded.", "Export the study again and send it."),
    RejectReason.NO_IMAGES: ("The study has no image.", "Send the images."),
}


def tell(study: Study, wish: Wish | None, deliveries: list[Delivery], *, held: bool, hospital: bool) -> Told:
    """The state of one study."""
    if held:
        return Told(
            state="held",
            tone="bad",
            explanation="A part of this study is held at the door.",
            remedy="An administrator of this site decides under Held. The study goes on by itself after that.",
        )
    if study.fresh:
        return Told(state="coming in", explanation="Images are still arriving.", pending=True)
    if not hospital:
        return Told(state="ready", tone="good")
    if wish is None:
        return Told(state="no image", tone="warn", explanation="The study has no image the model could read.")
    return _tell_wish(wish, deliveries)


def _tell_wish(wish: Wish, deliveries: list[Delivery]) -> Told:
    outcome = wish.outcome
    if isinstance(outcome, Rejection):
        explanation, remedy = REJECTED[outcome.reason]
        return Told(state="not read", tone="warn", explanation=f"{explanation} {outcome.detail}", remedy=remedy)
    if isinstance(outcome, Failure):
        explanation = f"The study could not be processed ({outcome.code}). The operator has been alerted."
        return Told(state="failed", tone="bad", explanation=explanation, remedy="Read the study by hand meanwhile.")
    if isinstance(outcome, Prediction):
        return _tell_delivery(deliveries)
    if wish.phase is RequestPhase.WANTED:
        return Told(
            state="waiting for the hub",
            tone="warn",
            explanation="The hub has not taken the request yet. It is tried again until it does; nothing is lost.",
            pending=True,
        )
    return Told(state="being read", explanation="The model has the study.", pending=True)


def _tell_delivery(deliveries: list[Delivery]) -> Told:
    if any(item.problem and item.sent_at is None for item in deliveries):
        return Told(state="read, PACS not reached", tone="warn")
    if deliveries and all(item.sent_at for item in deliveries):
        return Told(state="delivered", tone="good")
    return Told(state="read", tone="good")


_KINDS = {"sr": "Structured report", "sc": "Picture with overlay"}


def tell_delivery(item: Delivery) -> dict[str, str]:
    """One result object on its way to the PACS."""
    what = _KINDS.get(item.kind, item.kind)
    if item.sent_at:
        return {"what": what, "state": "delivered", "tone": "good"}
    if item.problem:
        return {"what": what, "state": f"not yet, tried {item.tries} times", "tone": "warn"}
    return {"what": what, "state": "on its way", "tone": ""}


def tell_pacs(deliveries: list[Delivery], *, has_pacs: bool) -> str:
    """Why results are not in the PACS, where they are not; empty where all is well."""
    if not has_pacs:
        return "No PACS is named for this site, so results stay on this page."
    problems = {item.problem for item in deliveries if item.problem and not item.sent_at}
    if "PEER_UNREACHABLE" in problems:
        return "The PACS does not answer. It is tried again until it does; the result stays here meanwhile."
    if problems:
        return (
            f"The PACS did not take it ({', '.join(sorted(problems))}). It is tried again; tell whoever runs the PACS."
        )
    return ""


def plain(value: str, tag: int) -> str:
    """A value of the patient's as a person reads it: a name without carets, a date with hyphens."""
    if tag == _BIRTH_DATE and len(value) == len("YYYYMMDD"):
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    if tag == _NAME:
        return " ".join(part for part in value.partition("=")[0].replace("^", " ").split() if part)
    return value


_NAME, _BIRTH_DATE = 0x00100010, 0x00100030

STEPS = {
    Step.RECEIVED: "Received",
    Step.COMPLETE: "Complete",
    Step.SUBMITTED: "Asked of the hub",
    Step.DECIDED: "Read by the model",
    Step.BUILT: "Result built",
    Step.DELIVERED: "In the PACS",
}


def moment(at: datetime) -> str:
    """A time as the pages write it: local time of this machine, to the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(size_bytes: int) -> str:
    """A file's size, in the unit that fits."""
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{max(1, round(size_bytes / 1e3))} kB"


def short(study_uid: str) -> str:
    """The end of an alias, enough to tell studies apart on a screen."""
    return f"…{study_uid[-8:]}"

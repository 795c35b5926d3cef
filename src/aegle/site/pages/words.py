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
            state="held", tone="bad", explanation="A part of this study is held at the door.", remedy="See Held."
        )
    if study.fresh:
        return Told(state="coming in", explanation="Images are still arriving.")
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
            state="waiting for the hub", explanation="The hub has not taken the request yet. It is tried again."
        )
    return Told(state="being read", explanation="The model has the study.")


def _tell_delivery(deliveries: list[Delivery]) -> Told:
    if any(item.problem and item.sent_at is None for item in deliveries):
        return Told(state="read, PACS not reached", tone="warn")
    if deliveries and all(item.sent_at for item in deliveries):
        return Told(state="delivered", tone="good")
    return Told(state="read", tone="good")


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


def short(study_uid: str) -> str:
    """The end of an alias, enough to tell studies apart on a screen."""
    return f"…{study_uid[-8:]}"

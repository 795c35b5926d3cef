"""Every error Aegle raises on purpose, and what each means to a caller.

    AegleError
    ├── Refused            the other side is wrong; asking again unchanged gives the same answer
    │   ├── BadConfig          aegle.yaml or a setting
    │   ├── BadDicom           not DICOM, truncated, or against the standard
    │   ├── BadMessage         an HTTP body or parameter
    │   ├── Unauthenticated    no or wrong credential
    │   ├── Forbidden          known, but may not do this
    │   ├── NotFound           no such study, request, file
    │   ├── Conflict           other bytes under a known UID, or a stale state
    │   ├── TooLarge           over a stated bound
    │   ├── NotAcceptable      an answer in a form that we do not offer
    │   ├── WrongMedia         a body of a kind that we do not take
    │   ├── BadBundle          a model bundle that fails its own proof
    │   └── Unreadable         pixels or keys that cannot be opened
    └── Unavailable        we or a peer cannot do it now; the same call may succeed later (retryable)
        ├── PeerUnreachable    hub, PACS, archive does not answer
        ├── TooSlow            a sender that fell silent in the middle of a request
        ├── StorageFull        disk full or read-only
        ├── Overloaded         a queue or limit is full
        └── ProvisionFailed    terraform or the cloud stopped; what was done is kept

The table `MEANING` holds for each class its stable code, whether a retry can help, and its DIMSE (PS3.7 Annex C, PS3.4
Table B.2-1) and HTTP status. A message states the fact and the remedy and never holds a patient's value.
"""

from dataclasses import dataclass


class AegleError(Exception):
    """Root of the tree; never raised itself."""

    @property
    def meaning(self) -> "Meaning":
        """The row of `MEANING` for this error's class."""
        return MEANING[type(self)]


class Refused(AegleError):
    """The caller's request cannot be met as it stands."""


class BadConfig(Refused):
    """aegle.yaml, or a setting in it, cannot be used."""


class BadDicom(Refused):
    """Bytes that are not DICOM, are cut short, or break the standard."""


class BadMessage(Refused):
    """An HTTP body, header or parameter that does not fit its contract."""


class Unauthenticated(Refused):
    """No credential, or one that does not hold."""


class Forbidden(Refused):
    """A known principal who may not do this."""


class NotFound(Refused):
    """Nothing of that name is here for this principal."""


class Conflict(Refused):
    """Other bytes under a known identifier, or a state that has moved on."""


class TooLarge(Refused):
    """Over a bound that the documentation states."""


class NotAcceptable(Refused):
    """An answer was asked for in a form that is not offered."""


class WrongMedia(Refused):
    """A body of a kind that is not taken."""


class BadBundle(Refused):
    """A model bundle that fails its own proof."""


class Unreadable(Refused):
    """Pixels, keys or stored data that cannot be opened."""


class Unavailable(AegleError):
    """Not now; the same call may succeed later."""


class PeerUnreachable(Unavailable):
    """The hub, a PACS or an archive does not answer."""


class TooSlow(Unavailable):
    """The other side fell silent in the middle of what it was sending."""


class StorageFull(Unavailable):
    """The disk is full or read-only."""


class Overloaded(Unavailable):
    """A limit of this process is reached."""


class ProvisionFailed(Unavailable):
    """Terraform or the cloud stopped at a step; what was done is kept, and the same command goes on from there."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one class of error says to each kind of caller."""

    code: str  #: stable, in logs, audit and API answers
    retryable: bool
    dimse: int  #: status of a C-STORE response
    http: int


MEANING: dict[type[AegleError], Meaning] = {
    Refused: Meaning(code="REFUSED", retryable=False, dimse=0x0110, http=400),
    BadConfig: Meaning(code="BAD_CONFIG", retryable=False, dimse=0x0110, http=500),
    BadDicom: Meaning(code="BAD_DICOM", retryable=False, dimse=0xC000, http=400),
    BadMessage: Meaning(code="BAD_MESSAGE", retryable=False, dimse=0xC000, http=400),
    Unauthenticated: Meaning(code="UNAUTHENTICATED", retryable=False, dimse=0x0124, http=401),
    Forbidden: Meaning(code="FORBIDDEN", retryable=False, dimse=0x0124, http=403),
    NotFound: Meaning(code="NOT_FOUND", retryable=False, dimse=0x0112, http=404),
    Conflict: Meaning(code="CONFLICT", retryable=False, dimse=0x0111, http=409),
    TooLarge: Meaning(code="TOO_LARGE", retryable=False, dimse=0xA700, http=413),
    NotAcceptable: Meaning(code="NOT_ACCEPTABLE", retryable=False, dimse=0x0110, http=406),
    WrongMedia: Meaning(code="WRONG_MEDIA", retryable=False, dimse=0x0110, http=415),
    BadBundle: Meaning(code="BAD_BUNDLE", retryable=False, dimse=0x0110, http=422),
    Unreadable: Meaning(code="UNREADABLE", retryable=False, dimse=0xC000, http=422),
    Unavailable: Meaning(code="UNAVAILABLE", retryable=True, dimse=0xA700, http=503),
    PeerUnreachable: Meaning(code="PEER_UNREACHABLE", retryable=True, dimse=0xA700, http=502),
    TooSlow: Meaning(code="TOO_SLOW", retryable=True, dimse=0xA700, http=408),
    StorageFull: Meaning(code="STORAGE_FULL", retryable=True, dimse=0xA700, http=507),
    Overloaded: Meaning(code="OVERLOADED", retryable=True, dimse=0xA700, http=503),
    ProvisionFailed: Meaning(code="PROVISION_FAILED", retryable=True, dimse=0xA700, http=503),
}

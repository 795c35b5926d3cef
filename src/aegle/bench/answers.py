"""The answer key of a corpus: what was planted in each file, what must survive, and what may be withheld."""

from dataclasses import dataclass
from enum import StrEnum


class Leak(StrEnum):
    """Kinds of planted identity, by where tools lose them."""

    NAME = "patient's name"
    NUMBER = "patient's number"
    DATE = "date"
    UID = "UID"
    STAFF = "staff"
    PLACE = "institution, address, telephone"
    DEVICE = "device"
    TEXT = "free text"
    KEPT = "kept attribute"  #: identity where only words about the picture belong
    PRIVATE = "private attribute"
    META = "preamble and file meta"
    HIDDEN = "around the data set"  #: after it, in padding, in unused bits
    STREAM = "compressed stream"  #: comments, EXIF, ICC text
    PIXELS = "burned-in text"
    DOCUMENT = "document"
    FILE_NAME = "file name or report"


@dataclass(frozen=True, kw_only=True)
class Plant:
    """Identity in one file: a leak when any of its forms is found in what a tool wrote for that file."""

    kind: Leak
    where: str  #: keyword or place, for the reader of a score
    text: str  #: what was planted; synthetic
    forms: tuple[str, ...]  #: byte strings to search for, as hexadecimal, lower case letters folded
    path: str = ""  #: the one value in which they are identity, where they are words of the standard elsewhere


@dataclass(frozen=True, kw_only=True)
class Burned:
    """Text drawn into the picture: a leak when the output still shows these pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class FileAnswer:
    """What one file of a corpus holds."""

    name: str  #: path below the corpus
    theme: str
    number: int  #: its Instance Number, unlike any other's: how an output is tied to its input
    patient: int  #: whose it is: equal in one person's files, and in nobody else's
    has_id: bool  #: whether its Patient ID is that person's, and not what is written where there is none
    clean: bool  #: whether a tool must give it back; where not, withholding it is right as well
    plants: tuple[Plant, ...]
    burned: tuple[Burned, ...]
    kept: tuple[str, ...]  #: paths of values that must survive, such as `A[0].B`
    frames_kept: bool  #: whether the pictures must be equal, outside what was burned in
    links: tuple[str, ...]  #: paths of values of which those that are equal must stay so, and those that are not, too
    moments: tuple[str, ...]  #: paths of DT or of a date beside its time, between which the seconds must stay


@dataclass(frozen=True, kw_only=True)
class AnswerKey:
    """The key of one corpus."""

    seed: int
    files: tuple[FileAnswer, ...]

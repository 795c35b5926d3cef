"""One file of a corpus while it is made: a data set, and notes of all that is planted in it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from aegle.bench.answers import Burned, FileAnswer, Leak, Plant
from aegle.bench.people import Person

_UNICODE = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")


@dataclass(kw_only=True)
class Draft:
    """A file in the making. Themes fill the data set, change `raw` last, and note what they plant."""

    theme: str
    number: int
    person: Person
    rng: random.Random
    patient: int = 0  #: the number of this person's first file; 0 for this one
    has_id: bool = True  #: whether the Patient ID is the person's
    dataset: Dataset = field(default_factory=Dataset)
    clean: bool = True
    frames_kept: bool = True
    plants: list[Plant] = field(default_factory=list)
    burned: list[Burned] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    before: bytes = b""  #: replaces the 128 bytes of the preamble
    after: bytes = b""  #: follows the data set

    def __post_init__(self) -> None:
        self.dataset.file_meta = FileMetaDataset()
        self.dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian

    def uid(self, part: str) -> UID:
        """A UID of this file's own, with the patient's number in it, as some devices make them."""
        digits = self.person.patient_id.removeprefix("MRN")
        return UID(f"1.2.826.0.1.3680043.10.1234.{digits}.{self.rng.randrange(10**12)}.{len(part)}")

    def plant(self, where: Dataset, keyword: str, value: str | list[str], kind: Leak) -> None:
        """Set an attribute to a value that identifies, and remember it in place of the one it had."""
        self.forget(where, keyword)
        setattr(where, keyword, value)
        for text in value if isinstance(value, list) else [value]:
            self.note(kind, keyword, *parts_of(text))

    def forget(self, where: Dataset, keyword: str) -> None:
        """What was planted in an attribute identifies nobody, or is overwritten."""
        former = parts_of(str(where.get(keyword, "")))
        self.plants = [plant for plant in self.plants if plant.where != keyword or plant.text not in former]

    def note(self, kind: Leak, where: str, *texts: str) -> None:
        """Remember text that was written by other means, in every encoding it may have been written in."""
        for text in texts:
            self.note_bytes(kind, where, text, *encoded(text, self._codecs()))

    def note_bytes(self, kind: Leak, where: str, text: str, *forms: bytes) -> None:
        """Remember identity by its very bytes."""
        found = tuple(dict.fromkeys(form.lower().hex() for form in forms))
        self.plants.append(Plant(kind=kind, where=where, text=text, forms=found))

    def note_at(self, kind: Leak, path: str, text: str) -> None:
        """Remember what is identity in one value alone, and a word of the standard or of a maker elsewhere."""
        form = text.lower().encode().hex()
        self.plants.append(Plant(kind=kind, where=path, text=text, forms=(form,), path=path))

    def keep(self, *paths: str) -> None:
        """Values that a good tool leaves as they are."""
        self.kept += paths

    def answer(self, name: str) -> FileAnswer:
        """What the key says of this file."""
        return FileAnswer(
            name=name,
            theme=self.theme,
            number=self.number,
            patient=self.patient or self.number,
            has_id=self.has_id,
            clean=self.clean,
            plants=tuple(self.plants),
            burned=tuple(self.burned),
            kept=tuple(self.kept),
            frames_kept=self.frames_kept and "PixelData" in self.dataset,
            links=tuple(self.links),
            moments=tuple(self.moments),
        )

    def _codecs(self) -> list[str]:
        value = self.dataset.get("SpecificCharacterSet", "")
        terms = [value] if isinstance(value, str) else list(value)
        return list(convert_encodings(terms or [""]))


def parts(name: str) -> tuple[str, ...]:
    """The telling parts of a PN value."""
    found = name.replace("=", "^").split("^")
    return tuple(part for part in found if len(part) > (3 if part.isascii() else 1))


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of a name, or the whole of anything else."""
    return parts(text) if "^" in text else (text,)


def encoded(text: str, codecs: Iterable[str]) -> list[bytes]:
    """A text in every encoding that can hold it, also without the escape sequences of ISO 2022."""
    forms: list[bytes] = []
    for spelled in dict.fromkeys((text, text.lower(), text.upper())):
        for codec in dict.fromkeys((*_UNICODE, *codecs)):
            try:
                raw = spelled.encode(codec)
            except (UnicodeError, LookupError):
                continue
            forms += [raw, raw.replace(b"\x1b$B", b"").replace(b"\x1b(B", b"")] if b"\x1b" in raw else [raw]
    return forms

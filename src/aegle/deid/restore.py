"""Putting a result under the real patient: the inverse of de-identification for objects that we built.

A result in alias form carries the alias study; here its patient and study attributes become those the vault keeps,
every alias UID becomes its original, and the result's own UIDs become keyed ones, so that the object the hub knows and
the object in the PACS cannot be joined by anybody else. The same input gives the same bytes.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import Dataset, FileDataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from aegle.deid.dates import Shift, moved, moved_along
from aegle.deid.identifiers import texts
from aegle.deid.outcome import RESTORED, Identity
from aegle.deid.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from aegle.deid.pseudonyms import Pseudonyms, is_public
from aegle.errors import BadDicom, NotFound

if TYPE_CHECKING:
    from aegle.deid.vault import Vault

_UNICODE = "ISO_IR 192"

#: Attributes that only say that an object is pseudonymous; the restored one is not.
_ALIAS_MARKS = (0x00120062, 0x00120063, 0x00120064, 0x00280303)

#: Dates a result copies from its sources; every other date in it is the result's own and was never moved.
_ACQUISITION_DATE = 0x00080022
_SOURCE_DATES = frozenset({_ACQUISITION_DATE, 0x00080032, 0x0008002A, 0x00189074, 0x00189151})
_REQUIRED = frozenset(
    {0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00200010}
)  # Type 2 in the patient and general study modules: present, empty where unknown


def restore(alias_object: bytes, vault: "Vault", pseudonyms: Pseudonyms) -> bytes:
    """The Part 10 result under its real patient. Deterministic.

    Raises NotFound when the vault does not know the study, BadDicom when the object cannot be read, Unreadable when
    the vault's key does not open its values.
    """
    result = _read(alias_object)
    study_alias = str(result.get("StudyInstanceUID", ""))
    identity = vault.identity(study_alias)
    back = pseudonyms.shift(vault.patient_alias(study_alias)).back
    for item in _levels(result):
        item.decode()
        _use_unicode(item, top=item is result)
        time = str(item.get("AcquisitionTime") or "")
        for element in item:
            _restore_element(element, time, back, vault, pseudonyms)
    _restore_identity(result, identity)
    return _written(result)


def _read(alias_object: bytes) -> FileDataset:
    try:
        return dcmread(BytesIO(alias_object))
    except (InvalidDicomError, EOFError, ValueError, KeyError) as error:
        raise BadDicom(f"the result cannot be read: {type(error).__name__}") from None


def _levels(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _levels(item)


def _use_unicode(item: Dataset, *, top: bool) -> None:
    """One character set for what the result and the real patient bring together."""
    if top:
        item.SpecificCharacterSet = _UNICODE
    elif "SpecificCharacterSet" in item:
        del item.SpecificCharacterSet


def _restore_element(element: DataElement, time: str, back: Shift, vault: "Vault", pseudonyms: Pseudonyms) -> None:
    """`time` is that of the acquisition, as it stands beside the element."""
    if element.VR == "UI" and element.value:
        several = element.VM > 1
        values = [_original(str(uid), vault, pseudonyms) for uid in (element.value if several else [element.value])]
        element.value = values if several else values[0]
    elif element.tag == _ACQUISITION_DATE and element.value:
        element.value = moved_along(str(element.value), time, back)
    elif element.tag in _SOURCE_DATES and element.value:
        element.value = moved(element.VR, str(element.value), back)


def _original(alias: str, vault: "Vault", pseudonyms: Pseudonyms) -> UID:
    if is_public(alias):
        return UID(alias)
    try:
        return UID(vault.original_uid(alias))
    except NotFound:
        return UID(pseudonyms.result_uid(alias))


def _restore_identity(result: Dataset, identity: Identity) -> None:
    for tag in _ALIAS_MARKS:
        if tag in result:
            del result[tag]
    for tag, vr in RESTORED.items():
        if tag in result:
            del result[tag]
        value = texts(identity.values.get(tag, b""), identity.character_set)
        if value or tag in _REQUIRED:
            result.add_new(tag, vr, value)


def _written(result: FileDataset) -> bytes:
    meta = result.file_meta
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    result.preamble = bytes(128)
    buffer = BytesIO()
    dcmwrite(buffer, result, enforce_file_format=True)
    return buffer.getvalue()

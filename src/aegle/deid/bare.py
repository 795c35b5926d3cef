"""A data set without preamble and file meta group, as files of the nineties and some treatment planning systems are."""

from itertools import islice

from aegle.dicom.uids import is_uid
from aegle.dicom.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, BrokenEncoding, Buffer, Encoding, elements

_SOP_CLASS = 0x00080016
_BEFORE = 16  #: attributes that may stand before the SOP class; the standard has ten
_ENCODINGS = (
    ("1.2.840.10008.1.2.1", EXPLICIT_LE),
    ("1.2.840.10008.1.2", IMPLICIT_LE),
    ("1.2.840.10008.1.2.2", EXPLICIT_BE),
)


def bare_syntax(data: Buffer) -> str:
    """The transfer syntax of a data set that begins at the file's first byte; empty where none does. Only what reads as
    attributes of group 0008 up to a SOP class that is a UID is taken for one."""
    return next((syntax for syntax, encoding in _ENCODINGS if _begins(encoding, data)), "")


def _begins(encoding: Encoding, data: Buffer) -> bool:
    last = 0x0007FFFF
    try:
        for head in islice(elements(encoding, data, 0, len(data)), _BEFORE):
            if not last < head.tag <= _SOP_CLASS:
                return False
            if head.tag == _SOP_CLASS:
                value = data[head.value : head.value + min(head.length, 65)]
                return is_uid(value.decode("latin-1").strip("\0 "))
            last = head.tag
    except BrokenEncoding:
        return False
    return False

"""What the content of a report says of its subject: the birth date and the age, which the table removes from the header.

Table E.1-1 knows attributes, and a content item's DATE or NUM is one attribute whatever it is about. Moved with a patient's other
dates a birth date would still tell the age to the day. The item stays, so that those which name it by its place still find it.
"""

from aegle.deid.rules import DUMMIES
from aegle.dicom.walk import Encoding, elements, require_item

CONTENT_SEQUENCE = 0x0040A730
#: Concepts of PS3.16 TID 1007 and TID 3602, and of LOINC: Subject Birth Date, Subject Age.
_BIRTH_DATE, _AGE = frozenset({b"121031", b"21112-8"}), frozenset({b"121033", b"30525-0"})
_CONCEPT, _CODE = 0x0040A043, 0x00080100
_MEASURED, _NUMBER = 0x0040A300, 0x0040A30A
_MOMENTS = {0x0040A121: b"DA", 0x0040A120: b"DT"}
_OLDEST = 89  #: years that may be told (45 CFR 164.514(b)(2)(i)(C)); in other units the number is larger


def is_told(content: bytes) -> bool:
    """Whether one of the concepts stands anywhere in an item's bytes."""
    return any(code in content for code in _BIRTH_DATE | _AGE)


def untold(encoding: Encoding, content: bytes, *, keeps_age: bool) -> bytes:
    """A content item without its subject's birth date, and without an age that is not to be kept; any other as it is."""
    concept = _nested(encoding, content, _CONCEPT, _CODE)
    if concept in _BIRTH_DATE:
        for tag, vr in _MOMENTS.items():
            content = _replaced(encoding, content, tag, encoding.emit(tag, vr, DUMMIES[vr]))
    if concept in _AGE and not (keeps_age and _is_young(_nested(encoding, content, _MEASURED, _NUMBER))):
        content = _replaced(encoding, content, _MEASURED, encoding.emit(_MEASURED, b"SQ", b""))
    return content


def _is_young(number: bytes) -> bool:
    try:
        return float(number) <= _OLDEST
    except ValueError:
        return False


def _nested(encoding: Encoding, content: bytes, sequence: int, tag: int) -> bytes:
    """An attribute's value in the first item of a sequence; empty where there is none."""
    for head in elements(encoding, content, 0, len(content)):
        if head.tag == sequence and head.length:
            item = encoding.head(content, head.value, len(content))
            require_item(item, 1)
            for inner in elements(encoding, content, item.value, item.value + item.length):
                if inner.tag == tag:
                    return content[inner.value : inner.value + inner.length].strip(b"\0 ")
    return b""


def _replaced(encoding: Encoding, content: bytes, tag: int, element: bytes) -> bytes:
    """The content with another element in place of the one with this tag, if it has one."""
    for head in elements(encoding, content, 0, len(content)):
        if head.tag == tag:
            return content[: head.start] + element + content[head.value + head.length :]
    return content

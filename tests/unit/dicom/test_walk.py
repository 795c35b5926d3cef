"""The byte walk reads headers in place, steps over nested content, and keeps within its bounds."""

import struct
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from aegle.dicom.walk import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    MAX_DEPTH,
    BrokenEncoding,
    Flaw,
    elements,
    fragments,
)
from aegle.errors import MEANING, BadDicom

OPEN_SQ = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff"
OPEN_ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
ITEM_END, SQ_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("CT_small.dcm", EXPLICIT_LE),
        ("MR_small_implicit.dcm", IMPLICIT_LE),
        ("MR_small_bigendian.dcm", EXPLICIT_BE),
        ("test-SR.dcm", EXPLICIT_LE),
        ("rtplan.dcm", IMPLICIT_LE),
    ],
)
def test_it_sees_the_tags_that_pydicom_sees(name, encoding):
    path = str(get_testdata_file(name))
    ds = dcmread(path)
    with open(path, "rb") as file:
        data = file.read()
    start = 132 + 12 + ds.file_meta.FileMetaInformationGroupLength
    tags = [head.tag for head in elements(encoding, data, start, len(data)) if head.tag <= 0x7FE00010]
    assert tags == [int(element.tag) for element in ds if element.tag <= 0x7FE00010]


@pytest.mark.parametrize("encoding", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE], ids=lambda encoding: encoding.name)
@pytest.mark.parametrize(("vr", "value"), [(b"LO", b"odd"), (b"UI", b"1.2.3"), (b"UT", b"long"), (b"OB", b"\1")])
def test_what_it_emits_it_reads(encoding, vr, value):
    data = encoding.emit(0x00091002, vr, value)
    head = encoding.head(data, 0, len(data))
    assert (head.tag, head.length % 2) == (0x00091002, 0)
    assert data[head.value : head.value + head.length].rstrip(b" \0") == value
    assert head.vr == (vr if encoding.explicit else b"")


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_header_cut_short_is_truncated(cut):
    data = EXPLICIT_LE.emit(0x00091002, b"UT", b"")[:-cut]
    with pytest.raises(BrokenEncoding) as caught:
        EXPLICIT_LE.head(data, 0, len(data))
    assert caught.value.flaw is Flaw.TRUNCATED
    assert caught.value.meaning is MEANING[BadDicom]


def test_a_value_past_the_end_is_truncated():
    with pytest.raises(BrokenEncoding, match="passes the end"):
        EXPLICIT_LE.head(struct.pack("<HH2sH", 8, 0x60, b"CS", 4) + b"CT", 0, 10)


def test_a_value_too_long_for_its_vr_is_refused():
    with pytest.raises(BrokenEncoding, match="too long"):
        EXPLICIT_LE.emit(0x00080060, b"LO", bytes(70_000))


def test_sequences_of_undefined_length_are_stepped_over():
    inner = OPEN_SQ + OPEN_ITEM + EXPLICIT_LE.emit(0x00080060, b"CS", b"CT") + ITEM_END + SQ_END
    data = inner + EXPLICIT_LE.emit(0x00100020, b"LO", b"x")
    assert [head.tag for head in elements(EXPLICIT_LE, data, 0, len(data))] == [0x00082218, 0x00100020]


def test_nesting_is_bounded():
    deep = (OPEN_SQ + OPEN_ITEM) * (MAX_DEPTH + 1)
    with pytest.raises(BrokenEncoding) as caught:
        list(elements(EXPLICIT_LE, deep, 0, len(deep)))
    assert caught.value.flaw is Flaw.NESTING


@pytest.mark.parametrize("content", [ITEM_END, SQ_END, OPEN_SQ + ITEM_END, OPEN_SQ + OPEN_ITEM + SQ_END])
def test_delimiters_in_the_wrong_place_are_malformed(content):
    with pytest.raises(BrokenEncoding) as caught:
        list(elements(EXPLICIT_LE, content, 0, len(content)))
    assert caught.value.flaw is Flaw.MALFORMED


def test_a_vr_that_does_not_exist_is_malformed():
    with pytest.raises(BrokenEncoding, match="unknown VR"):
        EXPLICIT_LE.head(struct.pack("<HH2sH", 8, 0x60, b"ZZ", 0), 0, 8)


def test_an_unknown_sequence_is_walked_as_implicit_little_endian():
    item = IMPLICIT_LE.emit(0x00080060, b"CS", b"CT")
    data = b"\x09\x00\x02\x10UN\0\0\xff\xff\xff\xff" + OPEN_ITEM + item + ITEM_END + SQ_END
    data += EXPLICIT_LE.emit(0x00100020, b"LO", b"x")
    assert [head.tag for head in elements(EXPLICIT_LE, data, 0, len(data))] == [0x00091002, 0x00100020]


def test_fragments_end_at_their_delimiter():
    data = EXPLICIT_LE.item(b"") + EXPLICIT_LE.item(b"abcd") + SQ_END + b"after"
    table, part, end = fragments(EXPLICIT_LE, data, 0, len(data))
    assert (table.length, part.length, end.value) == (0, 4, len(data) - 5)
    with pytest.raises(BrokenEncoding):
        list(fragments(EXPLICIT_LE, data[:-14], 0, len(data) - 14))


def test_it_agrees_with_pydicom_on_what_pydicom_writes():
    ds = Dataset()
    ds.PatientName, ds.ReferencedImageSequence = "A^B", [Dataset(), Dataset()]
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2"
    buffer = BytesIO()
    ds.save_as(buffer, implicit_vr=False, little_endian=True)
    data = buffer.getvalue()
    assert [head.tag for head in elements(EXPLICIT_LE, data, 0, len(data))] == [int(element.tag) for element in ds]

"""The fast reading of a header against pydicom's: the same answer over every file pydicom ships, and over damaged ones."""

import contextlib
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.dicom import by_library, describe, frames, scan
from aegle.dicom.many_items import ManyItems
from aegle.dicom.plain import Header, Unsure
from aegle.dicom.scan import Scanned
from aegle.dicom.walk import BrokenEncoding
from aegle.errors import BadDicom

SHIPPED = sorted(
    path
    for path in Path(pydicom.__file__).parent.joinpath("data").rglob("*")
    if path.is_file() and path.suffix in ("", ".dcm") and path.read_bytes()[128:132] == b"DICM"
)
CT = Path(get_testdata_file("CT_small.dcm", download=False))


def scanned(content: bytes) -> tuple[str, Scanned] | None:
    """By the scan alone; None where it is not sure."""
    try:
        syntax, start = scan.meta(content)
        if syntax in (DeflatedExplicitVRLittleEndian, "1.2.840.10008.1.2.2"):
            return None
        return syntax, scan.scan(content, start, explicit=syntax != ImplicitVRLittleEndian)
    except Unsure:
        return None


def by_pydicom(content: bytes) -> by_library.LibraryRead:
    return by_library.read(io.BytesIO(content))


def text(header: Header) -> str:
    return json.dumps(header, allow_nan=False)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_file_that_pydicom_ships_reads_as_pydicom_reads_it(path: Path) -> None:
    content = path.read_bytes()
    found = scanned(content)
    if found is not None:
        syntax, (header, end, offsets) = found
        wanted = by_pydicom(content)
        assert text(header) == text(wanted.header)
        assert (syntax, end, offsets) == (wanted.syntax, wanted.end, wanted.offsets)


def test_most_files_that_pydicom_ships_are_read_fast() -> None:
    assert sum(scanned(path.read_bytes()) is not None for path in SHIPPED) > 0.7 * len(SHIPPED)


def damaged(content: bytes, seed: int) -> bytes:
    """One to three bytes changed, or a piece taken out, in the header."""
    chance, made = Random(seed), bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(132, min(len(made), 6_000))
        if chance.random() < 0.2:
            del made[at : at + chance.randint(1, 9)]
        else:
            made[at] = chance.choice((0, 1, 0x1B, 0x20, 0x2A, 0x5C, 0x80, 0xFF, chance.randrange(256)))
    return bytes(made)


MUTATED = ("CT_small.dcm", "MR_small_implicit.dcm", "reportsi.dcm", "rtplan.dcm", "SC_rgb_rle_2frame.dcm")


@pytest.mark.filterwarnings("ignore")
@given(name=st.sampled_from(MUTATED), seed=st.integers(0, 10**9))
@settings(max_examples=300, deadline=None)
def test_a_damaged_header_is_read_as_pydicom_reads_it_or_left_to_it(name: str, seed: int) -> None:
    content = damaged(Path(get_testdata_file(name, download=False)).read_bytes(), seed)
    found = scanned(content)
    if found is not None:
        try:
            wanted = by_pydicom(content)
        except BadDicom:
            return  # what pydicom cannot put into JSON, a plain reading may
        assert text(found[1].header) == text(wanted.header)


@pytest.mark.filterwarnings("ignore")
@given(seed=st.integers(0, 10**9), name=st.sampled_from((*MUTATED, "image_dfl.dcm", "JPEG2000.dcm")))
@settings(max_examples=200, deadline=None)
def test_nothing_but_bad_dicom_comes_of_a_damaged_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    path.write_bytes(damaged(Path(get_testdata_file(name, download=False)).read_bytes(), seed))
    with contextlib.suppress(BadDicom):
        describe.describe(path)


def values() -> Iterator[DataElement]:
    """One of each VR, plain and at the edge of plain."""
    yield DataElement(0x00080005, "CS", "ISO_IR 192")
    for number, (vr, value) in enumerate(
        [
            ("AE", " STORE "), ("AS", "012Y"), ("AT", [0x00100010, 0x7FE00010]), ("CS", ["A", "", "B"]), ("DA", "20260101"),
            ("DS", ["1.50", "-.5", "1e3"]), ("DT", "20260101120000.1"), ("FD", [1.5, float("nan")]), ("FL", float("inf")),
            ("IS", ["1", "-2"]), ("LO", ["é\\b", "c"]), ("LT", "a\\b\r\n "), ("OB", b"\1\2"), ("OW", bytes(4_096)),
            ("OD", bytes(4_094 // 8 * 8)), ("PN", "Yamada^Tarou=山田^太郎=やまだ^たろう"), ("SH", ""), ("SL", -5), ("SS", -5),
            ("ST", "x "), ("SV", -(2**60)), ("TM", "1200"), ("UC", "y"), ("UI", "1.2.3"), ("UL", 7), ("UR", "http://a/b "),
            ("US", [1, 2]), ("UT", "z" * 70_000), ("UV", 2**60), ("SQ", [Dataset()]),
        ]
    ):  # fmt: skip
        yield DataElement(0x00110010 + number if vr != "SQ" else 0x00120010, vr, value)


def write(path: Path, *elements: DataElement, syntax: str = ExplicitVRLittleEndian) -> bytes:
    made = pydicom.dcmread(CT)
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    for element in elements:
        made.add(element)
    made.save_as(path)
    return path.read_bytes()


def test_every_vr_is_told_as_pydicom_tells_it(tmp_path: Path) -> None:
    content = write(tmp_path / "all.dcm", *values())
    found = scanned(content)
    assert found is not None
    wanted = by_pydicom(content).header
    assert text(found[1].header) == text(wanted)
    assert found[1].header["0011001D"]["BulkDataURI"] == "bulkdata/0011001D"
    assert found[1].header["00110017"]["Value"] == [1.5, "NaN"]


def test_a_header_reads_alike_whatever_was_read_before_it() -> None:
    contents = [path.read_bytes() for path in SHIPPED if path.stat().st_size < 1 << 20]

    def told() -> Iterator[tuple[str, int, bytes] | None]:
        for content in contents:
            found = scanned(content)
            yield found and (text(found[1].header), *found[1][1:])

    alone = []
    for each in told():
        alone.append(each)
        scan.met_before.cache_clear()
    assert list(told()) == alone
    assert list(told()) == alone


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_same_bytes_in_another_character_set_are_other_text(tmp_path: Path, syntax: str) -> None:
    told = []
    for name, said in (("ISO_IR 100", "M\xc3\xbcller"), ("ISO_IR 192", "M\xfcller"), ("ISO_IR 100", "M\xc3\xbcller")):
        made = Dataset()
        made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        made.SpecificCharacterSet, made.StudyDescription = name, said
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        made.save_as(tmp_path / "made.dcm", enforce_file_format=True)
        found = scanned((tmp_path / "made.dcm").read_bytes())
        told.append(found and found[1].header["00081030"]["Value"] == [said])
    assert told == [True, True, True]


def test_what_is_held_of_headers_read_before_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MET_MOST", 4)
    scan.met_before.cache_clear()
    for path in SHIPPED[:40]:
        scanned(path.read_bytes())
    held = [len(scan.met_before(explicit, name).held) for explicit in (True, False) for name in ("", "ISO_IR 100")]
    assert max(held) == 4


@pytest.mark.parametrize("length", ["defined", "undefined"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_of_either_length_are_read_in_full(tmp_path: Path, length: str, syntax: str) -> None:
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "in the middle"
    outer.ConceptNameCodeSequence, outer.TextValue = [inner, Dataset()], "x"
    made = Dataset()
    made.SOPInstanceUID, made.ContentSequence = "2.25.1", [outer, outer]
    for item in (made["ContentSequence"], outer["ConceptNameCodeSequence"]):
        item.is_undefined_length = length == "undefined"
    stream = io.BytesIO()
    stream.write(bytes(0))
    pydicom.filewriter.write_dataset(_buffer(stream, syntax), made)
    found = scan.scan(stream.getvalue(), 0, explicit=syntax == ExplicitVRLittleEndian)
    assert text(found.header) == text(by_library._json(made, ""))


def _buffer(stream: io.BytesIO, syntax: str) -> pydicom.filebase.DicomIO:
    made = pydicom.filebase.DicomIO(stream)
    made.is_little_endian, made.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
    return made


# --- bombs


def test_sequences_nested_too_deep_are_refused(tmp_path: Path) -> None:
    deep = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    content = CT.read_bytes()
    _, start = scan.meta(content)
    with pytest.raises(BrokenEncoding):
        scan.scan(content[:start] + deep * 5_000, start, explicit=True)
    (tmp_path / "deep.dcm").write_bytes(content[:start] + deep * 5_000)
    with pytest.raises(BadDicom):
        describe.describe(tmp_path / "deep.dcm")


def test_a_deflated_object_is_inflated_no_further_than_a_header_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_library, "HEADER_MAX_BYTES", 1 << 20)
    content = write(tmp_path / "a.dcm", syntax=DeflatedExplicitVRLittleEndian)
    assert describe.describe(tmp_path / "a.dcm").transfer_syntax == DeflatedExplicitVRLittleEndian
    _, start = scan.meta(content)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = packer.compress(struct.pack("<HH2sHI", 8, 8, b"UT", 0, 1 << 29) + bytes(64 << 20)) + packer.flush()
    (tmp_path / "b.dcm").write_bytes(content[:start] + bomb)
    with pytest.raises(BadDicom):
        describe.describe(tmp_path / "b.dcm")


def test_a_deflated_object_whose_meta_cannot_be_read_is_refused(tmp_path: Path) -> None:
    content = write(tmp_path / "a.dcm", syntax=DeflatedExplicitVRLittleEndian)
    (tmp_path / "b.dcm").write_bytes(content.replace(b"\x02\0\x02\0UI", b"\x02\0\x12\0UI", 1))
    with pytest.raises(BadDicom, match="deflated"):
        describe.describe(tmp_path / "b.dcm")


def test_pydicom_reads_no_more_of_a_file_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_library, "HEADER_MAX_BYTES", 50_000)
    write(tmp_path / "a.dcm", DataElement(0x00080005, "CS", "ISO_IR 144"), DataElement(0x00110010, "UT", "x" * 60_000))
    with pytest.raises(BadDicom, match="more than"):
        describe.describe(tmp_path / "a.dcm")


@pytest.mark.parametrize(("rows", "count"), [(0, 2**31 - 1), (1, 2**31 - 1), (128, -4)])
def test_a_number_of_frames_that_cannot_be_takes_no_memory(tmp_path: Path, rows: int, count: int) -> None:
    write(tmp_path / "a.dcm", DataElement(0x00280008, "IS", count), DataElement(0x00280010, "US", rows))
    with pytest.raises(BadDicom):
        describe.describe(tmp_path / "a.dcm")


def test_more_fragments_than_an_image_can_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAGMENTS_MAX", 3)
    path = Path(get_testdata_file("JPEG2000.dcm", download=False))
    head, _, _ = path.read_bytes().partition(b"\xe0\x7f\x10\0OB")
    pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 9 + b"\xfe\xff\xdd\xe0\0\0\0\0"
    (tmp_path / "a.dcm").write_bytes(head + pixels)
    with pytest.raises(BadDicom, match="more than 3"):
        describe.describe(tmp_path / "a.dcm")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    with pytest.raises(BadDicom):
        describe.describe(tmp_path / "a.dcm")


def sparse(frames_: int) -> bytes:
    """A slide whose frames each say where they lie."""
    made = pydicom.dcmread(CT)
    made.remove_private_tags()
    made.NumberOfFrames, made.Rows, made.Columns, made.PixelData = frames_, 8, 8, bytes(128 * frames_)
    made.PerFrameFunctionalGroupsSequence = [Dataset() for _ in range(frames_)]
    for number, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        groups.PlanePositionSlideSequence = [Dataset()]
        groups.PlanePositionSlideSequence[0].ColumnPositionInTotalImagePixelMatrix = number
    stream = io.BytesIO()
    made.save_as(stream)
    return stream.getvalue()


@pytest.mark.parametrize("count", [2, 3, 10, 12])
def test_the_places_of_many_frames_are_told_whole_and_take_no_memory_as_objects(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "FOLDED", 3)
    path = tmp_path / "sparse.dcm"
    path.write_bytes(sparse(count))
    described = describe.describe(path)
    folded = described.header["52009230"]["Value"]
    assert isinstance(folded, ManyItems) == (count >= 3)
    with path.open("rb") as stream:
        assert json.loads(described.metadata) == by_library.read(stream).header


def test_places_beyond_the_bound_are_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FOLDED", 3)
    monkeypatch.setattr(scan, "ITEMS_MAX_BYTES", 500)
    with pytest.raises(Unsure):
        scan.scan(sparse(30), scan.meta(sparse(30))[1], explicit=True)


def test_nothing_stays_in_memory_of_an_object_that_is_not_deidentified() -> None:
    scan.met_before.cache_clear()
    describe.describe(CT, forgets=True)
    assert scan.met_before.cache_info().currsize == 0
    describe.describe(CT)
    assert scan.met_before.cache_info().currsize > 0


@pytest.mark.parametrize("signed", [0, 1])
def test_an_implicit_slice_with_private_blocks_is_read_fast(tmp_path: Path, signed: int) -> None:
    made = pydicom.dcmread(CT)  # of a maker whose attributes pydicom knows
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    made.PixelRepresentation = signed
    made.SmallestImagePixelValue, made.PixelPaddingValue = -signed, 7
    block = made.private_block(0x0051, "OF NOBODY WE KNOW", create=True)
    block.add_new(1, "LO", "what it says")
    block.add_new(2, "SL", -5)
    made.add_new(0x00530001, "LO", "without a block")
    made.save_as(tmp_path / "made.dcm")
    content = (tmp_path / "made.dcm").read_bytes()
    found = scanned(content)
    assert found is not None
    assert text(found[1].header) == text(by_pydicom(content).header)
    assert {found[1].header[tag]["vr"] for tag in ("00280106", "00280120")} == {"SS" if signed else "US"}


def crowded(elements: int, last: bytes) -> bytes:
    """A slice with as many more elements, empty but for the last one."""
    made = pydicom.dcmread(CT)
    for element in list(made):
        if element.tag.group > 0x0008:
            del made[element.tag]
    stream = io.BytesIO()
    made.save_as(stream)
    tags = [(0x0021 + 2 * (number // 60_000), number % 60_000 + 1) for number in range(elements)]
    empty = b"".join(struct.pack("<HH2sH", *tag, b"LO", 0) for tag in tags)
    return stream.getvalue() + empty + struct.pack("<HH2sH", 0x7001, 1, b"LO", len(last)) + last


@pytest.mark.parametrize("last", [b"plain ", b"\x1b$ "], ids=["fast", "pydicom"])
def test_more_elements_than_any_header_has_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr(scan, "ELEMENTS_MAX", 1_000)
    monkeypatch.setattr(by_library, "READS_MAX", 1_000)
    (tmp_path / "crowded.dcm").write_bytes(crowded(1_000, last))
    with pytest.raises(BadDicom, match="attributes"):
        describe.describe(tmp_path / "crowded.dcm")


def test_pydicom_is_given_no_more_pieces_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    content = crowded(1_000, b"\x1b$ ")
    assert scanned(content) is None
    monkeypatch.setattr(by_library, "READS_MAX", 1_000)
    with pytest.raises(BadDicom, match="attributes"):
        by_pydicom(content)


def test_elements_of_many_frames_that_became_text_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FOLDED", 10)
    monkeypatch.setattr(scan, "ELEMENTS_MAX", 400)
    found = scanned(sparse(1_000))
    assert found is not None
    many = found[1].header["52009230"]["Value"]
    assert isinstance(many, ManyItems) and many.count == 1_000


def test_other_long_sequences_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "ITEMS_MAX", 20)
    monkeypatch.setattr(scan, "_LONG", frozenset())
    with pytest.raises(Unsure):
        scan.scan(sparse(30), scan.meta(sparse(30))[1], explicit=True)

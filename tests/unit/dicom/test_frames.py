"""Frame tables are proved against pydicom's own reading of its test files."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from aegle.dicom.describe import describe
from aegle.dicom.frames import FrameTable, native
from aegle.errors import BadDicom, NotFound

COMPRESSED = [
    "SC_rgb_rle_2frame.dcm",
    "rtdose_rle.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEG2000.dcm",
    "JPEG-lossy.dcm",
]
PLAIN = [
    "CT_small.dcm",
    "rtdose.dcm",
    "rtdose_expb.dcm",
    "SC_rgb_small_odd.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
]


def frames_of(path: Path) -> list[bytes]:
    table = describe(path).table
    assert table is not None
    content = path.read_bytes()
    return [b"".join(content[at : at + size] for at, size in table.of(n)) for n in range(1, len(table) + 1)]


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_frames_are_those_pydicom_reads(name: str) -> None:
    path = Path(get_testdata_file(name, download=False))
    dataset = pydicom.dcmread(path)
    count = int(dataset.get("NumberOfFrames", 1))
    assert frames_of(path) == list(generate_frames(dataset.PixelData, number_of_frames=count))


@pytest.mark.parametrize("name", PLAIN)
def test_plain_frames_are_slices_of_the_pixel_data(name: str) -> None:
    path = Path(get_testdata_file(name, download=False))
    assert pydicom.dcmread(path).PixelData.startswith(b"".join(frames_of(path)))


def write(path: Path, pixels: bytes, frames: int, **extra: bytes) -> Path:
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.NumberOfFrames = frames
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    for name, value in extra.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("with_table", [True, False])
def test_one_fragment_a_frame_needs_no_offset_table(tmp_path: Path, with_table: bool) -> None:
    wanted = [b"aa", b"bbbb", b"cccccc"]
    path = write(tmp_path / "a.dcm", encapsulate(wanted, has_bot=with_table), 3)
    assert frames_of(path) == wanted


def test_several_fragments_a_frame_are_joined_by_the_basic_offset_table(tmp_path: Path) -> None:
    wanted = [b"abcdef" * 10, b"ghijkl" * 20]
    path = write(tmp_path / "a.dcm", encapsulate(wanted, fragments_per_frame=3, has_bot=True), 2)
    assert frames_of(path) == wanted


def test_the_extended_offset_table_is_used(tmp_path: Path) -> None:
    wanted = [b"aa", b"bbbb"]
    pixels, offsets, lengths = encapsulate_extended(wanted)
    path = write(tmp_path / "a.dcm", pixels, 2, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)
    assert frames_of(path) == wanted


def test_fragments_that_make_no_frames_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", encapsulate([b"aa", b"bb", b"cc"], has_bot=False), 2)
    with pytest.raises(BadDicom, match="3 fragments do not make 2 frames"):
        describe(path)


def test_pixel_data_without_its_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", encapsulate([b"aa", b"bb"], has_bot=False), 2)
    path.write_bytes(path.read_bytes().rpartition(b"\xfe\xff\xdd\xe0")[0])
    with pytest.raises(BadDicom):
        describe(path)


def test_a_table_survives_its_stored_form() -> None:
    table = native(100, 60, 3, 160)
    again = FrameTable.from_bytes(table.to_bytes())
    assert [again.of(n) for n in (1, 2, 3)] == [[(100, 20)], [(120, 20)], [(140, 20)]]
    with pytest.raises(NotFound):
        again.of(4)


def test_native_pixels_shorter_than_they_say_are_refused() -> None:
    with pytest.raises(BadDicom):
        native(0, 59, 3, 160)


def test_a_file_that_is_not_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"not DICOM" * 100)
    with pytest.raises(BadDicom):
        describe(tmp_path / "a.dcm")


def test_explicit_little_endian_is_what_the_plain_file_says() -> None:
    assert describe(Path(get_testdata_file("CT_small.dcm", download=False))).transfer_syntax == ExplicitVRLittleEndian

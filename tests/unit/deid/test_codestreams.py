"""Words inside compressed frames are blanked in place; the picture and every offset stay."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from aegle.deid import HoldReason
from aegle.deid import jpeg as jpeg_module
from aegle.deid.jpeg import Markers, NumpyMarkers

CANARY = b"Quillfeather Ottilie 19610704"


def jpeg(progressive: bool = False) -> bytes:
    picture = np.random.default_rng(1).integers(0, 255, (4, 4), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", progressive=progressive)
    return buffer.getvalue()


def j2k() -> bytes:
    picture = np.random.default_rng(1).integers(0, 255, (4, 4), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG2000", no_jp2=True)
    return buffer.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_comments(image: bytes) -> bytes:
    """COM, EXIF, XMP and a JFIF thumbnail after SOI, a comment before EOI, and prose after it."""
    head = segment(0xFE, CANARY) + segment(0xE1, b"Exif\0\0" + CANARY) + segment(0xED, CANARY) + segment(0xE0, CANARY)
    return image[:2] + head + image[2:-2] + segment(0xFE, CANARY) + image[-2:] + CANARY + b"!"


@pytest.fixture
def compressed(still):
    def make(syntax: str, *frames: bytes, **encapsulation: object):
        ds = still(NumberOfFrames=len(frames))
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate(list(frames), **encapsulation)
        ds["PixelData"].is_undefined_length = True
        return ds

    return make


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("table", [True, False], ids=["offsets", "no offsets"])
def test_jpeg_segments_are_blanked_and_pixels_are_equal(fragments, table, compressed, run):
    plain, dirty = jpeg(), with_comments(jpeg())
    ds = compressed(JPEGBaseline8Bit, plain, dirty, fragments_per_frame=fragments, has_bot=table)
    before = ds.pixel_array
    outcome = run(ds)
    assert CANARY not in outcome.bytes and b"Quillfeather" not in outcome.bytes
    assert outcome.check() is None
    assert outcome.done.blanked >= 6
    assert (outcome.dataset.pixel_array == before).all()
    assert outcome.dataset.PixelData[:40] == ds.PixelData[:40]


def test_progressive_jpeg_with_words_between_its_scans(compressed, run):
    image = jpeg(progressive=True)
    second = image.index(b"\xff\xda", image.index(b"\xff\xda") + 2)
    outcome = run(compressed("1.2.840.10008.1.2.4.50", image[:second] + segment(0xFE, CANARY) + image[second:]))
    assert CANARY not in outcome.bytes
    assert outcome.check() is None


def test_jpeg_2000_comments_are_blanked(compressed, run):
    image = j2k()
    siz = 4 + int.from_bytes(image[4:6], "big")
    dirty = image[:siz] + segment(0x64, b"\0\1" + CANARY) + image[siz:] + CANARY + b"!"
    ds = compressed(JPEG2000Lossless, dirty)
    before = ds.pixel_array
    outcome = run(ds)
    assert CANARY not in outcome.bytes
    assert outcome.check() is None
    assert (outcome.dataset.pixel_array == before).all()


@pytest.mark.parametrize(
    "frame", [b"\xff\xd8\xff", CANARY, b"\0\0", jpeg()[:-2], jpeg()[:60], b"\xff\xd8\xff\xfe\0\0aa"]
)
def test_a_frame_that_is_no_jpeg_image_is_held(frame, compressed, run):
    assert run(compressed(JPEGBaseline8Bit, frame)).held.reason is HoldReason.PIXELS_UNPROVEN


@pytest.mark.parametrize("frame", [b"\xff\x4f\xff\x51", j2k()[:-2], j2k()[:50], jpeg()])
def test_a_frame_that_is_no_jpeg_2000_codestream_is_held(frame, compressed, run):
    assert run(compressed(JPEG2000Lossless, frame)).held.reason is HoldReason.PIXELS_UNPROVEN


@given(
    st.lists(st.sampled_from([b"\xff", b"\0", b"\xd0", b"\xd7", b"\xd8", b"\xd9", b"\x7f", b"\x80", b"\xfe", b"A"])),
    st.integers(1, 9),
)
def test_both_ways_to_find_markers_find_the_same(parts, window):
    data = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg_module, "WINDOW", window)
        numpy_markers = NumpyMarkers(data)
        for pos in (*range(len(data)), 0):
            for end in range(pos, len(data) + 1):
                assert numpy_markers.find(pos, end) == Markers(data).find(pos, end)


def test_an_offset_table_that_holds_prose_is_held(compressed, run, written):
    ds = compressed(JPEGBaseline8Bit, jpeg(), jpeg())
    content = written(ds)
    at = content.index(b"\xfe\xff\x00\xe0\x08\0\0\0") + 8
    assert run(content[:at] + b"JANE DOE" + content[at + 8 :]).held.reason is HoldReason.PIXELS_UNPROVEN


def test_run_length_frames_pass_as_they_are(still, run):
    ds = still()
    before = ds.pixel_array.copy()
    ds.compress(RLELossless, generate_instance_uid=False)
    outcome = run(ds)
    assert outcome.check() is None
    assert (outcome.dataset.pixel_array == before).all()


@pytest.mark.parametrize(
    ("syntax", "image"),
    [(JPEGBaseline8Bit, jpeg()), ("1.2.840.10008.1.2.4.50", jpeg(progressive=True)), (JPEG2000Lossless, j2k())],
    ids=["JPEG", "progressive JPEG", "JPEG 2000"],
)
def test_a_frame_larger_or_smaller_than_the_header_says_is_held(syntax, image, compressed, run):
    for rows, columns in ((2, 4), (4, 8)):
        ds = compressed(syntax, image)
        ds.Rows, ds.Columns = rows, columns
        assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


@pytest.mark.parametrize(
    ("syntax", "image"), [(JPEGBaseline8Bit, jpeg()), (JPEG2000Lossless, j2k())], ids=["JPEG", "JPEG 2000"]
)
def test_a_frame_with_more_samples_than_the_header_says_is_held(syntax, image, compressed, run):
    ds = compressed(syntax, image)
    assert run(ds).done
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (1, "MONOCHROME2") if ds.SamplesPerPixel == 3 else (3, "RGB")
    ds.PlanarConfiguration = 0
    assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


@pytest.mark.parametrize(("samples", "photometric"), [(2, "MONOCHROME2"), (4, "ARGB"), (4, "CMYK"), (4, "RGB")])
def test_a_sample_that_viewers_do_not_show_is_held(samples, photometric, still, run):
    ds = still(SamplesPerPixel=samples, PhotometricInterpretation=photometric, PlanarConfiguration=0)
    ds.PixelData = bytes(16 * samples)
    assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


def test_words_in_tables_that_no_picture_uses_hold_the_object(compressed, run):
    conditions = segment(0xCC, CANARY + b"!")
    lengths = bytes(range(65, 80))
    tile = j2k().index(b"\xff\x93")
    for syntax, frame in (
        (JPEGBaseline8Bit, jpeg()[:2] + conditions + jpeg()[2:]),
        (JPEG2000Lossless, grown(j2k()[:tile] + segment(0x58, b"\0" + lengths) + j2k()[tile:], len(lengths) + 5)),
    ):
        assert run(compressed(syntax, frame)).held.reason is HoldReason.PIXELS_UNPROVEN


def test_tables_that_are_ones_pass(compressed, run):
    buffer = BytesIO()
    picture = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(picture).save(buffer, "JPEG2000", no_jp2=True, plt=True)
    assert b"\xff\x58" in buffer.getvalue()
    ds = compressed(JPEG2000Lossless, buffer.getvalue())
    ds.Rows = ds.Columns = 64
    assert run(ds).check() is None
    conditions = segment(0xCC, b"\x00\x10\x13\x05")
    assert run(compressed(JPEGBaseline8Bit, jpeg()[:2] + conditions + jpeg()[2:])).check() is None


def grown(codestream: bytes, by: int) -> bytes:
    """With the length of its one tile-part so many bytes longer."""
    at = codestream.index(b"\xff\x90") + 6
    length = int.from_bytes(codestream[at : at + 4], "big")
    return codestream[:at] + (length + by).to_bytes(4, "big") + codestream[at + 4 :]

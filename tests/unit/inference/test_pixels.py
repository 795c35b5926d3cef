"""Frames of each transfer syntax become the pixels they were made of; harmed ones are refused."""

import io
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from aegle.demo.pictures import draw
from aegle.errors import Unreadable
from aegle.inference.pixels import PixelFormat, decode

MAX = 1_000_000
JPEG, JPEG2000, JPEG2000_LOSSLESS = (f"1.2.840.10008.1.2.4.{last}" for last in (50, 91, 90))
PICTURE = draw(96, 64, mpp=1.0, finding="HSIL", seed=1).pixels


def stored(syntax: str, photometric: str = "RGB", **others: int) -> PixelFormat:
    facts = {"rows": 64, "columns": 96, "samples": 3, "bits": 8, **others}
    return PixelFormat(transfer_syntax=syntax, photometric=photometric, **facts)


def by_pillow(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PICTURE).save(stream, kind, **options)
    return stream.getvalue()


def rle() -> bytes:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = 64, 96, 3, 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PhotometricInterpretation, made.PixelData = "RGB", PICTURE.tobytes()
    made.SOPInstanceUID = "2.25.1"
    made.compress(RLELossless)
    return next(generate_frames(made.PixelData, number_of_frames=1))


def test_native_frames_are_exact() -> None:
    assert np.array_equal(decode(PICTURE.tobytes(), stored(ExplicitVRLittleEndian), max_pixels=MAX), PICTURE)


def test_planar_native_frames_are_exact() -> None:
    planes = np.ascontiguousarray(PICTURE.transpose(2, 0, 1)).tobytes()
    assert np.array_equal(decode(planes, stored(ExplicitVRLittleEndian, planar=1), max_pixels=MAX), PICTURE)


def test_run_length_frames_are_exact() -> None:
    assert np.array_equal(decode(rle(), stored(RLELossless), max_pixels=MAX), PICTURE)


def test_lossless_jpeg_2000_frames_are_exact() -> None:
    frame = by_pillow("JPEG2000", irreversible=False, no_jp2=True)
    assert np.array_equal(decode(frame, stored(JPEG2000_LOSSLESS, "YBR_RCT"), max_pixels=MAX), PICTURE)


@pytest.mark.parametrize(
    ("syntax", "photometric", "frame"),
    [
        (JPEG, "YBR_FULL_422", by_pillow("JPEG", quality=95)),
        (JPEG2000, "YBR_ICT", by_pillow("JPEG2000", irreversible=True, no_jp2=True, quality_layers=[10])),
    ],
)
def test_lossy_frames_are_close(syntax: str, photometric: str, frame: bytes) -> None:
    pixels = decode(frame, stored(syntax, photometric), max_pixels=MAX)
    assert np.abs(pixels.astype(int) - PICTURE).mean() < 5


def test_a_jpeg_without_markers_follows_its_header() -> None:
    """Pillow writes RGB components without a colour transform when asked; the header alone says that it is RGB."""
    frame = by_pillow("JPEG", quality=95, subsampling=0, keep_rgb=True)
    bare = without_segments(frame, {0xE0, 0xEE})
    pixels = decode(bare, stored(JPEG, "RGB"), max_pixels=MAX)
    assert np.abs(pixels.astype(int) - PICTURE).mean() < 5


def without_segments(frame: bytes, markers: set[int]) -> bytes:
    kept, at = bytearray(frame[:2]), 2
    while frame[at + 1] != 0xDA:
        size = 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if frame[at + 1] not in markers:
            kept += frame[at : at + size]
        at += size
    return bytes(kept + frame[at:])


def grey() -> NDArray[np.uint8]:
    return np.ascontiguousarray(PICTURE[..., 0])


def test_grey_frames_become_rgb() -> None:
    pixels = decode(grey().tobytes(), stored(ExplicitVRLittleEndian, "MONOCHROME2", samples=1), max_pixels=MAX)
    assert np.array_equal(pixels, np.repeat(grey()[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("frame", "form"),
    [
        (PICTURE.tobytes()[:-1], stored(ExplicitVRLittleEndian)),
        (by_pillow("JPEG")[:400], stored(JPEG, "YBR_FULL_422")),
        (b"", stored(JPEG, "YBR_FULL_422")),
        (by_pillow("JPEG"), replace(stored(JPEG, "YBR_FULL_422"), rows=32)),
        (rle()[:100], stored(RLELossless)),
        (PICTURE.tobytes(), stored(ExplicitVRLittleEndian, bits=16)),
        (PICTURE.tobytes(), stored(ExplicitVRLittleEndian, "YBR_PARTIAL_420")),
        (PICTURE.tobytes(), stored("1.2.840.10008.1.2.4.100")),
    ],
)
def test_a_harmed_or_foreign_frame_is_refused(frame: bytes, form: PixelFormat) -> None:
    with pytest.raises(Unreadable):
        decode(frame, form, max_pixels=MAX)


def test_a_frame_that_claims_too_much_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(Unreadable, match="over the bound"):
        decode(b"", stored(JPEG, rows=60_000, columns=60_000), max_pixels=MAX)


def test_a_codestream_larger_than_its_header_says_is_refused_before_it_is_unpacked() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(stream, "JPEG")
    with pytest.raises(Unreadable, match="another size"):
        decode(stream.getvalue(), stored(JPEG, "YBR_FULL_422"), max_pixels=MAX)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_flipped_byte_gets_out_as_anything_but_pixels_or_a_refusal(data: st.DataObject) -> None:
    frame = bytearray(by_pillow("JPEG"))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unreadable):
        assert decode(bytes(frame), stored(JPEG, "YBR_FULL_422"), max_pixels=MAX).shape == PICTURE.shape

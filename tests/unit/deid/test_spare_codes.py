"""Bits that no viewer shows hold nothing in compressed frames either; whether they can is told from the codestream."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

import dcmtk
from aegle.deid import HoldReason, repaint
from aegle.deid.child import Children
from aegle.deid.spare_codes import precision

SHAPE = (64, 64)
NOISE = np.random.default_rng(7).integers(0, 4096, SHAPE, dtype=np.uint16)
SHAPE_ABOVE = np.zeros(SHAPE, np.uint16)
SHAPE_ABOVE[10:20, 5:60] = 1 << 15
SYNTAXES = [RLELossless, JPEG2000Lossless, JPEGLSLossless]


@pytest.fixture
def compressed(still):
    """A picture of 12 bits whose codestream counts `precision` of them."""

    def make(pixels, syntax, precision=16, signed=0):
        ds = still(Rows=SHAPE[0], Columns=SHAPE[1], BitsAllocated=16, PixelRepresentation=signed)
        ds.BitsStored, ds.HighBit = precision, precision - 1
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW"
        ds.compress(syntax, generate_instance_uid=False)
        ds.BitsStored, ds.HighBit = 12, 11
        return ds

    return make


@pytest.fixture
def asked(monkeypatch):
    """The questions that went to a child."""
    wishes = []
    children = repaint.decoders()
    monkeypatch.setattr(children, "ask", lambda wish: wishes.append(wish) or Children.ask(children, wish))
    return wishes


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_something_in_the_bits_above_bits_stored_is_held(syntax, compressed, run, asked):
    assert run(compressed(NOISE, syntax)).check() is None
    verdict = run(compressed(NOISE | SHAPE_ABOVE, syntax)).check()
    assert verdict and verdict.reason is HoldReason.HIDDEN_BITS
    assert len(asked) == (1 if syntax == RLELossless else 2)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_codestream_without_room_is_not_decoded(syntax, compressed, run, asked):
    assert run(compressed(NOISE, syntax, precision=12)).check() is None
    assert asked == []


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_a_negative_number_may_extend_its_sign(syntax, compressed, run):
    signed = NOISE.astype(np.int16) - 2048
    assert run(compressed(signed, syntax, signed=1)).check() is None


def test_a_second_frame_is_looked_at_too(compressed, run):
    clean, spoilt = (compressed(pixels, RLELossless) for pixels in (NOISE, NOISE | SHAPE_ABOVE))
    frames = [next(generate_frames(ds.PixelData, number_of_frames=1)) for ds in (clean, clean, spoilt)]
    clean.NumberOfFrames, clean.PixelData = 3, encapsulate(frames)
    assert run(clean).check().reason is HoldReason.HIDDEN_BITS


def test_frames_that_are_only_encapsulated_are_looked_at(still, run):
    for pixels, reason in ((NOISE, None), (NOISE | SHAPE_ABOVE, HoldReason.HIDDEN_BITS)):
        ds = still(Rows=SHAPE[0], Columns=SHAPE[1], BitsAllocated=16, BitsStored=12, HighBit=11)
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.98"
        ds.PixelData = encapsulate([pixels.tobytes()])
        ds["PixelData"].is_undefined_length = True
        verdict = run(ds).check()
        assert (verdict and verdict.reason) is reason


def test_a_frame_that_cannot_be_decoded_is_held(compressed, run):
    ds = compressed(NOISE, JPEG2000Lossless)
    frame = bytearray(next(generate_frames(ds.PixelData, number_of_frames=1)))
    frame[frame.index(b"\xff\x52") + 9] = 255  # levels of decomposition
    ds.PixelData = encapsulate([bytes(frame)])
    assert run(ds).check().reason is HoldReason.PIXELS_UNPROVEN
    assert run(compressed(NOISE, JPEG2000Lossless)).check() is None


@pytest.mark.peer("dcmcjpeg")
def test_what_dcmtk_writes_counts_the_whole_word_and_is_clean_or_held(still, written, run, tmp_path):
    for pixels, reason in ((NOISE, None), (NOISE | SHAPE_ABOVE, HoldReason.HIDDEN_BITS)):
        ds = still(
            Rows=SHAPE[0], Columns=SHAPE[1], BitsAllocated=16, BitsStored=12, HighBit=11, PixelData=pixels.tobytes()
        )
        ds["PixelData"].VR = "OW"
        plain, packed = tmp_path / "plain.dcm", tmp_path / "packed.dcm"
        plain.write_bytes(written(ds))
        assert dcmtk.run("dcmcjpeg", "+e1", plain, packed).returncode == 0
        frame = next(generate_frames(dcmread(packed).PixelData, number_of_frames=1))
        assert precision(frame, 0, len(frame)) == 16
        verdict = run(packed.read_bytes()).check()
        assert (verdict and verdict.reason) is reason

"""Bits that no viewer shows hold nothing in what leaves."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from aegle.deid import HoldReason

SHAPE = (64, 64)
TEXT = np.frombuffer((b"Quillfeather " * 400)[: 64 * 64 // 2], np.uint8)


def pictured(still, pixels, *, stored=12, high=None, signed=0, **values):
    order = ">" if values.pop("big_endian", False) else "<"
    ds = still(
        Rows=SHAPE[0], Columns=SHAPE[1], BitsAllocated=16, BitsStored=stored, PixelRepresentation=signed, **values
    )
    ds.HighBit = stored - 1 if high is None else high
    ds.PixelData = pixels.astype(f"{order}i2" if signed else f"{order}u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def text_above(pixels):
    nibbles = np.stack([TEXT >> 4, TEXT & 15], axis=1).reshape(SHAPE).astype(np.uint16)
    return pixels | nibbles << 12


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(0, 4096, SHAPE, dtype=np.uint16)


def test_a_text_in_the_bits_above_bits_stored_is_held_by_the_check(pixels, still, run):
    verdict = run(pictured(still, text_above(pixels))).check()
    assert verdict and verdict.reason is HoldReason.HIDDEN_BITS and "Quill" not in verdict.detail


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_in_every_order_of_bytes(syntax, pixels, still, run):
    big_endian = syntax == ExplicitVRBigEndian
    clean, spoilt = (pictured(still, made, big_endian=big_endian) for made in (pixels, text_above(pixels)))
    for ds in (clean, spoilt):
        ds.file_meta.TransferSyntaxUID = syntax
    assert run(clean).check() is None
    assert run(spoilt).check().reason is HoldReason.HIDDEN_BITS


def test_big_endian_pixels_that_somebody_left_in_the_other_order_are_admitted(pixels, still, run):
    ds = pictured(still, pixels)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert run(ds).check() is None


def test_an_overlay_whose_group_somebody_removed_is_held(pixels, still, run):
    overlay = np.zeros(SHAPE, np.uint16)
    overlay[10:20, 5:60] = 1 << 15
    assert run(pictured(still, pixels | overlay)).check().reason is HoldReason.HIDDEN_BITS


def test_bits_below_the_stored_ones_are_looked_at_too(pixels, still, run):
    assert run(pictured(still, pixels << 4, high=15)).check() is None
    assert run(pictured(still, pixels << 4 | 3, high=15)).check().reason is HoldReason.HIDDEN_BITS


def test_a_negative_number_may_extend_its_sign(pixels, still, run):
    signed = pixels.astype(np.int16) - 2048
    assert run(pictured(still, signed, signed=1)).check() is None
    spoilt = signed.view(np.uint16) ^ np.uint16(0x5000)
    assert run(pictured(still, spoilt.view(np.int16), signed=1)).check().reason is HoldReason.HIDDEN_BITS


def test_the_value_that_pads_a_picture_may_lie_outside_of_the_stored_bits(pixels, still, run):
    padded = pixels.copy()
    padded[:4] = 63536
    assert run(pictured(still, padded)).check().reason is HoldReason.HIDDEN_BITS
    assert run(pictured(still, padded, PixelPaddingValue=63536)).check() is None


def test_noise_in_every_bit_of_the_picture_is_a_header_that_counts_too_few(pixels, still, run):
    noise = np.random.default_rng(8).integers(0, 1 << 16, SHAPE, dtype=np.uint16)
    assert run(pictured(still, noise)).check() is None
    noise[32:] &= 4095  # in half of the picture it would be something that was put there
    assert run(pictured(still, noise)).check().reason is HoldReason.HIDDEN_BITS


@pytest.mark.parametrize("stored", [12, 15])
def test_a_shape_over_half_of_the_picture_is_no_noise(stored, pixels, still, run):
    shape = np.zeros(SHAPE, np.uint16)
    shape[:, :32] = 0xFFFF << stored & 0xFFFF
    assert run(pictured(still, pixels | shape, stored=stored)).check().reason is HoldReason.HIDDEN_BITS


def test_all_bits_stored_leaves_none_to_spare(pixels, still, run):
    assert run(pictured(still, text_above(pixels), stored=16)).check() is None

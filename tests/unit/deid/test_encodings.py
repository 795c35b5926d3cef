"""Every way an object can be encoded ends clean, with the same pixels, or held with the reason."""

import errno
import os
import struct
import time
from collections.abc import Sequence
from concurrent.futures import Future
from io import BytesIO
from threading import Event
from typing import IO

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    UID_dictionary,
)

from aegle.deid import HoldReason
from aegle.deid.icc import without_words
from aegle.deid.part10 import SYNTAXES
from aegle.errors import StorageFull

NAME = "Quillfeather"
PLAIN = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
OPEN_ITEM, ITEM_END, SQ_END = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
)


def assert_clean(outcome, *words: str) -> None:
    assert outcome.check() is None
    for word in (NAME, "Ottilie", "4711", *words):
        assert word.lower() not in str(outcome.dataset).lower()
        assert word.lower().encode() not in outcome.bytes.lower()


def crowded(ds: Dataset) -> Dataset:
    """Private blocks at three depths, sequences of undefined length, and groups after the pixels."""
    level = ds
    for depth in range(3):
        level.private_block(0x0009, f"MAKER {depth}", create=True).add_new(1, "LO", f"of {NAME}")
        inner = Dataset()
        inner.PatientName, inner.CodeMeaning = f"{NAME}^Ottilie", "kept"
        inner.is_undefined_length_sequence_item = True
        level.add_new(0x00082218, "SQ", [inner])
        level[0x00082218].is_undefined_length = True
        level = inner
    ds.add_new(0x7FE11001, "LO", f"of {NAME}")
    ds.add_new(0xFFFCFFFC, "OB", NAME.encode())
    return ds


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda syntax: syntax.name)
def test_a_crowded_object_in_every_plain_encoding(syntax, still, run):
    ds = crowded(still())
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.SourceApplicationEntityTitle = NAME.upper()
    ds.file_meta.PrivateInformationCreatorUID, ds.file_meta.PrivateInformation = "1.2.3", NAME.encode()
    outcome = run(ds)
    assert_clean(outcome, "MAKER")
    assert outcome.dataset.AnatomicRegionSequence[0].CodeMeaning == "kept"
    assert outcome.dataset.pixel_array.tolist() == ds.pixel_array.tolist()
    assert max(outcome.dataset.keys()) <= 0x7FE00010


@pytest.mark.parametrize("open_ended", [True, False])
def test_a_sequence_under_vr_un_is_walked(open_ended, still, run, written):
    element = struct.pack("<HHL", 0x0010, 0x0010, 14) + f"{NAME}^X".encode()
    element += struct.pack("<HHL", 0x0008, 0x0104, 4) + b"kept"
    length = 0xFFFFFFFF if open_ended else len(element)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, length) + element + (ITEM_END if open_ended else b"")
    value = item + (SQ_END if open_ended else b"")
    head = b"\x08\x00\x18\x22UN\0\0" + struct.pack("<L", 0xFFFFFFFF if open_ended else len(value))
    content = written(still())
    at = content.index(b"\x10\x00\x10\x00PN")
    outcome = run(content[:at] + head + value + content[at:])
    assert_clean(outcome)
    assert outcome.dataset.AnatomicRegionSequence[0].CodeMeaning == "kept"


def meta_of(syntax: str) -> bytes:
    value = syntax.encode() + bytes(len(syntax) & 1)
    body = struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body


UNKNOWN = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax" and uid not in SYNTAXES]


@pytest.mark.parametrize("syntax", UNKNOWN)
def test_every_transfer_syntax_that_is_not_treated_is_held(syntax, run):
    assert run(meta_of(syntax) + bytes(64)).held.reason is HoldReason.UNSUPPORTED_TRANSFER_SYNTAX


@pytest.mark.parametrize(
    ("syntax", "why"),
    [
        ("1.2.840.10008.1.2.4.100", "video"),
        ("1.2.840.10008.1.2.4.108", "video"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.840.10008.1.2.4.94", "JPIP"),
        ("1.2.840.10008.1.2.4.205", "JPIP"),
        ("1.2.840.10008.1.2.4.61", "hierarchical"),
        ("1.2.840.10008.1.2.8.1", "deflated"),
        ("1.2.3.4", "missing"),
    ],
)
def test_what_cannot_be_checked_is_held_with_words_why(syntax, why, run):
    held = run(meta_of(syntax) + bytes(64)).held
    assert held.reason is HoldReason.UNSUPPORTED_TRANSFER_SYNTAX
    assert why in held.detail


@pytest.fixture
def run_length(still):
    def make(**values: object) -> Dataset:
        pixels = np.random.default_rng(5).integers(0, 4, 64 * 64 * 3, dtype=np.uint8)
        ds = still(Rows=64, Columns=64, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
        ds.PixelData = pixels.tobytes()
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        ds.compress(RLELossless, generate_instance_uid=False)
        return ds

    return make


def test_run_length_frames_are_walked_and_stay(run_length, run):
    ds = run_length()
    outcome = run(ds)
    assert_clean(outcome)
    assert outcome.dataset.PixelData == ds.PixelData


def test_words_behind_a_run_length_segment_become_zeros(run_length, run, written):
    ds = run_length()
    content = written(ds)
    at = content.rindex(SQ_END)
    item = content.rindex(b"\xfe\xff\x00\xe0", 0, at)
    length = int.from_bytes(content[item + 4 : item + 8], "little")
    words = f"of {NAME}!".encode()
    longer = (
        content[: item + 4] + struct.pack("<L", length + len(words)) + content[item + 8 : at] + words + content[at:]
    )
    outcome = run(longer)
    assert_clean(outcome)
    assert outcome.done.blanked == 1
    assert (outcome.dataset.pixel_array == ds.pixel_array).all()


def spoiled(frame: bytes, how: str) -> bytes:
    return {
        "an unused offset": frame[:48] + b"Otti" + frame[52:],
        "one segment less": b"\2" + frame[1:],
        "a segment cut short": frame[:-40],
        "no header": frame[:20],
        "segments that overlap": frame[:8] + struct.pack("<L", 70) + frame[12:],
    }[how]


@pytest.mark.parametrize(
    "how", ["an unused offset", "one segment less", "a segment cut short", "no header", "segments that overlap"]
)
def test_a_run_length_frame_that_is_not_the_image_is_held(how, run_length, run):
    ds = run_length()
    frame = ds.PixelData[16:-8]
    ds.PixelData = encapsulate([spoiled(frame, how)])
    assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


def test_encapsulated_uncompressed_frames_must_have_the_image_s_size(still, run):
    for frame, clean in ((bytes(range(16)), True), (bytes(range(16)) + NAME.encode(), False)):
        ds = still()
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.98"
        outcome = run(ds)
        if clean:
            assert_clean(outcome)
        else:
            assert outcome.held.reason is HoldReason.PIXELS_UNPROVEN


def tile(seed: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (4, 4), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def tiled(still):
    def make(*frames: bytes) -> Dataset:
        ds = still(NumberOfFrames=len(frames))
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        pixels, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(list(frames))
        ds.PixelData = pixels
        ds["PixelData"].is_undefined_length = True
        return ds

    return make


def test_an_extended_offset_table_stays(tiled, run):
    ds = tiled(tile(1), tile(2), tile(3))
    outcome = run(ds)
    assert_clean(outcome)
    assert outcome.dataset.ExtendedOffsetTable == ds.ExtendedOffsetTable


@pytest.mark.parametrize("keyword", ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"])
def test_an_extended_offset_table_with_words_in_it_is_held(keyword, tiled, run):
    ds = tiled(tile(1), tile(2))
    setattr(ds, keyword, b"Ottilie " + getattr(ds, keyword)[8:])
    assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


def test_more_frames_than_the_header_says_are_held(tiled, run):
    ds = tiled(tile(1), tile(2))
    ds.NumberOfFrames = 1
    assert run(ds).held.reason is HoldReason.PIXELS_UNPROVEN


def test_a_table_of_a_jpeg_with_words_behind_it_is_held(tiled, run):
    frame = tile(1)
    at = frame.index(b"\xff\xdb")
    length = int.from_bytes(frame[at + 2 : at + 4], "big")
    longer = frame[: at + 2] + struct.pack(">H", length + 12) + frame[at + 4 : at + 2 + length] + NAME.encode()
    assert run(tiled(longer + frame[at + 2 + length :])).held.reason is HoldReason.PIXELS_UNPROVEN


def test_an_icc_profile_keeps_its_numbers_and_has_no_words():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clean = without_words(profile)
    assert len(clean) == len(profile)
    assert b"copyright" not in clean.replace(b"\0", b"").lower()
    assert b"srgb" not in clean.replace(b"\0", b"").lower()
    for tag in (b"rXYZ", b"rTRC", b"wtpt"):
        at = profile.index(tag)
        offset, length = struct.unpack_from(">LL", profile, at + 4)
        assert clean[offset : offset + length] == profile[offset : offset + length]
    ImageCms.ImageCmsProfile(BytesIO(clean))


def test_a_numeric_tag_of_an_icc_profile_cannot_bring_words_back():
    icc = bytearray(300)
    icc[:4], icc[36:40] = (300).to_bytes(4, "big"), b"acsp"
    icc[128:132] = (2).to_bytes(4, "big")
    icc[132:144] = b"desc" + (200).to_bytes(4, "big") + (60).to_bytes(4, "big")
    icc[144:156] = b"rTRC" + (160).to_bytes(4, "big") + (140).to_bytes(4, "big")
    icc[160:164] = b"curv"
    icc[200:232] = b"text" + bytes(4) + b"Quillfeather scanner!!!!"
    assert NAME.encode() not in without_words(bytes(icc))


@pytest.mark.parametrize("left_to_the_system", [1 << 60, 1000], ids=["through memory", "by the system"])
def test_large_pixels_are_copied_while_they_are_proved(tiled, run, left_to_the_system, monkeypatch):
    monkeypatch.setattr("aegle.deid.splice._WORTH_A_THREAD", 1)
    monkeypatch.setattr("aegle.deid.engine._READ_AT_ONCE_BYTES", 0)
    monkeypatch.setattr("aegle.deid.splice._LEFT_TO_THE_SYSTEM", left_to_the_system)
    monkeypatch.setattr("aegle.deid.splice._BUFFER", 4096)
    monkeypatch.setattr("aegle.deid.splice._buffers", [])
    ds = tiled(*(tile(number) for number in range(40)))
    ds.PatientComments = NAME
    outcome = run(ds)
    assert_clean(outcome)
    assert outcome.dataset.PixelData == ds.PixelData


def test_large_pixels_that_fail_their_proof_leave_nothing(tiled, run, monkeypatch):
    monkeypatch.setattr("aegle.deid.splice._WORTH_A_THREAD", 1)
    monkeypatch.setattr("aegle.deid.engine._READ_AT_ONCE_BYTES", 0)
    held = run(tiled(*(tile(number) for number in range(40)), tile(1)[:-2])).held
    assert held.reason is HoldReason.PIXELS_UNPROVEN


def test_a_copy_that_is_interrupted_ends_before_its_file_is_closed(tiled, run, monkeypatch):
    ended = []

    def slow(source: IO[bytes], target: IO[bytes], pixels: object, stop: Event) -> None:
        assert stop.wait(30)
        target.write(b"still open")
        ended.append(target)

    def interrupted(copying: Future[None], timeout: float | None = None) -> None:
        while not copying.running():
            time.sleep(0.001)
        raise KeyboardInterrupt

    monkeypatch.setattr("aegle.deid.splice._WORTH_A_THREAD", 1)
    monkeypatch.setattr("aegle.deid.engine._READ_AT_ONCE_BYTES", 0)
    monkeypatch.setattr("aegle.deid.splice._copy", slow)
    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tiled(tile(1), tile(2)))
    assert len(ended) == 1


def test_a_disk_that_fills_while_pixels_are_copied_leaves_nothing(tiled, run, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("aegle.deid.splice._WORTH_A_THREAD", 1)
    monkeypatch.setattr("aegle.deid.engine._READ_AT_ONCE_BYTES", 0)
    monkeypatch.setattr("aegle.deid.splice._copy", full)
    with pytest.raises(StorageFull):
        run(tiled(tile(1), tile(2)))


@pytest.mark.skipif(not hasattr(os, "writev"), reason="the system has no writev")
def test_a_disk_that_is_full_is_told_also_where_the_source_is_mapped(still, run, monkeypatch):
    def full(handle: int, parts: Sequence[bytes | memoryview]) -> int:
        raise OSError(errno.ENOSPC, "no room")  # the error holds this frame, and the frame a view of the map

    monkeypatch.setattr("aegle.deid.engine._READ_AT_ONCE_BYTES", 0)
    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StorageFull):
        run(still())

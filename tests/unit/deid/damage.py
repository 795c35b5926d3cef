"""Valid objects damaged at random, from a seed: what a disk, a cable, a bad writer or an attacker may make of a file."""

import struct
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

from aegle.deid import Deidentified, Held, HoldReason, Pseudonyms, check, default_profile, deidentify

SHIPPED = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPEG2000.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEG-lossy.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "test-SR.dcm",
    "reportsi.dcm",
)
SLOWEST_SECONDS = 5.0
LENGTHS = (0, 1, 2, 7, 8, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
WORDS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff",
    b"\x08\x00\x40\x11UN\0\0\xff\xff\xff\xff",
    b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff",
    b"\xff\xd8\xff",
    b"\xff\xd9",
    b"\xff\xda",
    b"\xff\xfe\xff\xff",
    b"\xff\x4f\xff\x51",
    b"\xff\x90\0\x0a",
)


def seeds() -> list[bytes]:
    """Objects that are written clean as they stand, in every family of encodings."""
    found = [Path(str(get_testdata_file(name, download=False))) for name in SHIPPED]
    objects = [_declared_clean(path.read_bytes()) for path in found]
    return [*objects, _still(), _still(DeflatedExplicitVRLittleEndian), _tiles()]


def damaged(random: Random, objects: Sequence[bytes]) -> bytes:
    """One of the objects, with one to four things done to it."""
    content = bytearray(random.choice(objects))
    for _ in range(random.randint(1, 4)):
        random.choice(_HARMS)(random, content, objects)
    return bytes(content)


def settle(content: bytes, folder: Path, pseudonyms: Pseudonyms) -> Deidentified | Held:
    """De-identify and check; whatever the content, it ends clean or held, soon, and with nothing left half written."""
    source, target = folder / "in", folder / "out"
    source.write_bytes(content)
    target.unlink(missing_ok=True)
    began = time.monotonic()
    outcome = deidentify(source, target, default_profile(), pseudonyms)
    if isinstance(outcome, Deidentified):
        assert outcome.size_bytes == target.stat().st_size
        verdict = check(source, target, outcome, default_profile())
        outcome = verdict or outcome
    else:
        assert not target.exists()
    assert time.monotonic() - began < SLOWEST_SECONDS
    assert {path.name for path in folder.iterdir()} <= {"in", "out"}
    assert isinstance(outcome, Deidentified) or (outcome.reason in HoldReason and outcome.detail)
    return outcome


def _place(random: Random, content: bytearray) -> int:
    """Mostly in the header, where there is most to break; sometimes at the end."""
    size = len(content)
    if not size:
        return 0
    return random.randrange(max(0, size - 300), size) if random.random() < 0.1 else random.randrange(min(size, 6000))


def _flip(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    for _n in range(random.randint(1, 8)):
        if content:
            content[_place(random, content)] ^= 1 << random.randrange(8)


def _length(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, content)
    form = random.choice(("<H", "<L", ">H", ">L"))
    content[at : at + struct.calcsize(form)] = struct.pack(
        form, random.choice(LENGTHS) & (0xFFFF if "H" in form else ~0)
    )


def _cut(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, content)
    del content[at : at + random.choice((1, 2, 8, 64, 4096, len(content)))]


def _repeat(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, content)
    content[at:at] = content[at : at + random.randint(1, 400)] * random.randint(1, 3)


def _insert(random: Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, content)
    content[at:at] = random.choice((*WORDS, random.randbytes(random.randint(1, 40)))) * random.choice((1, 1, 1, 40))


def _transplant(random: Random, content: bytearray, objects: Sequence[bytes]) -> None:
    other = random.choice(objects)
    start, at = random.randrange(len(other)), _place(random, content)
    content[at : at + random.randint(0, 200)] = other[start : start + random.randint(1, 600)]


_HARMS: tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip,
    _length,
    _length,
    _cut,
    _repeat,
    _insert,
    _transplant,
)


def _declared_clean(content: bytes) -> bytes:
    ds, buffer = dcmread(BytesIO(content)), BytesIO()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if keyword not in ds:
            setattr(ds, keyword, "1.2.826.0.1.3680043.9.9999.5")
    ds.BurnedInAnnotation = "NO"
    ds.save_as(buffer)
    return buffer.getvalue()


def _still(syntax: str = ExplicitVRLittleEndian) -> bytes:
    ds = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    ds.file_meta.TransferSyntaxUID = syntax
    ds.RequestAttributesSequence, ds.ProcedureCodeSequence = [Dataset()], [Dataset(), Dataset()]
    ds.RequestAttributesSequence[0].ScheduledProtocolCodeSequence = [Dataset()]
    ds.RequestAttributesSequence[0].is_undefined_length_sequence_item = True
    buffer = BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def _tiles() -> bytes:
    noise = np.random.default_rng(9)
    frames = []
    for _ in range(6):
        frame = BytesIO()
        Image.fromarray(noise.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(frame, "JPEG", comment=b"a comment")
        frames.append(frame.getvalue())
    ds = dcmread(str(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm", download=False)))
    ds.Rows = ds.Columns = 16
    ds.NumberOfFrames, ds.BurnedInAnnotation, ds.file_meta.TransferSyntaxUID = 6, "NO", JPEGBaseline8Bit
    ds.PixelData = encapsulate(frames, fragments_per_frame=2)
    ds["PixelData"].is_undefined_length = True
    buffer = BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()

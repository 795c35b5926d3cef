"""A data set without preamble and file meta group is read for what it is, and written with both."""

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.deid import HoldReason


def bare(content: bytes) -> bytes:
    """The data set alone."""
    group_length = int.from_bytes(content[140:144], "little")
    return content[144 + group_length :]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_bare_data_set_is_written_as_a_file(syntax, still, run, written):
    ds = still()
    ds.file_meta.TransferSyntaxUID = syntax
    outcome = run(bare(written(ds)))
    assert outcome.bytes[:132] == bytes(128) + b"DICM" and b"Quill" not in outcome.bytes
    assert outcome.dataset.file_meta.TransferSyntaxUID == syntax
    assert outcome.dataset.PixelData == ds.PixelData
    assert outcome.check() is None


def test_a_file_meta_group_without_its_preamble_is_read(still, run, written):
    outcome = run(written(still())[132:])
    assert b"Quill" not in outcome.bytes and outcome.check() is None


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100 and then a letter about Quillfeather",
        b"\x08\0\x16\0UI\x04\0text",
        b"\x08\0\x16\0UI\xff\0" + b"1." * 30,
        b"\x10\0\x10\0PN\x0c\0Quillfeather",
        b"\2\0",
        b"PK\3\4 a study, zipped",
    ],
)
def test_what_only_begins_like_one_is_no_dicom(content, run):
    assert run(content).held.reason is HoldReason.NOT_DICOM


def test_a_bare_data_set_with_compressed_frames_is_held_since_nothing_says_how(still, run, written):
    ds = still()
    pixels = ds.PixelData
    del ds.PixelData
    frames = b"\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\x10\0\0\0" + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
    content = bare(written(ds)) + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + frames
    assert run(content).held.reason in {HoldReason.MALFORMED, HoldReason.PIXELS_UNPROVEN}

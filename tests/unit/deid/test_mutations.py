"""Whatever is done to the bytes of a file, it ends clean or held: no crash, no hang, no half-written output."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from aegle.deid import Deidentified, Held, Pseudonyms, check, default_profile, deidentify

BOUNDED = settings(
    max_examples=150,
    deadline=5_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
SEEDS = [
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "test-SR.dcm",
]


@st.composite
def mutation(draw, size):
    """Where, how much, and what instead."""
    at = draw(st.integers(132, max(133, size - 1)))
    cut = draw(st.integers(0, 16))
    return at, cut, draw(st.binary(max_size=24))


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files_end_clean_or_held(name, tmp_path, pseudonyms):
    original = Path(str(get_testdata_file(name))).read_bytes()

    @BOUNDED
    @given(st.lists(mutation(min(len(original), 6000)), min_size=1, max_size=3), st.integers(0, len(original)))
    def mutate(changes, keep):
        content = bytearray(original)
        for at, cut, new in changes:
            content[at : at + cut] = new
        if keep % 7 == 0:
            del content[keep:]
        settled(bytes(content), tmp_path, pseudonyms)

    mutate()


LENGTHS = [0, 1, 2, 7, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_wrong_length_anywhere_ends_clean_or_held(length, still, written, tmp_path, pseudonyms):
    original = written(still())
    for at in range(132, len(original) - 4, 3):
        content = bytearray(original)
        content[at : at + 4] = struct.pack("<L", length)
        settled(bytes(content), tmp_path, pseudonyms)


def settled(content: bytes, folder: Path, pseudonyms: Pseudonyms) -> None:
    source, target = folder / "in", folder / "out"
    source.write_bytes(content)
    target.unlink(missing_ok=True)
    outcome = deidentify(source, target, default_profile(), pseudonyms)
    if isinstance(outcome, Deidentified):
        assert outcome.size_bytes == target.stat().st_size
        verdict = check(source, target, outcome, default_profile())
        assert verdict is None or isinstance(verdict, Held)
    else:
        assert {path.name for path in folder.iterdir()} == {"in"}
        json.dumps(outcome.detail)

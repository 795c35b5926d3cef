"""Whatever is done to the bytes of a file, it ends clean or held: no crash, no hang, no half-written output."""

import struct
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from damage import LENGTHS, damaged, seeds, settle

from aegle.deid import Deidentified, Pseudonyms


@pytest.fixture(scope="module")
def objects() -> list[bytes]:
    return seeds()


def test_every_seed_is_written_clean_as_it_stands(objects: list[bytes], tmp_path: Path, pseudonyms: Pseudonyms) -> None:
    settled = [settle(content, tmp_path, pseudonyms) for content in objects]
    assert sum(isinstance(outcome, Deidentified) for outcome in settled) >= len(objects) - 2


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_end_clean_or_held(
    seed: int, objects: list[bytes], tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    random = Random(seed)
    outcomes = Counter(type(settle(damaged(random, objects), tmp_path, pseudonyms)) for _ in range(75))
    assert min(outcomes[Deidentified], outcomes.total() - outcomes[Deidentified]) > 5  # else nothing is tried


@pytest.mark.parametrize("length", LENGTHS)
def test_a_wrong_length_anywhere_ends_clean_or_held(length, still, written, tmp_path, pseudonyms):
    original = written(still())
    for at in range(132, len(original) - 4, 3):
        content = bytearray(original)
        content[at : at + 4] = struct.pack("<L", length)
        settle(bytes(content), tmp_path, pseudonyms)

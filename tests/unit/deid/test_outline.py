"""The top level read with the last object in mind: always what reading it element by element finds."""

import random
from collections.abc import Sequence
from pathlib import Path

import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.deid import outline
from aegle.deid.outline import Level, Outlines
from aegle.deid.part10 import SYNTAXES, Holding, read_meta
from aegle.dicom.walk import EXPLICIT_LE, PIXEL_DATA, BrokenEncoding, Buffer, Encoding, Head, elements

FILES = sorted(path for path in Path(pydicom.data.__file__).parent.rglob("*.dcm") if path.stat().st_size < 1 << 20)
US, SH = b"US", b"SH"


def alone(encoding: Encoding, data: Buffer, pos: int) -> list[Head]:
    """The elements before PixelData, read with nothing in mind."""
    return [head for head in elements(encoding, data, pos, len(data)) if head.tag != PIXEL_DATA]


def together(level: Level) -> list[Head]:
    return [head for start, stretch in level.stretches for head in stretch.at(start)]


def data_sets() -> list[tuple[Encoding, bytes, int]]:
    """Every file that pydicom ships and whose top level can be walked."""
    found = []
    for path in FILES:
        data = path.read_bytes()
        try:
            syntax, pos = read_meta(data)
            alone(SYNTAXES[syntax].encoding, data, pos)
        except (Holding, BrokenEncoding):
            continue
        found.append((SYNTAXES[syntax].encoding, data, pos))
    return found


def test_any_order_of_any_files_finds_the_same_elements() -> None:
    contents = data_sets()
    assert len(contents) > 60
    outlines = {encoding: Outlines(encoding, {0x00100020}) for encoding, _, _ in contents}
    order = contents * 3
    random.Random(7).shuffle(order)
    for encoding, data, pos in order:
        try:
            level = outlines[encoding].read(data, pos)
        except Holding:
            continue
        expected = alone(encoding, data, pos)
        assert together(level) == expected
        assert level.facts == {h.tag: data[h.value : h.value + h.length] for h in expected if h.tag == 0x00100020}


def encoded(values: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(EXPLICIT_LE.emit(tag, SH, value) for tag, value in values)


#: Objects of a handful of attributes, most of them alike.
objects = st.lists(
    st.dictionaries(
        st.sampled_from([0x00080060, 0x00080070, 0x00100010, 0x00100020, 0x00180010, 0x00180015, 0x00200010]),
        st.sampled_from([b"", b"A", b"AB", b"ABCD", b"\x18\0\x10\0SH"]),
    ),
    max_size=8,
)


@given(objects)
def test_objects_that_repeat_each_other_in_any_way_are_read_as_they_are(made: list[dict[int, bytes]]) -> None:
    outlines = Outlines(EXPLICIT_LE, {0x00180010})
    for values in made:
        data = encoded(sorted(values.items()))
        level = outlines.read(data, 0)
        assert together(level) == alone(EXPLICIT_LE, data, 0)


def test_what_repeats_becomes_one_stretch() -> None:
    outlines = Outlines(EXPLICIT_LE, ())
    tags = [0x00080060, 0x00080070, 0x00100010, 0x00100020, 0x00180010, 0x00180015, 0x00200010]
    for number in range(3):
        level = outlines.read(encoded([(tag, b"%d" % number if tag == tags[3] else b"ABCD") for tag in tags]), 0)
    assert [[head.tag for head in stretch.heads] for _, stretch in level.stretches] == [tags[:3], [tags[3]], tags[4:]]


def test_elements_are_found_by_their_tags_also_within_stretches() -> None:
    outlines = Outlines(EXPLICIT_LE, ())
    tags = [0x00080060, 0x00080070, 0x00100010, 0x00100020, 0x00180010]
    data = encoded([(tag, b"ABCD") for tag in tags])
    for _ in range(3):
        level = outlines.read(data, 0)
        for lowest, highest in ((0x00080070, 0x00100010), (0, 0x00080060), (0x00100011, 0x0010001F), (0, 0xFFFFFFFF)):
            within = [head for head in alone(EXPLICIT_LE, data, 0) if lowest <= head.tag <= highest]
            assert level.between(lowest, highest) == within


def test_a_level_out_of_order_is_held_also_where_it_repeats() -> None:
    outlines = Outlines(EXPLICIT_LE, ())
    one, two = (encoded([(tag, b"ABCD")]) for tag in (0x00080060, 0x00080070))
    for _ in range(3):
        outlines.read(one + two, 0)
    for broken in (two + one, one + one, one + two + one, one + two + two):
        with pytest.raises(Holding, match="out of order or twice"):
            outlines.read(broken, 0)
    assert together(outlines.read(one + two, 0)) == alone(EXPLICIT_LE, one + two, 0)


def test_long_elements_are_neither_held_nor_compared() -> None:
    outlines = Outlines(EXPLICIT_LE, ())
    data = EXPLICIT_LE.emit(0x00080060, SH, b"CT") + EXPLICIT_LE.emit(0x00283006, US, bytes(60_000))
    for _ in range(3):
        level = outlines.read(data, 0)
    assert [stretch.raw for _, stretch in level.stretches] == [data[:10], b""]
    assert together(level) == alone(EXPLICIT_LE, data, 0)


def test_an_object_of_very_many_elements_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "_COMPARED_ELEMENTS", 10)
    outlines = Outlines(EXPLICIT_LE, ())
    data = encoded([(0x00180000 + number, b"ABCD") for number in range(11)])
    for _ in range(3):
        assert len(outlines.read(data, 0).stretches) == 11

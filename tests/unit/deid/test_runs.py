"""The other reader with what it read before in mind: always what pydicom's walk finds in the bytes at hand."""

import mmap
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pydicom.data
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator

from aegle.deid import reading
from aegle.deid.runs import Raw, Run, Runs
from aegle.dicom.walk import EXPLICIT_LE, IMPLICIT_LE, Encoding

FILES = sorted(path for path in Path(pydicom.data.__file__).parent.rglob("*.dcm") if path.stat().st_size < 1 << 20)
CS = b"CS"


def mapped(data: bytes) -> mmap.mmap:
    """A map of these bytes; one of none cannot be, and ends in fewer than make an element."""
    content = data or b"\0"
    whole = mmap.mmap(-1, len(content))
    whole.write(content)
    whole.seek(0)
    return whole


def walk(data: mmap.mmap, encoding: Encoding) -> Iterator[Raw]:
    return data_element_generator(cast("Any", data), not encoding.explicit, is_little_endian=True)


def told(elements: Sequence[Raw]) -> list[object]:
    """Elements without where their values lie, which is not the same in another file."""
    return [
        element._replace(value_tell=0) if isinstance(element, RawDataElement) else (element.tag, str(element))
        for element in elements
    ]


def read(runs: Runs, data: bytes, encoding: Encoding) -> list[object]:
    with mapped(data) as place:
        return told([element for run in runs.read(place, walk(place, encoding)) for element in run.elements.values()])


def alone(data: bytes, encoding: Encoding) -> list[object]:
    with mapped(data) as place:
        return told(list(walk(place, encoding)))


#: Attributes of a header, some of which change from object to object.
elements = st.tuples(
    st.sampled_from([0x00080008, 0x00080060, 0x00081140, 0x00180015, 0x00200020]), st.binary(max_size=3)
)
objects = st.tuples(st.lists(elements, max_size=6), st.integers(0, 9))


@given(st.lists(objects, min_size=2, max_size=8), st.sampled_from([EXPLICIT_LE, IMPLICIT_LE]))
def test_objects_that_repeat_each_other_are_read_as_each_alone(contents, encoding):
    runs = Runs()
    for attributes, cut in contents * 2:
        whole = b"".join(encoding.emit(tag, CS, value) for tag, value in attributes)
        data = whole[: len(whole) - cut]  # a last value that is shorter than it says
        assert read(runs, data, encoding) == alone(data, encoding)


def test_a_value_that_was_cut_short_is_not_taken_for_another_files():
    whole = EXPLICIT_LE.emit(0x00080060, CS, b"CT  ") + EXPLICIT_LE.emit(0x00200020, CS, b"L\\P ")
    runs = Runs()
    for data in (whole[:10], whole, whole[:10], whole[:-2], whole):
        assert read(runs, data, EXPLICIT_LE) == alone(data, EXPLICIT_LE)


def test_what_repeats_is_met_in_one_piece_and_what_differs_alone():
    runs = Runs()
    tags = range(0x00180010, 0x00180090)
    met = []
    for number in range(4):
        values = {tag: b"%04d" % (number if tag == 0x00180050 else 0) for tag in tags}
        with mapped(b"".join(EXPLICIT_LE.emit(tag, CS, value) for tag, value in values.items())) as data:
            met = runs.read(data, walk(data, EXPLICIT_LE))
        assert [tag for run in met for tag in run.elements] == list(tags)
    assert [len(run.elements) for run in met] == [0x40, 1, 0x3F]


def test_elements_out_of_order_and_twice_are_each_told_every_time():
    runs = Runs()
    data = b"".join(EXPLICIT_LE.emit(tag, CS, b"AB") for tag in (0x00080060, 0x00080060, 0x00200020, 0x00080008))
    for _ in range(4):
        assert read(runs, data, EXPLICIT_LE) == alone(data, EXPLICIT_LE)


def test_threads_that_ask_about_the_same_run_each_get_an_answer():
    run = Run(b"x", {})

    def ask(thread: int) -> set[int]:
        return {run.once(question, lambda question=question: question) - question for question in range(thread, 5000)}

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert set().union(*threads.map(ask, range(4))) == {0}
    finally:
        sys.setswitchinterval(before)


def test_what_is_written_while_it_is_read_is_not_remembered():
    first, second = (EXPLICIT_LE.emit(0x00180015, CS, value) for value in (b"Barnaby ", b"Somebody"))
    runs = Runs()
    with mapped(first) as data:

        def changing() -> Iterator[Raw]:
            for element in walk(data, EXPLICIT_LE):
                data[:] = second
                data.seek(0, 2)
                yield element

        runs.read(data, changing())
    assert read(runs, second, EXPLICIT_LE) == alone(second, EXPLICIT_LE)


def test_the_character_set_and_what_has_no_length_are_read_each_time():
    item = (
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + EXPLICIT_LE.emit(0x00104000, b"LT", b"\xc4") + b"\xfe\xff\x0d\xe0\0\0\0\0"
    )
    open_ended = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    runs = Runs()
    for terms in (b"ISO_IR 100", b"ISO_IR 144", b"ISO_IR 100"):
        data = EXPLICIT_LE.emit(0x00080005, CS, terms) + open_ended
        assert read(runs, data, EXPLICIT_LE) == alone(data, EXPLICIT_LE)


def test_any_order_of_any_files_finds_the_same_elements():
    def parts(path: Path) -> object:
        try:
            with reading.opened(path, whole=True) as found:
                return [told([*part.elements.values()]) for part in (found.meta, found.header, found.after)]
        except Exception as error:  # of some files nothing can be read; then of none of their copies
            return type(error)

    cold = {}
    for path in FILES:
        reading._runs.cache_clear()
        cold[path] = parts(path)
    assert sum(isinstance(each, list) for each in cold.values()) > 60
    order = FILES * 3
    random.Random(7).shuffle(order)
    for path in order:
        assert parts(path) == cold[path]

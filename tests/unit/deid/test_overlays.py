"""Overlays under the Clean Graphics Option: outlines stay, writing goes, and a group that is not what it says goes, too."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from aegle.deid import Deidentified, Option, Pseudonyms, Values, check, deidentify, profile, writing
from aegle.deid.table import DEFAULT_OPTIONS
from aegle.deid.writing import is_written_on

GRAPHICS = profile("p", DEFAULT_OPTIONS | {Option.GRAPHICS})
SIZE = (256, 320)  #: rows, columns
Draw = Callable[[ImageDraw.ImageDraw], object]


def plane(draw: Draw) -> np.ndarray:
    picture = Image.new("1", SIZE[::-1])
    draw(ImageDraw.Draw(picture))
    return np.asarray(picture)


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def wavering(draw: ImageDraw.ImageDraw) -> None:
    """An outline drawn by hand: nowhere straight."""
    angle = np.linspace(0, 2 * np.pi, 120)
    radius = 60 + 3 * np.sin(2 * angle) + 0.7 * np.sin(31 * angle)
    points = zip(160 + 1.3 * radius * np.cos(angle), 128 + radius * np.sin(angle), strict=True)
    draw.line([*points], fill=1, width=1)


def words(text: str, size: int, at: tuple[int, int] = (30, 60), spread: float = 0, **ink: int) -> Draw:
    """A word, its letters so many heights farther from each other."""

    def draw(on: ImageDraw.ImageDraw) -> None:
        left, top = at
        for letter in text:
            on.text((left, top), letter, font=font(size), **{"fill": 1} | ink)
            left += font(size).getlength(letter) + spread * size

    return draw


def both(*draws: Draw) -> Draw:
    return lambda on: [draw(on) for draw in draws]


def box(*edges: int, **ink: int) -> Draw:
    return lambda on: on.rectangle(edges, **ink)


SHAPES: dict[str, Draw] = {
    "nothing": lambda draw: None,
    "an ellipse": lambda draw: draw.ellipse((40, 40, 200, 160), outline=1),
    "a filled region": lambda draw: draw.ellipse((40, 40, 200, 160), fill=1),
    "two regions": lambda draw: (draw.ellipse((10, 40, 100, 160), outline=1), draw.ellipse((200, 40, 300, 160), outline=1)),
    "an outline by hand": wavering,
    "a filled arrow": lambda draw: (draw.line((20, 90, 99, 90), fill=1), draw.polygon([(99, 84), (119, 90), (99, 96)], fill=1)),
    "a caliper": lambda draw: [draw.line(line, fill=1) for line in ((40, 90, 48, 90), (44, 86, 44, 94), (240, 90, 248, 90))],
    "a shutter": box(0, 0, 319, 255, outline=1, width=20),
    "a small region": lambda draw: draw.ellipse((40, 40, 60, 56), outline=1),
}  # fmt: skip
WRITINGS: dict[str, Draw] = {
    **{
        f"{text} at {size}": words(text, size)
        for text in ("MIN", "Quillfeather", "Li", "19610704", "ΑΓΗ", "JIM")
        for size in (8, 12, 24, 60)
    },
    "larger than a letter is": words("SMITH", 100, (5, 60)),
    "hanging from a box": both(box(20, 60, 260, 200, outline=1), words("SMITH", 18, (60, 56))),
    "standing on a box": both(box(20, 60, 260, 200, outline=1), words("Smith 1957", 14, (60, 49))),
    "struck through": both(box(20, 60, 260, 200, outline=1), words("Li", 18, (60, 50))),
    "in a box": both(box(20, 60, 260, 200, outline=1), words("Li", 18, (60, 90))),
    "letters far from each other": words("OTTO", 14, spread=1.5),
    "a side": words("R", 20),
    "letters that touch": words("MIN", 20, spread=-0.25),
    "dark on light": both(box(0, 0, 319, 60, fill=1), words("MIN", 16, (30, 20), fill=0)),
    "dark on the edge of a region": both(box(40, 40, 280, 120, fill=1), words("Li", 20, (60, 102), fill=0)),
    "beside an outline": both(lambda draw: draw.ellipse((40, 90, 200, 200), outline=1), words("MIN", 10, (9, 9))),
    "one above the other": lambda draw: [draw.text((40, 20 + 15 * at), each, fill=1) for at, each in enumerate("MIN")],
    "an open arrow": lambda draw: draw.line([(20, 90), (120, 90), (108, 78), (120, 90), (108, 102)], fill=1, width=2),
    "a scale": lambda draw: [draw.line((20, at, 28, at), fill=1) for at in range(20, 200, 10)],
    "a grid": lambda draw: [draw.line(line, fill=1) for at in range(9, 250, 40) for line in ((at, 0, at, 255), (0, at, 319, at))],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_no_writing(shape):
    assert not is_written_on([plane(SHAPES[shape])])


@pytest.mark.parametrize("turned", range(2))
@pytest.mark.parametrize("writing", WRITINGS)
def test_writing_is_seen_in_every_size_and_direction(writing, turned):
    assert is_written_on([np.rot90(plane(WRITINGS[writing]), turned)])


def test_letters_of_one_stroke_are_seen_together():
    """One in each frame, or in each group."""
    letters = [plane(words(letter, 14, (30 + 12 * at, 60))) for at, letter in enumerate("ILLI")]
    assert not any(is_written_on([each]) for each in letters)
    assert is_written_on(letters)


@pytest.mark.parametrize("side", [1024, 4096])
def test_of_planes_that_are_full_no_shape_is_looked_at(side, monkeypatch):
    """Each would take its time: stripes, noise, rings."""
    monkeypatch.setattr(writing, "_shapes", lambda *_: pytest.fail("a shape is looked at"))
    stripes, noise = np.zeros((side, side), bool), np.random.default_rng(1).random((side, side)) > 0.5
    stripes[:, ::6] = True
    rings = np.maximum(*np.abs(np.indices((side, side)) - side // 2)) // 4 % 2 == 0
    assert all(is_written_on([full]) for full in (stripes, noise, rings))


def test_writing_of_dots_is_seen():
    """As a printer's matrix writes: no dot touches another."""
    small = Image.new("1", (60, 12))
    ImageDraw.Draw(small).text((2, 0), "MINNA", fill=1, font=font(9))
    dots = np.zeros((36, 180), bool)
    dots[::3, ::3] = dots[1::3, ::3] = np.asarray(small)
    assert is_written_on([dots])


def overlay(ds: Dataset, group: int, bits: np.ndarray, **other: object) -> None:
    """A group of one plane, or of several frames."""
    rows, columns = bits.shape[-2:]
    values = {
        0x0010: ("US", rows), 0x0011: ("US", columns), 0x0040: ("CS", "R"), 0x0050: ("SS", [1, 1]), 0x0100: ("US", 1),
        0x0102: ("US", 0), 0x0015: ("IS", bits.size // (rows * columns)),
        0x3000: ("OW", packed(ds, bits)),
    }  # fmt: skip
    for element, (vr, value) in (values | {int(key[1:], 16): said for key, said in other.items()}).items():
        ds.add_new((group, element), vr, value)


def packed(ds: Dataset, bits: np.ndarray) -> bytes:
    data = np.packbits(bits, axis=None, bitorder="little").tobytes()
    data += bytes(len(data) & 1)
    return (
        data
        if ds.file_meta.TransferSyntaxUID != ExplicitVRBigEndian
        else np.frombuffer(data, "<u2").byteswap().tobytes()
    )


@pytest.fixture
def treated(still: Callable[..., Dataset], written: Callable[[Dataset], bytes], tmp_path: Path):
    """Makes the written object from a change of the source; it is checked."""

    def treat(change: Callable[[Dataset], object], syntax: str = ExplicitVRLittleEndian, rules=GRAPHICS) -> Dataset:
        ds = still(Manufacturer="SIEMENS")
        ds.file_meta.TransferSyntaxUID = syntax
        change(ds)
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(written(ds))
        done = deidentify(source, target, rules, Pseudonyms.from_secret(bytes(32)), Values())
        assert isinstance(done, Deidentified), done
        assert check(source, target, done, rules) is None
        return dcmread(target)

    return treat


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_clean_overlay_stays_and_one_with_writing_goes_with_its_group(syntax, treated):
    outline, named = plane(SHAPES["an outline by hand"]), plane(WRITINGS["MIN at 12"])

    def change(ds: Dataset) -> None:
        overlay(ds, 0x6000, outline, x0022=("LO", "Min"), x1500=("LO", "L"), x4000=("LT", "R"))
        overlay(ds, 0x6002, named)
        overlay(ds, 0x601E, np.stack([outline, np.zeros(SIZE, bool)]))
        overlay(ds, 0x6020, outline)
        ds.PatientName = "Min^Ottilie"

    clean = treated(change, syntax)
    assert {element.tag.group for element in clean if element.tag.group >> 8 == 0x60} == {0x6000, 0x601E}
    assert clean[0x6000, 0x3000].value == packed(clean, outline)
    assert clean[0x601E, 0x3000].value == packed(clean, np.stack([outline, np.zeros(SIZE, bool)]))
    assert [clean[0x6000, element].value for element in (0x0022, 0x1500, 0x4000)] == ["ANONYMIZED", "L", "R"]


def test_without_the_option_every_overlay_goes(treated):
    clean = treated(lambda ds: overlay(ds, 0x6000, plane(SHAPES["an ellipse"])), rules=profile("p", DEFAULT_OPTIONS))
    assert not [element for element in clean if element.tag.group == 0x6000]


@pytest.mark.parametrize(
    "other",
    [
        {"x3000": ("OW", bytes(SIZE[0] * SIZE[1] // 8 + 2))},
        {"x3000": ("OW", bytes(SIZE[0] * SIZE[1] // 8 - 2))},
        {"x0100": ("US", 8)},
        {"x0102": ("US", 1)},
        {"x0015": ("IS", 2)},
        {"x0015": ("LO", "two")},
        {"x0010": ("US", 0)},
        {"x0010": ("UL", 256)},
        {"x3000": ("LT", "R" * (SIZE[0] * SIZE[1] // 8))},
    ],
    ids=str,
)
def test_an_overlay_that_is_not_what_it_says_goes(other, treated):
    clean = treated(lambda ds: overlay(ds, 0x6000, plane(SHAPES["an ellipse"]), **other))
    assert not [element for element in clean if element.tag.group == 0x6000]


def test_bits_behind_the_last_pixel_go_with_their_overlay(treated):
    def change(ds: Dataset) -> None:
        overlay(ds, 0x6000, np.zeros((3, 3), bool))
        ds[0x6000, 0x3000].value = b"\0\x02"

    assert (0x6000, 0x3000) not in treated(change)


def test_an_overlay_in_an_item_goes(treated):
    def change(ds: Dataset) -> None:
        item = Dataset()
        item.file_meta = ds.file_meta
        overlay(item, 0x6000, plane(SHAPES["an ellipse"]))
        del item.file_meta
        ds.AnatomicRegionSequence = [item]

    assert len(treated(change).AnatomicRegionSequence[0]) == 0


def test_the_check_refuses_an_overlay_that_should_be_gone(treated, tmp_path):
    treated(lambda ds: overlay(ds, 0x6000, plane(SHAPES["an ellipse"])))
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    done = deidentify(source, target, GRAPHICS, Pseudonyms.from_secret(bytes(32)))
    assert isinstance(done, Deidentified)
    left = dcmread(target)
    overlay(left, 0x6000, plane(WRITINGS["MIN at 12"]))
    left.save_as(target)
    held = check(source, target, done, GRAPHICS)
    assert held is not None
    assert held.detail == "(6000,3000) is an overlay that may hold writing"
    overlay(left, 0x6000, plane(SHAPES["an ellipse"]))
    overlay(left, 0x6040, plane(SHAPES["an ellipse"]))
    left.save_as(target)
    assert "private or unknown" in check(source, target, done, GRAPHICS).detail


def test_graphic_annotations_stay_without_their_words():
    """In a presentation state; each attribute follows its own row."""
    assert GRAPHICS.rules[0x00700001].action == "enter"
    assert GRAPHICS.rules[0x00700006].action == "dummy"
    assert profile("p", DEFAULT_OPTIONS | {Option.GRAPHICS, Option.DESCRIPTORS}).rules[0x00700006].action == "keep"


def test_the_check_refuses_an_overlay_in_an_item_however_often_it_met_the_object(treated, tmp_path):
    treated(lambda ds: overlay(ds, 0x6000, plane(SHAPES["an ellipse"])))
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    done = deidentify(source, target, GRAPHICS, Pseudonyms.from_secret(bytes(32)))
    left, item = dcmread(target), Dataset()
    item.add_new(0x60000010, "US", 256)
    left.add_new(0x60000010, "US", 256)
    left.ReferencedImageSequence = [item]
    left.save_as(target)
    for _ in range(4):
        assert "private or unknown" in check(source, target, done, GRAPHICS).detail

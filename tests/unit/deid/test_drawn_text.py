"""Text that a machine drew is found in every kind of picture, whatever the picture says of itself; pictures of cells, speckle,
grids and rulers hold none."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from aegle.deid.drawn_text import drawn_text

LINES = "Quillfeather, Ottilie\nMRN-4711081"
Y, X = np.mgrid[:240, :320]


def speckle():
    noise = np.random.default_rng(3).rayleigh(45, X.shape).clip(0, 255).astype(np.uint8)
    blurred = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.5))
    return np.asarray(blurred) * (np.abs(X - 160) < Y * 0.9).astype(np.uint8)


def shadow():
    noise = np.random.default_rng(4).normal(0, 8, X.shape)
    return (110 + 50 * np.sin(X / 60) * np.cos(Y / 50) + noise).clip(0, 255).astype(np.uint8)


def cells():
    rng = np.random.default_rng(5)
    made = np.full(X.shape, 230.0)
    for _ in range(120):
        row, column, size = rng.integers(0, 240), rng.integers(0, 320), rng.integers(4, 12)
        made[np.hypot((Y - row) * rng.uniform(0.6, 1.4), X - column) < size] = rng.uniform(40, 120)
    return np.asarray(Image.fromarray(made.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1)))


def ruler():
    made = np.zeros(X.shape, np.uint8)
    made[100:106, 10:310:6] = made[100:112, 10:310:30] = 255
    return made


def grid():
    return np.where((Y // 12 + X // 12) % 2, 255, 0).astype(np.uint8)


def written(picture, *, size=12, ink=255):
    made = Image.fromarray(picture)
    ImageDraw.Draw(made).text((12, 12), LINES, fill=ink, font=ImageFont.load_default(size=size))
    return np.asarray(made)


@pytest.mark.parametrize("picture", [speckle, shadow, cells, ruler, grid])
def test_a_picture_without_text_has_none(picture):
    assert drawn_text(picture()) == []


@pytest.mark.parametrize("size", [9, 12, 20, 50])
@pytest.mark.parametrize("picture", [speckle, shadow])
def test_text_is_found_where_it_stands(picture, size):
    places = drawn_text(written(picture(), size=size))
    assert places
    assert any(8 <= box.left < 40 + size and 8 <= box.top < 30 + 2 * size for box in places)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_text_is_found_however_the_picture_was_turned(quarters):
    assert drawn_text(np.rot90(written(shadow()), quarters))


def test_dark_text_on_light_is_found():
    assert drawn_text(255 - written(np.zeros(X.shape, np.uint8)))


@pytest.mark.parametrize(("paper", "ink"), [((20, 20, 20), (60, 60, 255)), ((245, 245, 245), (255, 255, 0))])
def test_coloured_text_is_found_where_it_is_hardly_brighter_than_its_paper(paper, ink):
    paper = np.full((*X.shape, 3), paper, np.uint8)
    assert drawn_text(paper) == []
    assert drawn_text(written(paper, ink=ink))


def test_each_place_is_told_once():
    assert len(drawn_text(written(np.zeros(X.shape, np.uint8), size=16))) == 2


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (17, 17)])
def test_a_picture_too_small_for_letters_has_none(shape):
    assert drawn_text(np.zeros(shape, np.uint8)) == []

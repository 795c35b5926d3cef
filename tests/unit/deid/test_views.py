"""What a second look is given: nothing that a viewer could be made to show is left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from aegle.deid.drawn_text import drawn_text
from aegle.deid.views import looks, tiles

SHAPE = (96, 256)
INK = Image.new("1", SHAPE[::-1])
ImageDraw.Draw(INK).text((8, 8), "Quillfeather, Ottilie\nMRN-4711081", fill=1, font=ImageFont.load_default(size=16))
TEXT = np.asarray(INK)
FLAT = np.random.default_rng(5).integers(90, 110, SHAPE).astype(np.uint16)


@pytest.fixture
def sees_text(still, written, tmp_path: Path):
    """Whether text is found in any view of a picture that has these pixels and attributes."""

    def ask(pixels, **values: object) -> bool:
        bits = pixels.dtype.itemsize * 8
        colour = pixels.shape[-1] == 3
        frames = pixels.shape[0] if pixels.ndim == (4 if colour else 3) else 1
        ds = still(
            Rows=SHAPE[0],
            Columns=SHAPE[1],
            BitsAllocated=bits,
            BitsStored=bits,
            HighBit=bits - 1,
            NumberOfFrames=frames,
        )
        if colour:
            ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW" if bits > 8 else "OB"
        path = tmp_path / "in.dcm"
        path.write_bytes(written(ds))
        return any(drawn_text(tile) for look in looks(path) for _, _, _, tile in tiles(look.view))

    return ask


def palette(levels):
    """The attributes of a palette in which all three colours have these levels."""
    colours = ("Red", "Green", "Blue")
    of = {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in colours}
    data = {f"{colour}PaletteColorLookupTableData": levels.astype("<u2").tobytes() for colour in colours}
    return {"PhotometricInterpretation": "PALETTE COLOR"} | of | data


RAMP = np.arange(256, dtype=np.uint16) * 257


def test_a_picture_without_text_shows_none(sees_text):
    assert not sees_text(FLAT.astype(np.uint8))
    assert not sees_text(FLAT, WindowCenter="100", WindowWidth="50")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_grey_text_either_way_round(photometric, sees_text):
    for ink, paper in ((250, 20), (20, 250)):
        assert sees_text(np.where(TEXT, ink, paper).astype(np.uint8), PhotometricInterpretation=photometric)


def test_text_that_shows_in_the_window_alone(sees_text):
    pixels = np.where(TEXT, 60, 0) + FLAT
    pixels[-4:, -4:] = 60000  # without the window everything else is black
    assert sees_text(pixels.astype(np.uint16), WindowCenter="130", WindowWidth="120")


def test_the_window_is_laid_over_rescaled_values(sees_text):
    pixels = np.where(TEXT, 1120, 1040) + FLAT // 10
    pixels[-40:, -40:] = 60000
    pixels[:40, -40:] = 0
    values = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "WindowCenter": "70", "WindowWidth": "200"}
    assert sees_text(pixels.astype(np.uint16), **values)


def test_text_that_is_white_as_all_else_in_the_window(sees_text):
    pixels = np.where(TEXT, 4000, 900) + FLAT
    assert sees_text(pixels.astype(np.uint16), WindowCenter="50", WindowWidth="100")


def test_text_in_one_frame_of_many(sees_text):
    noise = np.random.default_rng(6).integers(0, 60, (30, *SHAPE)).astype(np.uint8)
    assert not sees_text(noise)
    white, page = noise.copy(), noise.copy()
    white[17][TEXT] = 255
    page[9] = np.where(TEXT, 0, 255)
    assert sees_text(white)
    assert sees_text(page)


def test_text_that_a_palette_hides_or_alone_shows(sees_text):
    indices = np.where(TEXT, 101, 100).astype(np.uint8)
    indices[-1] = np.arange(256)
    hidden, shown = RAMP.copy(), RAMP.copy()
    hidden[101] = hidden[100]
    shown[100], shown[101] = 0, 65535
    assert sees_text(np.where(TEXT, 200, 100).astype(np.uint8), **palette(hidden))
    assert sees_text(indices, **palette(shown))
    of_one_colour = np.where(TEXT, 200, 100).astype(np.uint8)
    assert sees_text(of_one_colour, **palette(np.full(256, 30000, np.uint16)))


def test_colours_deeper_than_eight_bits(sees_text):
    pixels = np.where(TEXT, 60000, 9000).astype(np.uint16)
    assert sees_text(np.repeat(pixels[..., None], 3, axis=2))


def test_every_pixel_of_a_large_view_lies_in_a_tile():
    view = np.zeros((1500, 2500), np.uint8)
    for left, top, smaller, tile in tiles(view):
        assert smaller == 1
        view[top : top + tile.shape[0], left : left + tile.shape[1]] = 1
    assert view.all()
    assert {smaller for _, _, smaller, _ in tiles(np.zeros((5000, 9000), np.uint8))} == {3}

"""The picture of a held object is drawn whatever its photometric interpretation and depth, blurred until asked; one that
cannot be drawn is told so."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, RLELossless

from aegle.deid.masks import Box
from aegle.errors import NotFound
from aegle.site.held_pictures import HeldPictures

ROWS, COLUMNS = 48, 64
STRIPES = np.tile(np.where(np.arange(COLUMNS) % 8 < 4, 40, 200), (ROWS, 1)).astype(np.uint8)


class Kept:
    """A quarantine whose entries are files."""

    def read(self, entry_id: str):
        yield Path(entry_id).read_bytes()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory):
    made = HeldPictures(quarantine=Kept(), work=tmp_path_factory.mktemp("work") / "private")  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def drawn(held, tmp_path):
    """The picture of a data set of these pixels, `[rows, columns(, 3)]`."""

    def draw(pixels, *, sharp=True, syntax=None, frame=1, places=(), **values):
        ds = dcmread(get_testdata_file("CT_small.dcm"))
        bits = pixels.dtype.itemsize * 8
        ds.Rows, ds.Columns = pixels.shape[:2]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if pixels.ndim == 3 else (1, "MONOCHROME2")
        ds.PlanarConfiguration, ds.PixelRepresentation = 0, 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OB" if bits == 8 else "OW"
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        if syntax:
            ds.compress(syntax, generate_instance_uid=False)
        path = tmp_path / "held.dcm"
        ds.save_as(path)
        entry = SimpleNamespace(entry_id=str(path), size_bytes=path.stat().st_size, places=places)
        png = tmp_path / "shown.png"
        png.write_bytes(held.picture(entry, sharp=sharp, frame=frame))
        assert list(held.work.iterdir()) == []
        return np.asarray(Image.open(png).convert("L")).astype(int)

    return draw


DEEP = STRIPES.astype(np.uint16) * 16
COLOUR = np.repeat(STRIPES[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("pixels", "values"),
    [
        (STRIPES, {}),
        (DEEP, {"BitsStored": 12, "HighBit": 11}),
        (DEEP, {"BitsStored": 12, "HighBit": 11, "WindowCenter": "2000", "WindowWidth": "3000"}),
        (DEEP, {"syntax": RLELossless}),
        (DEEP, {"syntax": JPEG2000Lossless}),
        (DEEP.astype(np.uint32), {}),
        (COLOUR, {}),
        (COLOUR.astype(np.uint16) * 256, {}),
        (COLOUR, {"syntax": JPEG2000Lossless}),
    ],
)
def test_every_depth_is_drawn(pixels, values, drawn):
    shown = drawn(pixels, **values)
    assert shown.shape == (ROWS, COLUMNS)
    assert (shown[:, 4:8] > shown[:, :4] + 100).all()


def test_white_is_white_in_the_inverted_kind(drawn):
    shown = drawn(DEEP, PhotometricInterpretation="MONOCHROME1")
    assert (shown[:, 4:8] < shown[:, :4] - 100).all()


def test_it_is_blurred_until_asked(drawn):
    shown = drawn(np.tile(DEEP, (4, 4)), sharp=False)
    assert shown.shape == (ROWS * 4, COLUMNS * 4)
    assert np.abs(np.diff(shown, axis=1)).max() < 60


def test_a_large_one_is_drawn_smaller(drawn):
    assert max(drawn(np.tile(DEEP, (50, 40))).shape) <= 1600


def test_the_frame_that_is_asked_for_is_drawn_with_a_line_about_its_suspected_places(drawn):
    two = {"NumberOfFrames": 2, "PixelData": bytes(ROWS * COLUMNS) + STRIPES.tobytes()}
    place = Box(30, 20, 8, 8, 2, 2)
    assert not drawn(STRIPES, places=(place,), **two).any()
    shown, plain = (drawn(STRIPES, frame=2, places=places, **two) for places in ((place,), ()))
    inside = np.s_[20:28, 30:38]
    assert (shown != plain).any() and (shown[inside] == plain[inside]).all()


@pytest.mark.parametrize(
    "values", [{"SamplesPerPixel": 4}, {"PhotometricInterpretation": "XYZ"}, {"Rows": 0}, {"Rows": 60000}]
)
def test_what_cannot_be_drawn_is_told_and_the_next_one_is_drawn(values, drawn):
    with pytest.raises(NotFound):
        drawn(STRIPES, **values)
    assert drawn(STRIPES).any()

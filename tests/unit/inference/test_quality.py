"""Focus, cells and stain are measured, and fail in the right order."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aegle.demo.kinds import STYLES
from aegle.demo.pictures import draw, draw_empty
from aegle.inference.bundle import Bundle
from aegle.inference.quality import Measures, judge, measure, total
from aegle.records import RejectReason


def measured(pixels: NDArray[np.uint8]) -> Measures:
    half = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    tiles = half.reshape(2, 128, 3, 128, 3).swapaxes(1, 2).reshape(6, 128, 128, 3)
    return measure(half, tiles)


def picture(defocus_um: float | None = None, style: str = "north", cells_per_mm2: float = 260) -> NDArray[np.uint8]:
    look = STYLES[style]
    return draw(
        768, 512, mpp=0.5, finding="LSIL", seed=8, style=look, defocus_um=defocus_um, cells_per_mm2=cells_per_mm2
    ).pixels


@pytest.mark.parametrize("style", list(STYLES))
def test_an_ordinary_picture_of_each_laboratory_is_accepted(bundle: Bundle, style: str) -> None:
    assert judge(measured(picture(style=style)), bundle.card.quality, 1.0).accepted


def test_sharpness_falls_as_defocus_grows() -> None:
    focus = [measured(picture(defocus_um)).focus for defocus_um in (0.5, 1.5, 3.0, 6.0)]
    assert focus == sorted(focus, reverse=True)
    assert focus[0] > 0.9
    assert focus[-1] < 0.5


def test_a_blurred_picture_is_out_of_focus(bundle: Bundle) -> None:
    assert judge(measured(picture(8.0)), bundle.card.quality, 1.0).reason == RejectReason.OUT_OF_FOCUS


def test_an_empty_picture_has_too_few_cells(bundle: Bundle) -> None:
    empty = draw_empty(768, 512, mpp=0.5, seed=3).pixels
    assert judge(measured(empty), bundle.card.quality, 1.0).reason == RejectReason.TOO_FEW_CELLS


def test_colours_of_another_stain_are_refused(bundle: Bundle) -> None:
    swapped = np.ascontiguousarray(255 - (255 - picture()) * np.array([0.05, 1.0, 0.1])).astype(np.uint8)
    quality = judge(measured(swapped), bundle.card.quality, 1.0)
    assert not quality.accepted


def test_cells_are_counted_about_right() -> None:
    drawn = draw(768, 512, mpp=0.5, finding="NILM", seed=8, cells_per_mm2=150)
    centres = np.array([cell.nucleus_um.mean(axis=0) for cell in drawn.cells])
    inside = int(((centres > 0) & (centres < (384, 256))).all(axis=1).sum())
    assert abs(measured(drawn.pixels).cells - inside) <= 0.5 * inside + 3


def test_parts_add_up() -> None:
    one = Measures(pixels=10, cells=2, tissue=5, red=1.0, sharpness=(0.5,))
    both = total([one, Measures(pixels=5, cells=1, sharpness=(0.9, 1.0))])
    assert (both.pixels, both.cells, both.tissue) == (15, 3, 5)
    assert both.focus == 0.9

"""The drawn pictures and their ground truth."""

import numpy as np
import pytest

from aegle.demo.kinds import FINDINGS, STYLES
from aegle.demo.pictures import draw, draw_empty, draw_tile


def test_the_same_arguments_give_the_same_pixels() -> None:
    first, second = (draw(200, 160, mpp=0.5, finding="HSIL", seed=7) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, draw(200, 160, mpp=0.5, finding="HSIL", seed=8).pixels)


@pytest.mark.parametrize("finding", FINDINGS)
def test_only_an_abnormal_picture_holds_abnormal_cells(finding: str) -> None:
    kinds = {cell.kind for cell in draw(400, 400, mpp=0.5, finding=finding, seed=3).cells}
    assert kinds & {"LSIL", "HSIL"} == ({finding} - {"NILM"})


def test_every_nucleus_lies_dark_where_the_ground_truth_says() -> None:
    picture = draw(600, 600, mpp=0.5, finding="HSIL", seed=5, defocus_um=0)
    for cell in picture.cells:
        column, row = (cell.nucleus_um.mean(axis=0) / picture.mpp).astype(int)
        if cell.kind == "HSIL" and 0 <= row < 600 and 0 <= column < 600:
            assert picture.pixels[row, column, 0] < 110


def test_an_abnormal_nucleus_is_larger_than_an_intermediate_one() -> None:
    cells = draw(1000, 1000, mpp=0.5, finding="LSIL", seed=2).cells
    widths = {
        kind: np.mean([np.ptp(cell.nucleus_um[:, 0]) for cell in cells if cell.kind == kind])
        for kind in ("intermediate", "LSIL")
    }
    assert widths["LSIL"] > 1.4 * widths["intermediate"]


def test_laboratories_stain_differently() -> None:
    pictures = [draw(300, 300, mpp=0.5, finding="NILM", seed=4, style=style) for style in STYLES.values()]
    means = [picture.pixels.mean(axis=(0, 1)) for picture in pictures]
    assert all(np.abs(a - b).max() > 1 for i, a in enumerate(means) for b in means[:i])


def test_an_empty_picture_is_almost_all_glass() -> None:
    assert (draw_empty(300, 300, mpp=0.5, seed=1).pixels.min(axis=2) > 190).mean() > 0.98


def test_a_training_tile_is_drawn_at_one_micrometre_a_pixel() -> None:
    tile = draw_tile("LSIL", seed=9, style=STYLES["south"])
    assert tile.pixels.shape == (128, 128, 3)
    assert tile.mpp == 1.0

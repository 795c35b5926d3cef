"""The committed model keeps its promise on pictures drawn today, with seeds that training never used."""

import numpy as np
import pytest

from aegle.demo.kinds import FINDINGS, STYLES
from aegle.demo.pictures import draw_tile
from aegle.inference.process import ModelProcess

FRESH = 7_000_000


def areas_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive is scored above a negative."""
    above = scores[positive][:, None] > scores[~positive][None, :]
    return float(above.mean())


@pytest.mark.parametrize("style", list(STYLES))
def test_it_tells_abnormal_from_normal_on_fresh_pictures(process: ModelProcess, style: str) -> None:
    truth = np.arange(120) % 3
    tiles = np.stack([draw_tile(FINDINGS[t], seed=FRESH + i, style=STYLES[style]).pixels for i, t in enumerate(truth)])
    probability = process.run(tiles).probability
    assert areas_under_curve(1 - probability[:, 0], truth > 0) > 0.97
    assert (probability.argmax(axis=1) == truth).mean() > 0.9


def test_its_evidence_lies_on_the_lesion(process: ModelProcess) -> None:
    hits = []
    for seed in range(20):
        tile = draw_tile("HSIL", seed=FRESH + 500 + seed, style=STYLES["north"])
        evidence = process.run(tile.pixels[None]).evidence[0].sum(axis=0)
        row, column = np.unravel_index(evidence.argmax(), evidence.shape)
        centres = [cell.nucleus_um.mean(axis=0) for cell in tile.cells if cell.kind == "HSIL"]
        peak = np.array([column + 0.5, row + 0.5]) * 16
        hits.append(min(np.hypot(*(centre - peak)) for centre in centres) < 24)
    assert np.mean(hits) > 0.8

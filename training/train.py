"""Train papnet, the synthetic reference model, from nothing: draw tiles, train, choose the operating point, export.

    python training/train.py OUTPUT_FOLDER

Writes `model.onnx`, `vectors.npz` and `figures.json` there; `training/pack.py` makes the bundle of them. Needs torch,
onnx and scikit-learn beside Aegle itself. Everything is synthetic: the model is not for clinical use.
"""

import io
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from aegle.demo.kinds import FINDINGS, STYLES
from aegle.demo.pictures import draw, draw_tile

SEED = 20261125
TILE_PX, MPP = 128, 1.0
TRAIN_TILES, TEST_TILES, STUDIES = 7200, 900, 120
HOME, AWAY = ("north", "south"), ("coast",)  # the model never sees a tile of an AWAY laboratory
SHARES = (0.5, 0.25, 0.25)  # of the findings in training
EPOCHS, BATCH, RATE = 10, 64, 3e-3

Job = tuple[int, str, str]  # seed, finding, style


class PapNet(nn.Module):
    """Fully convolutional: evidence for LSIL and HSIL in each 16 px cell, pooled over the tile by log-mean-exp.

    Because the pooling is over evidence, the map that explains the answer is the answer's own input.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 24, 48, 64, 96)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for level, width in enumerate(widths):
            layers += [
                nn.Conv2d(before, width, 3, stride=2 if level < 4 else 1, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(before, 2, 1)

    def evidence(self, pixels: Tensor) -> Tensor:
        """Log-odds of each cell against `NILM`: [N, 2, H/16, W/16] from NCHW floats in 0..255."""
        found: Tensor = self.head(self.body((pixels - 127.5) / 64.0))
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits [N, 3] in the order NILM, LSIL, HSIL."""
        return pooled(self.evidence(pixels))


def pooled(evidence: Tensor) -> Tensor:
    """Tile logits: log-mean-exp over cells, with NILM as the zero."""
    cells = evidence.flatten(2)
    lesions = torch.logsumexp(cells, 2) - np.log(TILE_PX * TILE_PX / 256)
    return torch.cat([torch.zeros_like(lesions[:, :1]), lesions], 1)


class Exported(nn.Module):
    """NHWC uint8 in, so that no caller can prepare pixels wrongly; probability and evidence map out."""

    def __init__(self, net: PapNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        evidence = self.net.evidence(image.permute(0, 3, 1, 2).float())
        # A lone cell at log(16) of evidence is drawn half lit; the tile turns at log(64).
        baseline = torch.full_like(evidence[:, :1], float(np.log(16.0)))
        lit = torch.softmax(torch.cat([baseline, evidence], 1), 1)[:, 1:]
        return torch.softmax(pooled(evidence), 1), lit


def jobs(count: int, first_seed: int, styles: tuple[str, ...]) -> list[Job]:
    """What to draw: findings by SHARES, laboratories in turn."""
    rng = np.random.default_rng(first_seed)
    findings = rng.choice(FINDINGS, size=count, p=SHARES)
    return [(first_seed + i, str(finding), styles[i % len(styles)]) for i, finding in enumerate(findings)]


def tile_of(job: Job) -> NDArray[np.uint8]:
    """Draw one tile; half of them go through JPEG, as archives' do."""
    seed, finding, style = job
    pixels = draw_tile(finding, seed=seed, style=STYLES[style], size_px=TILE_PX).pixels
    return through_jpeg(pixels, 70 + seed % 26) if seed % 2 else pixels


def through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Pixels as they return from a baseline JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def study_of(job: Job) -> NDArray[np.uint8]:
    """The tiles [N, 128, 128, 3] of one still of 1024 x 768 px at 0.5 micrometre per pixel."""
    seed, finding, style = job
    fine = draw(1024, 768, mpp=0.5, finding=finding, seed=seed, style=STYLES[style]).pixels
    half = through_jpeg(fine, 90).reshape(384, 2, 512, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    return half.reshape(3, 128, 4, 128, 3).swapaxes(1, 2).reshape(12, 128, 128, 3)


def drawn(pool: ProcessPoolExecutor, wanted: list[Job]) -> tuple[Tensor, Tensor]:
    """Tiles [N, H, W, 3] uint8 and class numbers [N]."""
    tiles = np.stack(list(pool.map(tile_of, wanted, chunksize=32)))
    return torch.from_numpy(tiles), torch.tensor([FINDINGS.index(finding) for _, finding, _ in wanted])


def varied(pixels: Tensor) -> Tensor:
    """Random flips and random stain, the latter in optical density: [N, 3, H, W] floats."""
    for axes in ((3,), (2,)):
        if torch.rand(1) < 0.5:
            pixels = pixels.flip(axes)
    if torch.rand(1) < 0.5:
        pixels = pixels.transpose(2, 3)
    count = len(pixels)
    gain = torch.empty(count, 1, 1, 1).uniform_(0.75, 1.3) * torch.empty(count, 3, 1, 1).uniform_(0.85, 1.18)
    return torch.exp(torch.log((pixels + 1) / 256) * gain) * 256 - 1


def batches(tiles: Tensor, truth: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order."""
    for chosen in torch.randperm(len(tiles)).split(BATCH):
        yield varied(tiles[chosen].permute(0, 3, 1, 2).float()), truth[chosen]


def train(tiles: Tensor, truth: Tensor) -> PapNet:
    """A network in eval mode."""
    net = PapNet()
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
    steps = EPOCHS * -(-len(tiles) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        net.train()
        losses = []
        for pixels, classes in batches(tiles, truth):
            loss = functional.cross_entropy(net(pixels), classes, label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)
    return net.eval()


@torch.no_grad()
def probabilities(net: PapNet, tiles: Tensor) -> NDArray[np.float32]:
    """[N, 3] from tiles as drawn."""
    parts = [torch.softmax(net(part.permute(0, 3, 1, 2).float()), 1) for part in tiles.split(100)]
    return torch.cat(parts).numpy()


def tile_figures(net: PapNet, tiles: Tensor, truth: Tensor) -> dict[str, float]:
    """Held-out figures on tiles."""
    found, classes = probabilities(net, tiles), truth.numpy()
    return {
        "auc_abnormal": round(float(roc_auc_score(classes > 0, 1 - found[:, 0])), 4),
        "auc_hsil": round(float(roc_auc_score(classes == 2, found[:, 2])), 4),
        "accuracy": round(float((found.argmax(1) == classes).mean()), 4),
    }


def study_scores(net: PapNet, pool: ProcessPoolExecutor, wanted: list[Job]) -> tuple[NDArray[np.float64], list[str]]:
    """The score of each still, pooled as the platform pools: the mean over its two most abnormal tiles."""
    scores = []
    for tiles in pool.map(study_of, wanted, chunksize=2):
        abnormal = 1 - probabilities(net, torch.from_numpy(tiles))[:, 0]
        scores.append(float(np.sort(abnormal)[-2:].mean()))
    return np.array(scores), [finding for _, finding, _ in wanted]


def operating_point(scores: NDArray[np.float64], findings: list[str]) -> dict[str, float]:
    """The threshold with the greatest sensitivity + specificity; of equals a low one, since a miss costs more."""
    steps = [round(0.05 * step, 2) for step in range(1, 20)]
    gains = [sum(rates(scores, findings, step)[name] for name in ("sensitivity", "specificity")) for step in steps]
    best = [step for step, gain in zip(steps, gains, strict=True) if gain == max(gains)]
    threshold = best[len(best) // 4]
    return {"threshold": threshold, **rates(scores, findings, threshold)}


def rates(scores: NDArray[np.float64], findings: list[str], threshold: float) -> dict[str, float]:
    """Sensitivity, specificity and AUC of studies."""
    abnormal = np.array([finding != "NILM" for finding in findings])
    return {
        "sensitivity": round(float((scores[abnormal] >= threshold).mean()), 4),
        "specificity": round(float((scores[~abnormal] < threshold).mean()), 4),
        "auc": round(float(roc_auc_score(abnormal, scores)), 4),
    }


def export(net: PapNet, path: Path, example: Tensor) -> None:
    """ONNX in eval mode: exported in train mode, batch statistics move probabilities by up to 0.19."""
    torch.onnx.export(
        Exported(net).eval(),
        (example,),
        str(path),
        input_names=["image"],
        output_names=["probability", "evidence"],
        dynamic_axes={"image": {0: "tiles"}, "probability": {0: "tiles"}, "evidence": {0: "tiles"}},
        opset_version=17,
        dynamo=False,
    )


def main(folder: Path) -> None:
    """Draw, train, measure, export."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    began = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        net = train(*drawn(pool, jobs(TRAIN_TILES, 1_000_000, HOME)))
        home, away = drawn(pool, jobs(TEST_TILES, 2_000_000, HOME)), drawn(pool, jobs(TEST_TILES, 3_000_000, AWAY))
        chosen = operating_point(*study_scores(net, pool, jobs(STUDIES, 4_000_000, HOME)))
        held_out = study_scores(net, pool, jobs(STUDIES, 5_000_000, HOME + AWAY))
    export(net, folder / "model.onnx", home[0][:2])
    np.savez_compressed(folder / "vectors.npz", image=home[0][:6].numpy())
    figures = {
        "seed": SEED,
        "parameters": sum(p.numel() for p in net.parameters()),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "tiles_same_laboratories": tile_figures(net, *home),
        "tiles_unseen_laboratory": tile_figures(net, *away),
        "calibration_studies": chosen,
        "held_out_studies": rates(*held_out, chosen["threshold"]),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

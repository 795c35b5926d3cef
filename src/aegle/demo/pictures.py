"""Pap-like pictures, drawn: every one synthetic, with its ground truth. Not for clinical use.

Stain is laid down as optical density and turned into light by Beer-Lambert, so that overlapping cells look like
overlapping cells. Lengths are micrometres; `mpp` is micrometres per pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aegle.demo import shapes
from aegle.demo.kinds import DYES, KINDS, ORDINARY, STYLES, CellKind, LabStyle
from aegle.demo.shapes import Floats

Pixels = NDArray[np.uint8]

_HUE_SHIFT = np.array([1, -0.5, 0.6], np.float32)
_ABSORBANCE = 1.55  #: optical density to natural-log attenuation, tuned by eye


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Ground truth of one drawn cell: polygons `[32, 2]` of (x, y) in micrometres from the picture's top left."""

    kind: str
    nucleus_um: NDArray[np.float64]
    outline_um: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`[H, W, 3] uint8 RGB` with the cells in it."""

    pixels: Pixels
    cells: Sequence[Cell]
    mpp: float


def draw(
    width_px: int,
    height_px: int,
    *,
    mpp: float,
    finding: str,
    seed: int,
    style: LabStyle = STYLES["north"],
    cells_per_mm2: float = 260,
    lesions: int = 3,
    defocus_um: float | None = None,
) -> Picture:
    """One field. `finding` is `NILM`, `LSIL` or `HSIL`; the latter two get `lesions` groups of such cells.

    The same arguments give the same pixels. Memory: about 40 bytes a pixel.
    """
    smear = Smear(width_px, height_px, mpp=mpp, style=style, seed=seed)
    smear.populate(cells_per_mm2)
    for _ in range(lesions if finding != "NILM" else 0):
        smear.add_lesion(finding)
    return Picture(pixels=smear.photograph(defocus_um), cells=tuple(smear.cells), mpp=mpp)


def draw_empty(width_px: int, height_px: int, *, mpp: float, seed: int, style: LabStyle = STYLES["north"]) -> Picture:
    """A field with a few blood cells and no epithelium: an inadequate sample."""
    smear = Smear(width_px, height_px, mpp=mpp, style=style, seed=seed)
    for x, y in smear.places(smear.area_mm2 * 40):
        smear.add_red_cell(x, y)
    return Picture(pixels=smear.photograph(None), cells=(), mpp=mpp)


def draw_tile(finding: str, *, seed: int, style: LabStyle, size_px: int = 128) -> Picture:
    """One training tile at 1.0 micrometre per pixel, drawn at twice the size and averaged as a scanner's level is."""
    rng = np.random.default_rng([seed, 1])
    fine = draw(
        2 * size_px,
        2 * size_px,
        mpp=0.5,
        finding=finding,
        seed=seed,
        style=style,
        cells_per_mm2=rng.uniform(60, 420),
        lesions=int(rng.integers(1, 3)),
    )
    pixels = fine.pixels.reshape(size_px, 2, size_px, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    return Picture(pixels=pixels, cells=fine.cells, mpp=1.0)


@dataclass(frozen=True)
class _Window:
    """A part of the canvas around one object, with each pixel's offset from the object's centre."""

    rows: slice
    columns: slice
    down_um: Floats
    across_um: Floats

    @property
    def shape(self) -> tuple[int, int]:
        return self.down_um.shape[0], self.across_um.shape[1]


@dataclass
class Smear:
    """A canvas of optical density onto which cells are laid."""

    width_px: int
    height_px: int
    mpp: float = field(kw_only=True)
    style: LabStyle = field(kw_only=True)
    seed: int = field(kw_only=True)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.cells: list[Cell] = []
        self._density = np.zeros((self.height_px, self.width_px, 3), np.float32)
        turn = self.style.hue + self.rng.normal() * 0.02
        self._dyes = {n: np.clip(np.array(v, np.float32) + turn * _HUE_SHIFT, 0.02, None) for n, v in DYES.items()}
        nucleus, cyan, orange = np.exp(self.rng.normal(size=3) * 0.10)  # one slide's batch of stain
        self._gains = {
            "haematoxylin": self.style.nucleus_gain * nucleus,
            "eosin-azure": self.style.cyan_gain * cyan,
            "orange-g": self.style.orange_gain * orange,
            "haemoglobin": 1.0,
        }

    @property
    def area_mm2(self) -> float:
        """Area of the field."""
        return self.width_px * self.height_px * self.mpp**2 * 1e-6

    def places(self, mean: float, margin_um: float = 0) -> list[tuple[float, float]]:
        """A Poisson number of random (x, y) places."""
        size = np.array([self.width_px, self.height_px]) * self.mpp
        spots = self.rng.uniform(-margin_um, size + margin_um, size=(self.rng.poisson(mean), 2))
        return [(float(x), float(y)) for x, y in spots]

    def populate(self, cells_per_mm2: float) -> None:
        """Lay down the ordinary cells of a smear, sometimes with inflammation or blood."""
        reach = 20.0  # cells reach in from beyond the edge
        area_mm2 = self.area_mm2 * (1 + 2 * reach / (self.width_px * self.mpp)) ** 2
        for x, y in self.places(area_mm2 * cells_per_mm2, margin_um=reach):
            self.add_cell(str(self.rng.choice(list(ORDINARY), p=list(ORDINARY.values()))), x, y)
        if self.rng.random() < 0.3:
            for x, y in self.places(self.area_mm2 * self.rng.uniform(100, 900)):
                self.add_neutrophil(x, y)
        if self.rng.random() < 0.15:
            for x, y in self.places(self.area_mm2 * self.rng.uniform(100, 700)):
                self.add_red_cell(x, y)

    def add_lesion(self, finding: str) -> None:
        """One group of abnormal cells: HSIL crowds, LSIL lies singly or in pairs."""
        width_um, height_um = self.width_px * self.mpp, self.height_px * self.mpp
        x, y = self.rng.uniform(0.12, 0.88) * width_um, self.rng.uniform(0.12, 0.88) * height_um
        crowd = self.rng.integers(2, 7) if finding == "HSIL" and self.rng.random() > 0.35 else self.rng.integers(1, 3)
        spread_um = 12 if finding == "HSIL" else 14
        for _ in range(int(crowd)):
            dx, dy = self.rng.normal(size=2) * spread_um
            self.add_cell(finding, x + dx, y + dy)

    def add_cell(self, kind_name: str, x_um: float, y_um: float) -> None:
        """One epithelial cell, recorded as ground truth."""
        kind, rng = KINDS[kind_name], self.rng
        radius = rng.uniform(*kind.cytoplasm_um) / 2
        nucleus_radius = min(rng.uniform(*kind.nucleus_um) / 2, radius * 0.88)
        body = shapes.outline(rng, radius, waviness=kind.waviness, stretch=rng.uniform(0.85, 1.2),
                              corners=kind.corners * rng.uniform(0.5, 1.3))  # fmt: skip
        nucleus = shapes.outline(
            rng, nucleus_radius, waviness=kind.nucleus_waviness, stretch=rng.uniform(*kind.nucleus_stretch)
        )
        dx, dy = rng.normal(size=2) * radius * 0.12
        window = self._window(x_um, y_um, float(body.max()) + 3)
        if window is None:
            return
        self._lay_cytoplasm(window, kind, body, (dx, dy), nucleus_radius)
        self._lay_nucleus(window, kind, nucleus, (dx, dy))
        self.cells.append(
            Cell(
                kind=kind_name,
                nucleus_um=shapes.polygon(nucleus, x_um + dx, y_um + dy),
                outline_um=shapes.polygon(body, x_um, y_um),
            )
        )

    def _lay_cytoplasm(
        self, window: _Window, kind: CellKind, body: Floats, offset_um: tuple[float, float], nucleus_radius: float
    ) -> None:
        rng = self.rng
        inside = shapes.depth(body, window.down_um, window.across_um)
        texture = 0.75 + 0.5 * shapes.smooth_noise(rng, *window.shape, grain_px=max(2, 6 / self.mpp))
        density = (shapes.soft(inside, 1.2) * texture * rng.uniform(*kind.cytoplasm_density)).astype(np.float32)
        density += np.exp(-((inside / 1.3) ** 2)) * np.float32(0.06) * (inside > 0)  # the folded rim
        if rng.random() < kind.halo:
            halo = shapes.outline(rng, nucleus_radius * rng.uniform(1.6, 2.1), waviness=0.06)
            cleared = shapes.depth(halo, window.down_um - offset_um[1], window.across_um - offset_um[0])
            density = (density * (1 - 0.75 * shapes.soft(cleared, 1.5))).astype(np.float32)
        other = "eosin-azure" if kind.dye == "orange-g" else "orange-g"
        self._stain(window, density, kind.dye if rng.random() > 0.2 else other)

    def _lay_nucleus(self, window: _Window, kind: CellKind, edge: Floats, offset_um: tuple[float, float]) -> None:
        inside = shapes.depth(edge, window.down_um - offset_um[1], window.across_um - offset_um[0])
        clumps = shapes.smooth_noise(self.rng, *window.shape, grain_px=max(1.5, 1.6 / self.mpp)) - 0.5
        membrane = 0.18 * np.exp(-((inside / 0.6) ** 2))
        density = (1 + kind.clumping * 2.2 * clumps + membrane) * np.float32(self.rng.uniform(*kind.nucleus_density))
        self._stain(window, (shapes.soft(inside, 0.7) * density).astype(np.float32), "haematoxylin")

    def add_neutrophil(self, x_um: float, y_um: float) -> None:
        """A small pale cell with two to four dark lobes."""
        self._add_blob(x_um, y_um, self.rng.uniform(4.5, 6), 0.14, "eosin-azure")
        turn = self.rng.uniform(0, 2 * np.pi)
        for lobe in range(int(self.rng.integers(2, 5))):
            x, y = x_um + 2.1 * np.cos(turn + lobe * 1.9), y_um + 2.1 * np.sin(turn + lobe * 1.9)
            self._add_blob(x, y, self.rng.uniform(1.5, 2.2), self.rng.uniform(1.2, 1.9), "haematoxylin")

    def _add_blob(self, x_um: float, y_um: float, radius_um: float, density: float, dye: str) -> None:
        window = self._window(x_um, y_um, radius_um * 1.5 + 1)
        if window is not None:
            edge = shapes.outline(self.rng, radius_um, waviness=0.03)
            inside = shapes.depth(edge, window.down_um, window.across_um)
            self._stain(window, shapes.soft(inside, 0.8) * np.float32(density), dye)

    def add_red_cell(self, x_um: float, y_um: float) -> None:
        """A disc, paler in its centre."""
        window = self._window(x_um, y_um, 6)
        if window is not None:
            distance, radius = np.hypot(window.down_um, window.across_um), self.rng.uniform(3.2, 3.9)
            density = np.clip(radius - distance, 0, 1) * (0.22 + 0.12 * (distance / radius) ** 2)
            self._stain(window, density.astype(np.float32), "haemoglobin")

    def _window(self, x_um: float, y_um: float, reach_um: float) -> _Window | None:
        left, right = (int(np.clip((x_um + s * reach_um) / self.mpp, 0, self.width_px)) for s in (-1, 1))
        top, bottom = (int(np.clip((y_um + s * reach_um) / self.mpp, 0, self.height_px)) for s in (-1, 1))
        if left >= right or top >= bottom:
            return None
        down = ((np.arange(top, bottom) + 0.5) * self.mpp - y_um).astype(np.float32)
        across = ((np.arange(left, right) + 0.5) * self.mpp - x_um).astype(np.float32)
        return _Window(slice(top, bottom), slice(left, right), down[:, None], across[None, :])

    def _stain(self, window: _Window, density: Floats, dye: str) -> None:
        laid = (density * np.float32(self._gains[dye]))[..., None] * self._dyes[dye]
        self._density[window.rows, window.columns] += laid

    def photograph(self, defocus_um: float | None) -> Pixels:
        """`[H, W, 3] uint8 RGB` through the microscope. `defocus_um` (sigma) overrides the ordinary blur."""
        light = np.array(self.style.light, np.float32) * np.exp(-_ABSORBANCE * self._density)
        shade = shapes.smooth_noise(self.rng, self.height_px, self.width_px, max(self.height_px, self.width_px) / 2)
        light *= (1 + 0.03 * (shade - 0.5))[..., None]
        blur_px = (self.rng.uniform(*self.style.defocus_um) if defocus_um is None else defocus_um) / self.mpp
        if blur_px > 0.3:
            light = shapes.blurred(light, blur_px)
        light += self.rng.normal(size=light.shape).astype(np.float32) * self.style.noise
        pixels: Pixels = (np.clip(light, 0, 1) * 255).astype(np.uint8)
        return pixels

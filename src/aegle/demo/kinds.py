"""What is drawn: dyes, the styles of invented laboratories, and kinds of cells as textbooks describe them."""

from dataclasses import dataclass

Range = tuple[float, float]

#: optical density of each dye in red, green and blue
DYES = {
    "haematoxylin": (0.90, 0.80, 0.42),
    "eosin-azure": (0.55, 0.19, 0.22),
    "orange-g": (0.12, 0.45, 0.36),
    "haemoglobin": (0.10, 0.55, 0.60),
}


@dataclass(frozen=True, kw_only=True)
class LabStyle:
    """What makes one laboratory's slides look unlike another's."""

    nucleus_gain: float
    cyan_gain: float
    orange_gain: float
    light: tuple[float, float, float]  #: red, green, blue of an empty field, in [0, 1]
    hue: float
    defocus_um: Range  #: sigma of ordinary focus variation
    noise: float  #: standard deviation of the camera's noise, in [0, 1]


STYLES = {
    "north": LabStyle(nucleus_gain=1, cyan_gain=1, orange_gain=1, light=(0.965, 0.965, 0.955), hue=0,
                      defocus_um=(0.2, 0.7), noise=0.010),
    "south": LabStyle(nucleus_gain=0.85, cyan_gain=1.15, orange_gain=0.9, light=(0.95, 0.96, 0.97), hue=0.05,
                      defocus_um=(0.2, 0.9), noise=0.012),
    "coast": LabStyle(nucleus_gain=1.2, cyan_gain=0.75, orange_gain=1.25, light=(0.97, 0.95, 0.93), hue=-0.07,
                      defocus_um=(0.3, 1.0), noise=0.016),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CellKind:
    """How cells of one kind look. Ranges are drawn from uniformly; diameters in micrometres."""

    cytoplasm_um: Range
    nucleus_um: Range
    nucleus_density: Range
    cytoplasm_density: Range
    dye: str = "eosin-azure"
    waviness: float = 0.02
    nucleus_waviness: float = 0.015
    nucleus_stretch: Range = (0.9, 1.12)
    clumping: float = 0.12  #: contrast of the chromatin
    corners: float = 0.0
    halo: float = 0.0  #: share of cells with a cleared space around the nucleus (koilocytes)


KINDS = {
    "superficial": CellKind(cytoplasm_um=(42, 58), nucleus_um=(5, 6.5), nucleus_density=(1.3, 1.7),
                            cytoplasm_density=(0.22, 0.38), dye="orange-g", clumping=0.05, corners=0.16),
    "intermediate": CellKind(cytoplasm_um=(36, 52), nucleus_um=(7, 9), nucleus_density=(0.75, 1.1),
                             cytoplasm_density=(0.20, 0.36), corners=0.14),
    "parabasal": CellKind(cytoplasm_um=(15, 24), nucleus_um=(7.5, 10), nucleus_density=(0.8, 1.15),
                          cytoplasm_density=(0.32, 0.52), nucleus_waviness=0.02, clumping=0.14),
    "borderline": CellKind(cytoplasm_um=(36, 50), nucleus_um=(9.5, 11.5), nucleus_density=(0.9, 1.3),
                           cytoplasm_density=(0.20, 0.36), nucleus_waviness=0.03, clumping=0.16, corners=0.14),
    "LSIL": CellKind(cytoplasm_um=(32, 50), nucleus_um=(12, 16), nucleus_density=(1.0, 1.5),
                     cytoplasm_density=(0.20, 0.36), waviness=0.03, nucleus_waviness=0.05, clumping=0.25,
                     corners=0.12, halo=0.6),
    "HSIL": CellKind(cytoplasm_um=(14, 23), nucleus_um=(10, 15), nucleus_density=(1.3, 1.9),
                     cytoplasm_density=(0.34, 0.58), waviness=0.05, nucleus_waviness=0.09,
                     nucleus_stretch=(0.75, 1.35), clumping=0.40),
}  # fmt: skip
ORDINARY = {"superficial": 0.38, "intermediate": 0.47, "parabasal": 0.10, "borderline": 0.05}
FINDINGS = ("NILM", "LSIL", "HSIL")

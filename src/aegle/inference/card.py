"""What a bundle declares about its model: the `aegle` key of `configs/metadata.json`, typed and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aegle.errors import BadBundle

Share = Annotated[float, Field(ge=0, le=1)]
Channels = tuple[float, float, float]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelClass(_Facts):
    """One class of the model's answer, in the order of its probability output."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,16}$")]  #: our short code, see `dicom.codes`
    name: str
    abnormal: bool


class Input(_Facts):
    """The pixels the model wants: `[N, tile_px, tile_px, 3] uint8 RGB`."""

    tensor: str
    layout: Literal["NHWC"]
    dtype: Literal["uint8"]
    tile_px: Annotated[int, Field(ge=16, le=2048)]
    mpp: Annotated[float, Field(gt=0)]  #: micrometres per pixel the tiles are brought to
    source_mpp: tuple[float, float]  #: finest and coarsest spacing of images that may be read
    sop_classes: tuple[str, ...]


class Output(_Facts):
    """Names of the model's outputs and the size of an evidence cell."""

    probability: str  #: `[N, classes] float32`, each row sums to 1
    evidence: str  #: `[N, abnormal classes, tile_px / stride, tile_px / stride] float32` in [0, 1]
    stride_px: Annotated[int, Field(ge=1)]


class Pooling(_Facts):
    """A study's scores are the mean over its most abnormal tiles: `share` of them, at least `least`."""

    share: Share
    least: Annotated[int, Field(ge=1)]


class DefaultPoint(_Facts):
    """The threshold in force where a site has none of its own."""

    threshold: Annotated[float, Field(gt=0, lt=1)]
    policy: str


class QualityLimits(_Facts):
    """What an image must show before its score means anything (`inference.quality` says how each is measured)."""

    focus_min: Share
    cells_per_mm2_min: Annotated[float, Field(ge=0)]
    stain_min: Channels  #: share of red, green, blue in the mean optical density of tissue
    stain_max: Channels


class Vectors(_Facts):
    """Inputs with their expected outputs, `.npz` in the bundle."""

    file: str
    atol: Annotated[float, Field(gt=0)]


class Card(_Facts):
    """The declared facts of one model version."""

    format: Literal[1]
    synthetic: bool
    intended_use: str
    input: Input
    output: Output
    classes: Annotated[tuple[ModelClass, ...], Field(min_length=2, max_length=16)]
    pooling: Pooling
    operating_point: DefaultPoint
    quality: QualityLimits
    vectors: Vectors

    @model_validator(mode="after")
    def _one_normal_class(self) -> "Card":
        if sum(not one.abnormal for one in self.classes) != 1:
            raise ValueError("exactly one class must be the normal one")
        return self

    @property
    def normal(self) -> int:
        """Place of the normal class among the probabilities."""
        return next(place for place, one in enumerate(self.classes) if not one.abnormal)

    @property
    def abnormal_codes(self) -> tuple[str, ...]:
        """Codes of the evidence channels, in order."""
        return tuple(one.code for one in self.classes if one.abnormal)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What we read of `configs/metadata.json`."""

    name: str
    version: str
    card: Card


def read_metadata(text: bytes) -> Metadata:
    """Parse `configs/metadata.json`. Raises BadBundle naming the field that does not fit."""
    try:
        raw: Mapping[str, Any] = json.loads(text)
        return Metadata(name=str(raw["name"]), version=str(raw["version"]), card=Card.model_validate(raw["aegle"]))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadBundle(f"configs/metadata.json, aegle.{where}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadBundle(f"configs/metadata.json cannot be read: {error!r}") from None

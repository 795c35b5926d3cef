"""The DICOM objects a prediction becomes. Every UID and date derives from it, so a rebuild gives the same bytes."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from aegle.dicom.identity import Identity
from aegle.dicom.overlay import overlay, pictured
from aegle.dicom.report import structured_report
from aegle.errors import NotFound
from aegle.records import Prediction

__all__ = ["ResultObject", "build_results", "pictured"]

SYNTHETIC = "Synthetic, not for clinical use"


@dataclass(frozen=True, kw_only=True)
class ResultObject:
    """One instance to archive and deliver."""

    kind: str  #: `sr` or `sc`
    sop_uid: str
    series_uid: str
    sop_class: str
    content: bytes  #: Part 10 file


def build_results(
    prediction: Prediction, sources: Mapping[str, Dataset], picture: NDArray[np.uint8], *, notice: str = SYNTHETIC
) -> tuple[ResultObject, ...]:
    """The structured report and the secondary capture of a prediction, under the patient and study of its sources.

    `sources` holds the header of every image of `prediction.sources` by SOP Instance UID; `picture` is
    `[H, W, 3] uint8 RGB`, the whole image (of a slide a low level) that `pictured(prediction)` names. `notice` is drawn
    and written into both. Raises NotFound when a source's header is missing.
    """
    if missing := [one.sop_uid for one in prediction.sources if one.sop_uid not in sources]:
        raise NotFound(f"the header of {len(missing)} source image(s) is missing, the first is {missing[0]}")
    identity = Identity.of(prediction)
    report = structured_report(prediction, sources, identity, notice)
    capture = overlay(prediction, sources, picture, identity, notice)
    return _result("sr", report), _result("sc", capture)


def _result(kind: str, made: Dataset) -> ResultObject:
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return ResultObject(
        kind=kind,
        sop_uid=made.SOPInstanceUID,
        series_uid=made.SeriesInstanceUID,
        sop_class=made.SOPClassUID,
        content=stream.getvalue(),
    )

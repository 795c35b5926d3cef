"""Files that belong together: a patient's two studies, a report on one of its images, and a stranger beside them."""

from datetime import datetime, timedelta
from typing import Final

from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.documents import report
from aegle.bench.draft import Draft
from aegle.bench.objects import CT, axial_ct

DAYS_BETWEEN: Final = 183


def first_slice(draft: Draft) -> None:
    """The first slice of the first study."""
    axial_ct(draft)


def second_slice(draft: Draft, first: Draft) -> None:
    """Another slice of the same series."""
    axial_ct(draft)
    _share(draft, first, "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def report_on(draft: Draft, first: Draft) -> None:
    """A report of the same study that points at the first slice."""
    report(draft)
    _share(draft, first, "StudyInstanceUID")
    _point(draft, draft.dataset.ContentSequence[6].ReferencedSOPSequence[0], first)


def later_study(draft: Draft, first: Draft) -> None:
    """The same patient, half a year on, with a reference back."""
    ds = axial_ct(draft)
    day = datetime.strptime(first.person.study_date, "%Y%m%d") + timedelta(days=DAYS_BETWEEN)  # noqa: DTZ007 - a DA
    for keyword in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"):
        draft.plant(ds, keyword, day.strftime("%Y%m%d"), Leak.DATE)
    reference = Dataset()
    reference.ReferencedSOPClassUID = CT
    _point(draft, reference, first)
    ds.SourceImageSequence = [reference]


def _point(draft: Draft, reference: Dataset, target: Draft) -> None:
    draft.plant(reference, "ReferencedSOPInstanceUID", str(target.dataset.SOPInstanceUID), Leak.UID)


def _share(draft: Draft, first: Draft, *keywords: str) -> None:
    for keyword in keywords:
        draft.plant(draft.dataset, keyword, str(first.dataset[keyword].value), Leak.UID)

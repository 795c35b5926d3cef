"""Themes of moments around midnight.

A tool that moves times must take the dates beside them along, or the minutes between two moments are wrong.
"""

from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.documents import dated, document
from aegle.bench.draft import Draft
from aegle.bench.objects import BEAMS_RECORD, DOSE_SR, ENHANCED_CT, PET, axial_ct, begin

_GIVEN = "RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime"


def uptake_over_midnight(draft: Draft) -> None:
    """A tracer given late in the evening, a picture after midnight: the minutes between are in every uptake value."""
    ds, day = _positron(draft, f"{draft.person.study_date}235230.5"), draft.person.study_date
    draft.plant(ds, "AcquisitionDate", _day_after(day), Leak.DATE)
    ds.AcquisitionTime = "001517.250000"
    draft.moments += [_GIVEN, "AcquisitionDate"]


def uptake_in_two_zones(draft: Draft) -> None:
    """The same, each moment with its offset from UTC: one as the object states it, one of a device that runs on UTC."""
    day = draft.person.study_date
    ds = _positron(draft, f"{day}225230.5+0000")
    ds.TimezoneOffsetFromUTC = "+0100"
    draft.plant(ds, "AcquisitionDate", _day_after(day), Leak.DATE)
    ds.AcquisitionTime = "001517.250000"
    draft.plant(ds, "AcquisitionDateTime", f"{_day_after(day)}001517.25+0100", Leak.DATE)
    draft.moments += [_GIVEN, "AcquisitionDate", "AcquisitionDateTime"]


def _positron(draft: Draft, given: str) -> Dataset:
    ds, tracer = axial_ct(draft, PET, "PT"), Dataset()
    ds.ImageType, ds.Units, ds.DecayCorrection = ["ORIGINAL", "PRIMARY"], "BQML", "START"
    draft.plant(tracer, "RadiopharmaceuticalStartDateTime", given, Leak.DATE)
    tracer.RadionuclideHalfLife, tracer.RadionuclideTotalDose = "6586.2", "312000000"
    ds.RadiopharmaceuticalInformationSequence = [tracer]
    draft.keep("Units", "RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife")
    return ds


def slice_across_midnight(draft: Draft) -> None:
    """A series begun in the last minute of a day, its picture taken in the next: six dates, each beside its time."""
    ds, day = axial_ct(draft), draft.person.study_date
    for pair, date, time in (
        ("Series", day, "235910"),
        ("Acquisition", day, "235940.5"),
        ("Content", _day_after(day), "000020"),
        ("InstanceCreation", _day_after(day), "000405"),
        ("PerformedProcedureStepStart", day, "235905"),
        ("PerformedProcedureStepEnd", _day_after(day), "000355"),
    ):
        draft.plant(ds, f"{pair}Date", date, Leak.DATE)
        setattr(ds, f"{pair}Time", time)
        draft.moments.append(f"{pair}Date")
    draft.plant(ds, "AcquisitionDateTime", f"{day}235940.5", Leak.DATE)
    draft.moments.append("AcquisitionDateTime")


def frames_across_midnight(draft: Draft) -> None:
    """A perfusion's frames, half of them on the next day."""
    ds, day = axial_ct(draft, ENHANCED_CT), draft.person.study_date
    moments = (f"{day}235957.5", f"{day}235959.25", f"{_day_after(day)}000001", f"{_day_after(day)}000002.75")
    ds.NumberOfFrames, ds.PixelData = len(moments), ds.PixelData * len(moments)
    ds.PerFrameFunctionalGroupsSequence = [_frame(draft, moment) for moment in moments]
    draft.plant(ds, "AcquisitionDateTime", moments[0], Leak.DATE)
    frames = (f"PerFrameFunctionalGroupsSequence[{n}].FrameContentSequence[0]" for n in range(len(moments)))
    draft.moments += [*(f"{frame}.FrameAcquisitionDateTime" for frame in frames), "AcquisitionDateTime"]


def _frame(draft: Draft, moment: str) -> Dataset:
    frame, content = Dataset(), Dataset()
    draft.plant(content, "FrameAcquisitionDateTime", moment, Leak.DATE)
    frame.FrameContentSequence = [content]
    return frame


def dose_across_midnight(draft: Draft) -> None:
    """A night's irradiation: when it began and ended, as content items, and when the report was written."""
    ds, day = document(draft, DOSE_SR), draft.person.study_date
    ds.ContentSequence = [
        dated(draft, "113809", "Start of X-Ray Irradiation", f"{day}235830"),
        dated(draft, "113810", "End of X-Ray Irradiation", f"{_day_after(day)}000112"),
    ]
    draft.plant(ds, "ContentDate", _day_after(day), Leak.DATE)
    ds.ContentTime = "000359"
    draft.moments += ["ContentSequence[0].DateTime", "ContentSequence[1].DateTime", "ContentDate"]


def beam_across_midnight(draft: Draft) -> None:
    """A record of treatment: when a beam was at each of its control points, two sequences down."""
    ds, day = begin(draft, BEAMS_RECORD, "RTRECORD"), draft.person.study_date
    points = ((day, "235930"), (day, "235958"), (_day_after(day), "000026"))
    delivery, beam = [_control_point(draft, n, *point) for n, point in enumerate(points)], Dataset()
    beam.BeamNumber, beam.NumberOfControlPoints, beam.ControlPointDeliverySequence = 1, len(points), delivery
    ds.TreatmentSessionBeamSequence = [beam]
    draft.plant(ds, "TreatmentDate", day, Leak.DATE)
    ds.TreatmentTime = "235915"
    path = "TreatmentSessionBeamSequence[0].ControlPointDeliverySequence[{}].{}"
    draft.moments += [path.format(n, "TreatmentControlPointDate") for n in range(len(points))]
    draft.moments.append("TreatmentDate")
    draft.keep(path.format(2, "DeliveredMeterset"))


def _control_point(draft: Draft, n: int, day: str, time: str) -> Dataset:
    point = Dataset()
    draft.plant(point, "TreatmentControlPointDate", day, Leak.DATE)
    point.TreatmentControlPointTime, point.ReferencedControlPointIndex = time, n
    point.SpecifiedMeterset = point.DeliveredMeterset = str(30 * n)
    return point


def _day_after(day: str) -> str:
    return f"{datetime.strptime(day, '%Y%m%d') + timedelta(days=1):%Y%m%d}"  # noqa: DTZ007 - a DA

"""Themes of numbers: an ID that is nobody's, one that is named twice, and one's own number, day or age written as another."""

import struct

from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.documents import document, item, number
from aegle.bench.draft import Draft
from aegle.bench.objects import COMPREHENSIVE_SR, axial_ct, code
from aegle.bench.people import draw_person

#: What is written, or typed, where there is no Patient ID; two strangers each.
PLACEHOLDERS = ("UNKNOWN", "0000", "N/A")


def nobodys_id(draft: Draft) -> None:
    """A patient whose ID is a placeholder, as another one's is: no tool may make one patient of the two."""
    ds = axial_ct(draft)
    draft.forget(ds, "PatientID")
    ds.PatientID, draft.has_id = PLACEHOLDERS[draft.number % len(PLACEHOLDERS)], False


def own_id_below(draft: Draft) -> None:
    """A patient who is named again in an item, and another one beside: whoever was one stays one."""
    ds, who, sibling = axial_ct(draft), draft.person, draw_person(draft.rng)
    draft.plant(ds, "IssuerOfPatientID", f"Register of {who.town}", Leak.PLACE)
    own, other = Dataset(), Dataset()
    for member, patient_id in ((own, who.patient_id), (other, sibling.patient_id)):
        draft.plant(member, "PatientID", patient_id, Leak.NUMBER)
    ds.GroupOfPatientsIdentificationSequence = [own, other]
    draft.links += ["PatientID", *(f"GroupOfPatientsIdentificationSequence[{n}].PatientID" for n in (0, 1))]


def number_without_its_marks(draft: Draft) -> None:
    """Numbers with zeros before them and marks within, and once more where counts, lengths and binary values belong."""
    ds, rng = axial_ct(draft), draft.rng
    digits, insured = f"{rng.randrange(10**8, 10**9)}", f"{rng.randrange(10**9, 10**10)}"
    draft.plant(ds, "PatientID", f"00{digits}", Leak.NUMBER)
    draft.plant(ds, "MedicalRecordLocator", f"{insured[:3]} {insured[3:6]}-{insured[6:]}", Leak.NUMBER)
    ds.AcquisitionNumber, ds.SpacingBetweenSlices, ds.WaterEquivalentDiameter = digits, insured, float(insured)
    ds.WindowCenter, ds.WindowWidth = ["40", f"{digits}.0", "-600"], ["400", "80", "1500"]
    draft.note(Leak.KEPT, "AcquisitionNumber, WindowCenter", digits)
    draft.note(Leak.KEPT, "SpacingBetweenSlices", insured)
    draft.note_bytes(Leak.KEPT, "WaterEquivalentDiameter", insured, struct.pack("<d", float(insured)))
    draft.keep("WindowCenter[0]", "WindowCenter[2]", "WindowWidth")


def day_as_a_number(draft: Draft) -> None:
    """Series and acquisitions that are numbered by their day: what a tool moved as a date still stands there."""
    ds, day = axial_ct(draft), draft.person.study_date
    for keyword in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"):
        draft.forget(ds, keyword)
        draft.note_at(Leak.DATE, keyword, day)
    for keyword in ("SeriesNumber", "AcquisitionNumber", "TemporalPositionIndex"):
        setattr(ds, keyword, int(day))
        draft.note_at(Leak.KEPT, keyword, day)


def subject_under_other_codes(draft: Draft) -> None:
    """A report that tells its subject's birth date and age under a terminology's codes, and under somebody's own.

    How old a bone looks is a finding, and stays.
    """
    ds, who = document(draft, COMPREHENSIVE_SR), draft.person
    years, month = draft.rng.randrange(91, 100), code("mo", "UCUM", "month")
    ds.ContentSequence = [
        item("DATE", code("184099003", "SCT", "Date of birth")),
        item("DATETIME", code("E-1", "99SITE", "Event")),
        number(code("397669002", "SCT", "Age"), str(years), code("a", "UCUM", "year")),
        number(code("A-1", "99SITE", "Age at examination"), str(12 * years), month),
        number(code("A-2", "99SITE", "Bone age"), "132", month),
        number(code("410668003", "SCT", "Length"), f"{draft.number}.75", code("mm", "UCUM", "mm")),
    ]
    draft.plant(ds.ContentSequence[0], "Date", who.birth_date, Leak.DATE)
    draft.plant(ds.ContentSequence[1], "DateTime", f"{who.birth_date}031500", Leak.DATE)
    for n, age in ((2, years), (3, 12 * years)):
        draft.note_at(Leak.TEXT, f"ContentSequence[{n}].MeasuredValueSequence[0].NumericValue", str(age))
    for n in (0, 2, 5):
        draft.keep(f"ContentSequence[{n}].ConceptNameCodeSequence[0].CodeValue")
    for n in (4, 5):
        draft.keep(f"ContentSequence[{n}].MeasuredValueSequence[0].NumericValue")

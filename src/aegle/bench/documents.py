"""Themes of documents: reports, dose, key objects, presentation states, PDF, raw data."""

import zlib

from pydicom.dataset import Dataset
from pydicom.uid import UID

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft, parts
from aegle.bench.objects import (
    COMPREHENSIVE_SR,
    CT,
    DOSE_SR,
    ENCAPSULATED_PDF,
    KEY_OBJECTS,
    PRESENTATION_STATE,
    RAW,
    begin,
    code,
)

_CONTENT = "ContentSequence"


def report(draft: Draft) -> None:
    """A TID 1500 style report: observers, dates, free text, numbers that must survive, references."""
    ds = document(draft, COMPREHENSIVE_SR)
    who = draft.person
    evidence = draft.uid("evidence")
    ds.ContentSequence = [
        _pname(draft, "121008", "Person Observer Name", who.physician),
        _text(draft, "121106", "Comment", f"{who.family} was seen by {who.operator.split('^')[0]}"),
        dated(draft, "111526", "DateTime Started", f"{who.study_date}101500"),
        _uidref(draft, "121012", "Device Observer UID"),
        number(_concept("410668003", "Length"), f"{draft.number}.5", code("mm", "UCUM", "mm")),
        _finding(),
        _image(draft, evidence),
    ]
    for n in (4, 5):
        draft.keep(f"{_CONTENT}[{n}].ConceptNameCodeSequence[0].CodeValue", f"{_CONTENT}[{n}].ValueType")
    draft.keep(
        f"{_CONTENT}[4].MeasuredValueSequence[0].NumericValue", f"{_CONTENT}[5].ConceptCodeSequence[0].CodeMeaning"
    )
    draft.keep(f"{_CONTENT}[4].MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue")
    draft.note(Leak.TEXT, "TextValue", who.family)


def dose(draft: Draft) -> None:
    """A radiation dose report: numbers kept, device and people gone."""
    ds, who = document(draft, DOSE_SR), draft.person
    ds.ContentSequence = [
        _uidref(draft, "113769", "Irradiation Event UID"),
        _text(draft, "113878", "Device Observer Serial Number", who.serial),
        number(_concept("113838", "CT Dose Length Product Total"), f"{draft.number}.25", code("mm", "UCUM", "mm")),
        _pname(draft, "113870", "Person Name", who.operator),
    ]
    draft.keep(
        f"{_CONTENT}[2].MeasuredValueSequence[0].NumericValue", f"{_CONTENT}[2].ConceptNameCodeSequence[0].CodeMeaning"
    )


def verified(draft: Draft) -> None:
    """A verified report: the verifying observer's name, organization and time."""
    report(draft)
    ds, who = draft.dataset, draft.person
    observer = Dataset()
    draft.plant(observer, "VerifyingObserverName", who.physician, Leak.STAFF)
    draft.plant(observer, "VerifyingOrganization", who.hospital, Leak.PLACE)
    draft.plant(observer, "VerificationDateTime", f"{who.study_date}110000", Leak.DATE)
    observer.VerifyingObserverIdentificationCodeSequence = [code(who.serial, "99STAFF", who.physician.split("^")[0])]
    ds.VerifyingObserverSequence, ds.VerificationFlag = [observer], "VERIFIED"
    draft.note(Leak.STAFF, "VerifyingObserverIdentificationCodeSequence", who.serial)


def document(draft: Draft, sop_class: UID) -> Dataset:
    """A report without content."""
    ds = begin(draft, sop_class, "SR")
    ds.CompletionFlag, ds.VerificationFlag, ds.ValueType, ds.ContinuityOfContent = (
        "COMPLETE",
        "UNVERIFIED",
        "CONTAINER",
        "SEPARATE",
    )
    ds.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    ds.PerformedProcedureCodeSequence, ds.ReferencedPerformedProcedureStepSequence = [], []
    ds.Manufacturer, ds.ManufacturerModelName = "SIEMENS", "syngo.via"
    return ds


def item(value_type: str, concept: Dataset) -> Dataset:
    """A content item without its value."""
    made = Dataset()
    made.RelationshipType, made.ValueType, made.ConceptNameCodeSequence = "CONTAINS", value_type, [concept]
    return made


def number(concept: Dataset, value: str, units: Dataset) -> Dataset:
    """A NUM content item."""
    made, measured = item("NUM", concept), Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [units]
    made.MeasuredValueSequence = [measured]
    return made


def _item(value_type: str, value: str, meaning: str) -> Dataset:
    return item(value_type, _concept(value, meaning))


def _concept(value: str, meaning: str) -> Dataset:
    return code(value, "SCT" if len(value) > 6 else "DCM", meaning)


def _pname(draft: Draft, value: str, meaning: str, name: str) -> Dataset:
    item = _item("PNAME", value, meaning)
    draft.plant(item, "PersonName", name, Leak.STAFF)
    return item


def _text(draft: Draft, value: str, meaning: str, text: str) -> Dataset:
    item = _item("TEXT", value, meaning)
    draft.plant(item, "TextValue", text, Leak.TEXT)
    return item


def dated(draft: Draft, value: str, meaning: str, when: str) -> Dataset:
    """A DATETIME content item."""
    item = _item("DATETIME", value, meaning)
    draft.plant(item, "DateTime", when, Leak.DATE)
    return item


def _uidref(draft: Draft, value: str, meaning: str) -> Dataset:
    item = _item("UIDREF", value, meaning)
    draft.plant(item, "UID", draft.uid(meaning), Leak.UID)
    return item


def _finding() -> Dataset:
    item = _item("CODE", "121071", "Finding")
    item.ConceptCodeSequence = [code("52988006", "SCT", "Lesion")]
    return item


def _image(draft: Draft, uid: str) -> Dataset:
    item, reference = _item("IMAGE", "121191", "Referenced Segment"), Dataset()
    reference.ReferencedSOPClassUID = CT
    draft.plant(reference, "ReferencedSOPInstanceUID", uid, Leak.UID)
    item.ReferencedSOPSequence = [reference]
    return item


def key_objects(draft: Draft) -> None:
    """Key images with a note on why."""
    ds = document(draft, KEY_OBJECTS)
    ds.Modality = "KO"
    ds.ContentSequence = [
        _text(draft, "113012", "Key Object Description", f"show {draft.person.family} to the board"),
        _image(draft, draft.uid("key")),
    ]
    draft.clean = False


def presentation(draft: Draft) -> None:
    """A presentation state whose graphic text names the patient."""
    ds, who = begin(draft, PRESENTATION_STATE, "PR"), draft.person
    text, layer = Dataset(), Dataset()
    draft.plant(text, "UnformattedTextValue", f"{who.family} left", Leak.TEXT)
    text.BoundingBoxAnnotationUnits, text.BoundingBoxTopLeftHandCorner = "PIXEL", [1.0, 1.0]
    layer.TextObjectSequence, layer.GraphicLayer = [text], "ONE"
    ds.GraphicAnnotationSequence = [layer]
    draft.plant(ds, "ContentCreatorName", who.operator, Leak.STAFF)
    draft.plant(ds, "ContentDescription", f"for {who.physician.split('^')[0]}", Leak.TEXT)
    draft.clean = False


def pdf(draft: Draft) -> None:
    """A letter as PDF: its text in the clear, and once more compressed."""
    ds, who = begin(draft, ENCAPSULATED_PDF, "DOC"), draft.person
    squeezed = zlib.compress(f"(Dear {who.name}, {who.patient_id}) Tj".encode("latin-1", "replace"), 9)
    ds.EncapsulatedDocument = (
        b"%PDF-1.4 /Title (" + who.name.encode("latin-1", "replace") + b")\nstream\n" + squeezed + b"\nendstream"
    )
    draft.plant(ds, "DocumentTitle", f"Letter on {who.family}", Leak.DOCUMENT)
    ds.MIMETypeOfEncapsulatedDocument, ds.BurnedInAnnotation = "application/pdf", "YES"
    draft.note(Leak.DOCUMENT, "EncapsulatedDocument", *parts(who.name))
    draft.note_bytes(Leak.DOCUMENT, "EncapsulatedDocument, compressed", who.name, squeezed)
    draft.clean = False


def raw_data(draft: Draft) -> None:
    """A vendor's raw data: nobody knows what is in it."""
    ds, who = begin(draft, RAW, "CT"), draft.person
    ds.CreatorVersionUID = "1.2.826.0.1.3680043.10.9.1"
    block = ds.private_block(0x7FE1, "ACME RAW", create=True)
    block.add_new(0x10, "OB", f"{who.name}\0{who.patient_id}".encode("latin-1", "replace"))
    draft.note(Leak.PRIVATE, "raw data", *parts(who.name), who.patient_id)
    draft.clean = False

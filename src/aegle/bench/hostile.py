"""Themes that tools fail in silently: values that are wrong afterwards, and identity where no viewer looks."""

import numpy as np
from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft, parts
from aegle.bench.objects import COMPREHENSIVE_SR, ECG, MR, axial_ct, begin, burn, code, picture, put_pixels
from aegle.bench.people import draw_person


def text_in_spare_bits(draft: Draft) -> None:
    """Name and number in the four bits that no viewer shows, and no overlay group that would tell."""
    ds, who = axial_ct(draft), draft.person
    text = np.frombuffer(f"{who.name} {who.patient_id}".encode("latin-1"), np.uint8)
    nibbles = np.stack([text >> 4, text & 15], axis=1).reshape(-1).astype("<u2")
    samples = np.frombuffer(ds.PixelData, "<u2").copy()
    samples[: len(nibbles)] |= nibbles << 12
    ds.PixelData = samples.tobytes()
    draft.note_bytes(Leak.PIXELS, "the pixel's spare bits", who.family, samples[: len(nibbles)].tobytes())
    draft.clean, draft.frames_kept = False, False


def patient_protocol(draft: Draft) -> None:
    """A scanner's protocol page in the scanner's own class, with no flag: only its Image Type tells."""
    ds, who = axial_ct(draft), draft.person
    ds.ImageType, draft.clean = ["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"], False
    put_pixels(draft, burn(draft, picture(draft), who.family, who.patient_id))


def identity_in_one_part(draft: Draft) -> None:
    """The patient's number as one of several values; the others say what the picture is."""
    ds, who = axial_ct(draft), draft.person
    ds.ScanOptions = ["HELICAL MODE", who.patient_id, "FS"]
    draft.note(Leak.KEPT, "ScanOptions", who.patient_id)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", who.patient_id]
    draft.note(Leak.KEPT, "ImageType", who.patient_id)
    draft.kept.remove("ImageType")  # as a whole
    draft.keep("ImageType[0]", "ImageType[2]", "ScanOptions[0]", "ScanOptions[2]")


def electrocardiogram(draft: Draft) -> None:
    """An ECG that somebody annotated."""
    ds, who = begin(draft, ECG, "ECG"), draft.person
    lead, group, note = Dataset(), Dataset(), Dataset()
    lead.ChannelSourceSequence, lead.ChannelSensitivity = [code("2:1", "MDC", "Lead I")], "1.25"
    draft.plant(lead, "ChannelLabel", who.operator.split("^")[0][:16], Leak.STAFF)
    group.WaveformOriginality, group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = "ORIGINAL", 1, 500
    group.SamplingFrequency, group.WaveformBitsAllocated, group.WaveformSampleInterpretation = "500", 16, "SS"
    group.ChannelDefinitionSequence = [lead]
    beats = 900 * np.sin(np.arange(500) / 9) ** 31
    group.add_new(0x54001010, "OW", beats.astype("<i2").tobytes())
    draft.plant(note, "UnformattedTextValue", f"{who.family}: sinus rhythm", Leak.TEXT)
    draft.note(Leak.TEXT, "UnformattedTextValue", *parts(who.name)[:1])
    note.AnnotationGroupNumber, note.ReferencedWaveformChannels = 0, [1, 0]
    ds.WaveformSequence, ds.WaveformAnnotationSequence = [group], [note]
    draft.keep("WaveformSequence[0].SamplingFrequency", "WaveformSequence[0].WaveformData")


def subject_in_content(draft: Draft) -> None:
    """A report that says when its subject was born, as a date among its content, and where else its UIDs stand."""
    ds, who = begin(draft, COMPREHENSIVE_SR, "SR"), draft.person
    ds.CompletionFlag, ds.VerificationFlag, ds.ValueType, ds.ContinuityOfContent = (
        "COMPLETE", "UNVERIFIED", "CONTAINER", "SEPARATE",
    )  # fmt: skip
    ds.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    ds.PerformedProcedureCodeSequence, ds.ReferencedPerformedProcedureStepSequence = [], []
    born, lesion, length = Dataset(), Dataset(), Dataset()
    for item, kind, concept in (
        (born, "DATE", code("121031", "DCM", "Subject Birth Date")),
        (lesion, "TEXT", code("112039", "DCM", "Tracking Identifier")),
        (length, "NUM", code("410668003", "SCT", "Length")),
    ):
        item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", kind, [concept]
    draft.plant(born, "Date", who.birth_date, Leak.DATE)
    draft.plant(lesion, "TextValue", f"{who.family} lesion 1, {ds.SOPInstanceUID}", Leak.TEXT)
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = f"{draft.number}.75", [code("mm", "UCUM", "mm")]
    length.MeasuredValueSequence = [measured]
    ds.ContentSequence = [born, lesion, length]
    draft.keep("ContentSequence[0].ConceptNameCodeSequence[0].CodeValue")
    draft.keep("ContentSequence[2].MeasuredValueSequence[0].NumericValue")


def numbers_like_versions(draft: Draft) -> None:
    """A stranger's telephone and day of birth where versions stand, in the form of versions, beside the maker's own."""
    ds, stranger = axial_ct(draft), draw_person(draft.rng)
    born = stranger.birth_date
    day, pairs = f"{born[6:]}.{born[4:6]}.{born[2:4]}", f"{draft.rng.randrange(10**10):010d}"
    phone = ".".join(pairs[at : at + 2] for at in range(0, 10, 2))
    ds.SoftwareVersions = ["syngo CT VA48A", day, phone, "VB20A"]
    ds.SecondaryCaptureDeviceSoftwareVersions = f"{stranger.given} 4.1.6"
    draft.note(Leak.KEPT, "SoftwareVersions", day, phone)
    draft.note(Leak.KEPT, "SecondaryCaptureDeviceSoftwareVersions", stranger.given)
    draft.keep("SoftwareVersions[0]", "SoftwareVersions[3]")


def makers_words(draft: Draft) -> None:
    """Nobody's words but makers', of devices that are not on every desk: a person should not have to be asked."""
    ds = axial_ct(draft, MR, "MR")
    maker, model, version, coil, sequence = draft.rng.choice(_DEVICES)
    ds.ImageType, ds.Manufacturer, ds.ManufacturerModelName = ["ORIGINAL", "PRIMARY", "M"], maker, model
    ds.SoftwareVersions, ds.ReceiveCoilName, ds.SequenceName = version, coil, sequence
    ds.ScanningSequence, ds.SequenceVariant, ds.ImagedNucleus = "SE", "SK", "1H"
    ds.AnatomicRegionSequence = [code("T-A0100", "SRT", "Brain")]
    draft.keep("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ReceiveCoilName", "SequenceName")
    draft.keep("AnatomicRegionSequence[0].CodeValue")


_DEVICES = (
    ("CANON_MEC", "Orian", "V6.0SP1007*EN", "16ch Head SPEEDER", "FASE3D"),
    ("UIH", "uMR 790", "R001", "Head Coil - 32", "fse_mx_3d"),
    ("Siemens Healthineers", "MAGNETOM Sola", "syngo MR XA31", "HeadNeck_20_TCS", "*swi3d1r"),
    ("GE MEDICAL SYSTEMS", "SIGNA Premier", "MR Software release:RX27.2_R01_1925.a", "48CH Head", "efgre3d"),
    ("Hitachi Medical Corporation", "AIRIS Vento", "V6.0A", "Knee coil", "RSSG"),
)

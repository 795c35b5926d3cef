"""Themes that tools fail in silently: values that are wrong afterwards, and identity where no viewer looks."""

import numpy as np
from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft, parts
from aegle.bench.objects import ECG, PET, axial_ct, begin, burn, code, picture, put_pixels


def uptake_over_midnight(draft: Draft) -> None:
    """A tracer given late in the evening, a picture after midnight: the minutes between are in every uptake value."""
    ds, day = axial_ct(draft, PET, "PT"), draft.person.study_date
    ds.ImageType, ds.Units, ds.DecayCorrection = ["ORIGINAL", "PRIMARY"], "BQML", "START"
    given = Dataset()
    draft.plant(given, "RadiopharmaceuticalStartDateTime", f"{day}235230.5", Leak.DATE)
    given.RadionuclideHalfLife, given.RadionuclideTotalDose = "6586.2", "312000000"
    ds.RadiopharmaceuticalInformationSequence = [given]
    draft.plant(
        ds, "AcquisitionDate", str(np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}") + 1).replace("-", ""), Leak.DATE
    )
    ds.AcquisitionTime = "001517.250000"
    draft.keep("Units", "RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife")


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

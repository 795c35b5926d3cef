"""Which kinds of object get through, and what of them."""

import pytest
from pydicom import Dataset

from aegle.deid import HoldReason, Values, default_profile, deidentify
from aegle.deid.classes import CLASSES
from aegle.deid.outcome import TextRisk

ROOT = "1.2.840.10008.5.1.4.1.1."
CT = ROOT + "2"
SAMPLES = bytes(range(200))


def by_a_scanner(still, image_type, description="", **values):
    ds = still(SOPClassUID=CT, Modality="CT", ImageType=image_type, SeriesDescription=description, **values)
    ds.SpecificCharacterSet, ds.ImagePositionPatient = "ISO_IR 192", [0, 0, 0]
    del ds.BurnedInAnnotation
    return ds


@pytest.mark.parametrize(
    ("image_type", "description"),
    [
        (["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"], ""),
        (["DERIVED", "SECONDARY", "OTHER", "CSA REPORT"], ""),
        (["DERIVED", "SECONDARY", "SCREENSAVE"], ""),
        (["ORIGINAL", "PRIMARY", "DOSE_INFO"], ""),
        (["DERIVED", "SECONDARY", "OTHER"], "Patient Protocol"),
        (["DERIVED", "SECONDARY"], "Dose Report"),
        (["ORIGINAL", "SECONDARY"], "Dose Report"),
        (["DERIVED", "SECONDARY", "MULTI_FORMAT_RASTER"], ""),
        (["DERIVED", "SECONDARY", "OTHER", "CSA RESULT"], ""),
        (["DERIVED", "SECONDARY", "OTHER", "PERFUSION_REPORT"], ""),
    ],
)
def test_a_saved_screen_in_the_scanners_own_class_is_held(image_type, description, still, run):
    assert run(by_a_scanner(still, image_type, description)).held.reason is HoldReason.BURNED_IN_RISK


@pytest.mark.parametrize("image_type", [["DERIVED", "SECONDARY"], ["ORIGINAL", "SECONDARY", "AXIAL"]])
def test_a_secondary_slice_that_lies_nowhere_in_the_patient_is_a_saved_screen(image_type, still, run):
    ds = by_a_scanner(still, image_type, "CaScore")
    assert run(ds).done.text_risk is TextRisk.VOUCHED
    assert run(ds).dataset.PatientIdentityRemoved == "NO"
    ds.ImagePositionPatient = None
    assert run(ds).held.reason is HoldReason.BURNED_IN_RISK


@pytest.mark.parametrize(
    ("conversion", "is_held"),
    [
        ("DI", False),
        ("SYN", False),
        ("DV", True),
        ("DF", True),
        ("WSD", True),
        ("SD", True),
        ("SI", True),
        ("DRW", True),
    ],
)
def test_a_digital_interface_and_a_computed_picture_are_no_screens_and_are_looked_at(conversion, is_held, still, run):
    ds = still(SOPClassUID=ROOT + "1", Modality="CR", ConversionType=conversion)
    del ds.BurnedInAnnotation
    outcome = run(ds)
    if is_held:
        assert outcome.held.reason is HoldReason.BURNED_IN_RISK
    else:
        assert outcome.done.text_risk is TextRisk.UNVOUCHED and not outcome.done.pixels_certified


@pytest.mark.parametrize(
    ("values", "is_held"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "MACRO", "NONE"]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"], "SpecimenLabelInImage": "NO"}, False),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "BARCODE", "NONE"], "SpecimenLabelInImage": "NO"}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}, False),
    ],
)
def test_a_slides_picture_of_the_whole_glass_has_its_label_unless_it_says_not(values, is_held, still, run):
    outcome = run(still(SOPClassUID=ROOT + "77.1.6", Modality="SM", **values))
    assert outcome.held.reason is HoldReason.LABEL_IMAGE if is_held else outcome.check() is None


@pytest.mark.parametrize(
    ("image_type", "description"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"], "Topogram 0.6 T20f"),
        (["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], "Patient protocol thorax"),
        (["DERIVED", "SECONDARY", "MPR"], "MPR cor 3.0"),
        (["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"], "Thorax report series"),
        (["DERIVED", "PRIMARY", "SCREENING"], ""),
    ],
)
def test_topograms_reformats_and_protocols_that_are_words_are_admitted(image_type, description, still, run):
    assert run(by_a_scanner(still, image_type, description)).check() is None


def without_pixels(ds: Dataset) -> Dataset:
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    return ds


def with_waveform(ds: Dataset) -> Dataset:
    group, lead = Dataset(), Dataset()
    lead.ChannelLabel, lead.ChannelSensitivity = "Quillfeather I", "1.25"
    group.SamplingFrequency, group.WaveformSampleInterpretation, group.WaveformBitsAllocated = "500", "SS", 16
    group.ChannelDefinitionSequence = [lead]
    group.add_new(0x54001010, "OW", SAMPLES)
    note = Dataset()
    note.UnformattedTextValue = "Quillfeather, sinus rhythm"
    ds.WaveformSequence, ds.WaveformAnnotationSequence = [group], [note]
    return ds


def test_an_ecg_keeps_its_samples_and_loses_what_somebody_wrote_on_it(still, run):
    outcome = run(with_waveform(without_pixels(still(SOPClassUID=ROOT + "9.1.1", Modality="ECG"))))
    (group,) = outcome.dataset.WaveformSequence
    assert group.WaveformData == SAMPLES and group.SamplingFrequency == 500
    assert group.ChannelDefinitionSequence[0].ChannelSensitivity == 1.25
    assert b"Quillfeather" not in outcome.bytes
    assert outcome.check() is None


def test_a_dictation_is_held_and_samples_in_a_picture_go(still, run):
    voice = with_waveform(without_pixels(still(SOPClassUID=ROOT + "9.4.1", Modality="AU")))
    assert run(voice).held.reason is HoldReason.UNKNOWN_SOP_CLASS
    outcome = run(with_waveform(still()))
    assert "WaveformData" not in outcome.dataset.WaveformSequence[0]
    assert outcome.check() is None


def test_a_presentation_state_keeps_its_window_and_loses_what_is_drawn(still, run):
    ds, drawn, text, layer = (without_pixels(still(SOPClassUID=ROOT + "11.1"))), Dataset(), Dataset(), Dataset()
    text.UnformattedTextValue = "Quillfeather 14 mm"
    drawn.TextObjectSequence = [text]
    layer.GraphicLayer, layer.GraphicLayerOrder, layer.GraphicLayerDescription = "LAYER1", 1, "for Grimthorpe"
    window = Dataset()
    window.WindowCenter, window.WindowWidth = "40", "400"
    ds.GraphicAnnotationSequence, ds.GraphicLayerSequence, ds.SoftcopyVOILUTSequence = [drawn], [layer], [window]
    ds.ContentLabel, ds.ContentDescription = "MARKED", "for Grimthorpe"
    outcome = run(ds)
    assert outcome.dataset.SoftcopyVOILUTSequence[0].WindowWidth == 400
    assert outcome.dataset.ContentDescription == "" and outcome.dataset.ContentLabel == "MARKED"
    assert b"Quillfeather" not in outcome.bytes and b"Grimthorpe" not in outcome.bytes
    assert outcome.check() is None


def test_a_tracked_segment_keeps_a_token_beside_its_tracking_uid(still, run):
    segment = Dataset()
    segment.TrackingID, segment.TrackingUID, segment.SegmentLabel = "Quillfeather-1", "1.2.3.4.5", "Liver"
    outcome = run(still(SegmentSequence=[segment]))
    (written,) = outcome.dataset.SegmentSequence
    assert len(written.TrackingID) == 14 and written.TrackingUID.startswith("2.25.")
    assert outcome.check() is None


def test_waveforms_and_states_are_on_the_list_and_sounds_and_raw_data_are_not():
    listed = {uid.removeprefix(ROOT) for uid in CLASSES}
    assert {"9.1.1", "9.2.1", "11.1", "481.4", "91.1", "88.72"} <= listed
    assert not {"9.4.1", "9.4.2", "66", "104.1", "104.2", "104.3"} & listed


def test_an_identifier_in_one_part_of_a_value_costs_that_part_alone(still, run):
    outcome = run(
        still(
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "MRN-4711-0815"],
            SoftwareVersions=["VA48A", "for Quillfeather", "VB10"],
            Manufacturer="Quillfeather",
        )
    )
    ds = outcome.dataset
    assert list(ds.ImageType)[:3] == ["ORIGINAL", "PRIMARY", "AXIAL"] and b"4711" not in outcome.bytes
    assert list(ds.SoftwareVersions) == ["VA48A", "", "VB10"] and ds.Manufacturer == "ANONYMIZED"
    assert outcome.check() is None


def test_the_parts_beside_an_identifier_wait_for_a_decision_as_ever(still, tmp_path, pseudonyms, written):
    source = tmp_path / "in.dcm"
    source.write_bytes(written(still(SoftwareVersions=["Ottokar's own", "for Quillfeather"])))
    outcome = deidentify(source, tmp_path / "out.dcm", default_profile(), pseudonyms, Values())
    assert outcome.reason is HoldReason.FIRST_SEEN_VALUE
    assert {word.value for word in outcome.first_seen if word.keyword == "SoftwareVersions"} == {"Ottokar's own"}


@pytest.mark.parametrize("stray", [b"\0\0\0\0Quillfeather", b"\x08\0\x05\0CSQuillfeather", b"\0" * 512, b"\r\n"])
def test_stray_bytes_behind_the_data_set_are_dropped_whatever_they_look_like(stray, still, run, written):
    outcome = run(written(still()) + stray)
    assert b"Quill" not in outcome.bytes and outcome.check() is None


@pytest.mark.parametrize(("suffix", "stays"), [("9.1.2", True), ("9.7.1", True), ("66.1", False)])
def test_what_stands_for_no_sample_stays_in_waveforms_alone_and_is_no_text(suffix, stays, still, run):
    ds = still(SOPClassUID=ROOT + suffix)
    for keyword in ("PixelData", "ImageType"):
        del ds[keyword]
    ds.WaveformSequence = [Dataset(), Dataset()]
    for group, padding in zip(ds.WaveformSequence, (b"\0\x80", b"Ottokar "), strict=True):
        group.add_new(0x5400100A, "OW", padding)
    outcome = run(ds)
    assert [group.get("WaveformPaddingValue") or b"" for group in outcome.dataset.WaveformSequence] == [
        b"\0\x80" if stays else b"",
        b"",
    ]
    assert outcome.check() is None


@pytest.mark.parametrize("suffix", ["66.7", "77.1.7"])
def test_a_kind_that_the_library_does_not_know_keeps_its_class(suffix, still, run):
    outcome = run(still(SOPClassUID=ROOT + suffix))
    assert outcome.dataset.SOPClassUID == ROOT + suffix
    assert outcome.check() is None


def test_float_pixels_are_held(still, run):
    assert run(still(SOPClassUID=ROOT + "30")).held.reason is HoldReason.UNKNOWN_SOP_CLASS

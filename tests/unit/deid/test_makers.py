"""Words that a maker's scheme makes need no decision; numbers that may be somebody's do."""

import pytest

from aegle.deid.values import Decision, Values

VERSIONS = """
    4.1.6; 5.00.02; 8.1.17.2; 11.5.2.54532; V1.20; R6.1.2; NX_8.9.1; VenueGo:302.74.1; PMS5.1 Ultrasound iE33_4.0.1.357
    VB20A; VA20A_SP5; VB60A_HF04; syngo CT VA48A; syngo CT 2012B; syngo CT 2011A; syngo MR E11; syngo MR XA31; PET CT VG30A
    VC14J 131220; V7.0ER003; V3.51*P25; V2.31*R519*P32; pet_coreload.44; gmp_hde.63; revo_ct_22bc.50; 07MW18.4
    MR Software release:DV26.0_R05_2008.a; MR Software release:15.0_M4A_0947.a; SIGNA_LX1.MR29.1_R02_2231.a
    DV26.0_R03_1831.b; EC1.2; VA20B_P00V; uCT R004; NeuViz128.V1.0.6; 5.1.2SP1; v2.1.3-beta; 19.1 (64-bit); EPIQ_9.0.3
    AWS:MAMMODROC_3_4_3_1; AWS:2.2.0.9; PXCM:1.4.0.7; 1.8.3.63:PXCM-1.4.0.7:ARR-1.7.3.10:IP-4.1.4.4; A07-02; A.07.04.15
    ParaVision 5.1
"""
KNOWN = {
    "SoftwareVersions": VERSIONS,
    "ConvolutionKernel": "B30f; Br40d; Qr40; Hr60; I31f; FC08-H; XYZ Gauss2.00",
    "SequenceName": "*tfl3d1_16ns; *fl3d1_ns; *tse2d1_16; ep_b1000#3; *ep_b0; *spc_278ns; *epfid2d1_64; *tir2d1rr15",
    "TransducerData": "C5_1; S5-1; ML6-15-D; SC5-1U; C9_4v",
    "ReceiveCoilName": "BO1-3; HE1,3; H1P; 48HAP; C:HEA",
    "BeamName": "Arc1; Field 12; 3a; G180 T90; CW; CBCT Setup",
    "FiducialIdentifier": "AC; 1; fid 3",
    "FractionPattern": "1111100; 11111001111100",
    "FrameLabel": "b0; b1000; b = 800 s/mm2; TE 30 ms; DAPI",
    "WedgeID": "W15R30; EDW30IN; W60",
    "SnoutID": "Snout10; S18",
    "RangeShifterID": "RS30; RS 3.8 cm",
    "MaterialID": "BRASS; Cerrobend; LEAD",
    "GridSpacingMaterial": "CARBON FIBER; Aluminum",
    "OpticalPathDescription": "DAPI; FITC; Cy5",
    "FluenceModeID": "FFF; SRS",
    "SegmentLabel": "kidney_right; vertebrae_L1; Lesion 1; Segment_12; Transition zone; Aorta; Gallbladder",
    "ASLTechniqueDescription": "pCASL; Q2TIPS",
    "DimensionDescriptionLabel": "Frame Acquisition DateTime; NominalCardiacTriggerDelayTime; Image Position Patient",
    "CodeMeaning": "English (United States); Jaw region structure; Individual Impression/Recommendation; events",
    "ManufacturerModelName": "EPIQ 7C; MAGNETOM Vida; Aquilion ONE GENESIS; Resona 7; PageWriter TC70; RayStation",
    "StudyDescription": "CHEST CT WITH CONTRAST; MRI BRAIN W/O CONTRAST; Screening Mammogram",
    "SeriesDescription": "AX T2 FLAIR; SAG T1; Localizer",
    "ROIName": "BODY; GTVp; Heart; Lung_L; SpinalCord; Couch Exterior",
    "ContrastBolusAgent": "OMNIPAQUE 350; Gadovist",
    "CodeValue": "T-04000; R-10226; F-10450; C-B1031; 5.6.3-9-1; en-US; {events}; 11996-6",
}


@pytest.mark.parametrize(
    ("keyword", "word"),
    [(keyword, word.strip()) for keyword in KNOWN for word in KNOWN[keyword].replace("\n", ";").split(";")],
)
def test_what_makers_write_needs_no_decision(keyword: str, word: str) -> None:
    assert Values().decision(keyword, word) is Decision.APPROVE


@pytest.mark.parametrize(
    "word",
    [
        *("12.03.1961", "12.03.61", "3.12.61", "61.03.12", "12.1961", "1.2.1961", "V12.03.61", "release 12.03.1961"),
        *("555.0172", "03.91.11.01.10", "756.1234.5678.97", "123.456.789.09", "1234567.1", "4711081"),
        *(
            "Quillfeather",
            "Dr. Weber 1.2",
            "Weber 1.2",
            "VB20A Weber",
            "Ottilie 4.1.6",
            "syngo CT Weber",
            "Weber:1.2.3",
        ),
    ],
)
def test_a_version_that_may_be_somebodys_date_number_or_name_is_asked_about(word: str) -> None:
    assert Values().decision("SoftwareVersions", word) is Decision.PENDING


@pytest.mark.parametrize(
    ("keyword", "word"),
    [
        *(("ConvolutionKernel", word) for word in ("Weber", "B30f Weber", "Jane", "JW1961a", "B4711")),
        *(("SequenceName", word) for word in ("weber2d1", "*fl2d1 Weber", "fl2d4711081")),
        *(("TransducerData", word) for word in ("Weber-5", "Jane12-5", "C5-1 Weber")),
        *(("ReceiveCoilName", word) for word in ("11.52.1.3", "C:Kim;Lee", "Weber1")),
        *(("FrameLabel", word) for word in ("b Weber", "Weber 1", "b 19610704")),
        *(("SegmentLabel", word) for word in ("Weber", "Miller", "Lesion Weber", "Lesion 4711081")),
        *(("FractionPattern", word) for word in ("1961704", "Weber", "110 Weber")),
        *(("WedgeID", word) for word in ("Weber", "W1961", "W15 Weber")),
        *(("MaterialID", word) for word in ("Weber's lead", "Weber")),
        *(("OpticalPathDescription", word) for word in ("Weber", "DAPI for Weber")),
        *(("SoftwareVersions", word) for word in ("19.61 (Weber)", "12.03.61-beta", "1.2.3 build Weber")),
    ],
)
def test_a_scheme_takes_no_name_in_and_holds_for_its_own_attribute_alone(keyword: str, word: str) -> None:
    assert Values().decision(keyword, word) is Decision.PENDING


@pytest.mark.parametrize(
    "text", ["CHEST CT FOR J. DOE 12/03/1961", "AX T2 for Dr. Weber", "HEAD scout", "CT Weber", "MRI head, MRN 881"]
)
def test_a_description_with_anything_else_in_it_is_asked_about(text: str) -> None:
    assert Values().decision("StudyDescription", text) is Decision.PENDING


def test_a_uid_in_a_text_is_denied_unasked_and_one_of_the_standard_is_not() -> None:
    values = Values()
    assert values.decision("ImageComments", "see 1.3.46.670589.11.9.648833641") is Decision.DENY
    assert values.decision("ConvolutionKernel", "1.3.46.670589.11.9.648833641") is Decision.DENY
    assert values.decision("ImageComments", "see 1.2.840.10008.5.1.4.1.1.2") is Decision.PENDING
    assert values.decision("LongCodeValue", "1.3.46.670589.11.9.648833641") is Decision.PENDING
    kept = Values({("ImageComments", "see 1.3.46.670589.11.9.648833641"): Decision.APPROVE})
    assert kept.decision("ImageComments", "see 1.3.46.670589.11.9.648833641") is Decision.APPROVE

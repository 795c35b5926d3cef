"""The text detector: it sees text that nobody told it of, says where and not what, and changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread

from aegle.bench import make_corpus
from aegle.deid import Deidentified, HoldReason, Option, Pseudonyms, deidentify, profile
from aegle.deid.masks import Keep, PixelRule
from aegle.deid.outcome import TextRisk
from aegle.deid.second_look import Looking, SecondLook

RULE = PixelRule(manufacturer="GE Healthcare", model="LOGIQ E9", keep=Keep.REGIONS, by="the test")


@pytest.fixture(scope="module")
def look() -> Iterator[SecondLook]:
    with SecondLook(Looking.RISKY) as made:
        yield made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each theme."""
    folder = tmp_path_factory.mktemp("corpus") / "one"
    return {answer.theme: folder / "source" / answer.name for answer in make_corpus(folder, 1).files}


@pytest.fixture
def treat(tmp_path: Path, corpus: dict[str, Path], pseudonyms: Pseudonyms):
    def run(theme: str) -> tuple[Deidentified, Path]:
        chosen = profile("test", frozenset({Option.STRUCTURED, Option.MODIFIED_DATES}), (RULE,))
        done = deidentify(corpus[theme], tmp_path / "out.dcm", chosen, pseudonyms)
        assert isinstance(done, Deidentified)
        return done, tmp_path / "out.dcm"

    return run


def test_text_in_a_picture_is_held_with_its_place_and_without_its_words(corpus, treat, look):
    done, _ = treat("clean_capture")
    banner = corpus["ultrasound"]  # as if the capture had this picture
    doubt = look.doubt(banner, done)
    assert doubt is not None and doubt.reason is HoldReason.TEXT_SUSPECTED
    assert "pixels at 2,3" in doubt.detail
    assert not any(str(part) in doubt.detail for part in str(dcmread(banner).PatientName).split("^"))


def test_the_frame_of_a_loop_is_named(treat, look, still, written, tmp_path):
    done, _ = treat("clean_capture")
    frames = np.full((10, 96, 320), 20, np.uint8)
    page = Image.fromarray(frames[5])
    ImageDraw.Draw(page).text((20, 40), "Quillfeather 1961", fill=255, font=ImageFont.load_default(size=18))
    frames[5] = np.asarray(page)
    ds = still(
        Rows=96, Columns=320, NumberOfFrames=10, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=frames.tobytes()
    )
    ds["PixelData"].VR = "OB"
    path = tmp_path / "loop.dcm"
    path.write_bytes(written(ds))
    doubt = look.doubt(path, done)
    assert doubt is not None and doubt.detail.startswith("frame 6 of 10: ")
    assert {place.first for place in doubt.places} == {6}


@pytest.mark.parametrize("theme", ["clean_capture", "jpeg_2000", "ultrasound", "ultrasound_jpeg"])
def test_a_picture_without_text_or_with_its_text_painted_over_passes_unchanged(theme, treat, look):
    done, written = treat(theme)
    before = written.read_bytes()
    assert look.doubt(written, done) is None
    assert written.read_bytes() == before


def test_a_picture_that_cannot_be_looked_at_is_held_and_the_next_one_is_looked_at(tmp_path, treat, look):
    done, written = treat("clean_capture")
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(written.read_bytes()[:2000])
    doubt = look.doubt(broken, done)
    assert doubt is not None and doubt.reason is HoldReason.TEXT_SUSPECTED
    assert look.doubt(written, done) is None


def test_drawn_text_is_found_without_the_extra(corpus, treat, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'rapidocr' else find(name, *rest)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)  # the child gets our path
    done, written = treat("clean_capture")
    with SecondLook(Looking.RISKY) as look:
        assert look.doubt(written, done) is None
        doubt = look.doubt(corpus["ultrasound"], done)
    assert doubt is not None and doubt.reason is HoldReason.TEXT_SUSPECTED and "at" in doubt.detail


CT, CAPTURE, ULTRASOUND, SLIDE, MICROSCOPIC, ENDOSCOPIC = (
    f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in ("2", "7", "6.1", "77.1.6", "77.1.2", "77.1.1")
)


@pytest.mark.parametrize(
    ("values", "is_looked_at"),
    [
        ({"SOPClassUID": CAPTURE, "Modality": "OT"}, True),
        ({"SOPClassUID": ULTRASOUND, "Modality": "US"}, True),
        ({"SOPClassUID": CT, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, False),
        ({"SOPClassUID": CT, "Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, True),
        ({"SOPClassUID": CT, "Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, True),
        (
            {
                "SOPClassUID": CT,
                "Modality": "CT",
                "ImageType": ["DERIVED", "SECONDARY"],
                "ImagePositionPatient": [0, 0, 0],
            },
            False,
        ),
        ({"SOPClassUID": CT, "Modality": "CT", "ConversionType": "WSD"}, True),
        (
            {
                "SOPClassUID": CT,
                "Modality": "CT",
                "ImageType": ["ORIGINAL", "PRIMARY"],
                "SeriesDescription": "Dosisbericht",
            },
            True,
        ),
        ({"SOPClassUID": CT, "Modality": "OT"}, True),
        ({"SOPClassUID": SLIDE, "Modality": "SM", "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME"]}, False),
        ({"SOPClassUID": MICROSCOPIC, "Modality": "GM"}, False),
        ({"SOPClassUID": MICROSCOPIC, "Modality": "GM", "ConversionType": "WSD"}, True),
        ({"SOPClassUID": ENDOSCOPIC, "Modality": "ES"}, True),
    ],
)
def test_what_may_hold_text_is_looked_at_although_it_says_no(values, is_looked_at, still, run):
    assert (run(still(BurnedInAnnotation="NO", **values)).done.text_risk is TextRisk.UNVOUCHED) is is_looked_at


def test_colours_from_a_detector_of_greys_are_looked_at(still, run):
    ds = still(SOPClassUID=CT, Modality="CT", SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    ds.PixelData = bytes(48)
    assert run(ds).done.text_risk is TextRisk.UNVOUCHED


def test_nothing_is_asked_about_what_is_not_to_be_looked_at(treat):
    done, written = treat("implicit")
    with SecondLook(Looking.RISKY) as look:
        assert look.doubt(written, done) is None
        assert look._child._running is None

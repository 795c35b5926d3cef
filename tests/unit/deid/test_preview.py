"""A file before and after, from the engine run dry."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset

from aegle.deid import Decision, HoldReason, Pseudonyms, Values, default_profile
from aegle.deid.preview import Change, Preview, preview
from aegle.deid.second_look import Looking, SecondLook


def previewed(content: bytes, folder: Path, values: Values) -> Preview:
    source, scratch = folder / "in.dcm", folder / "scratch"
    source.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    with SecondLook(Looking.UNVOUCHED) as look:
        found = preview(source, default_profile(), Pseudonyms.from_secret(bytes(32)), values, scratch, look)
    assert list(scratch.iterdir()) == []
    return found


def row(found: Preview, tag: str) -> Change:
    return next(change for change in found.changes if change.tag == tag)


def test_each_attribute_stands_side_by_side_also_the_nested_ones(still, written, tmp_path):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "71252005", "SCT", "Cervix"
    ds = still(Manufacturer="Olympus", AnatomicRegionSequence=[code], ImageComments="a word")
    found = previewed(written(ds), tmp_path, Values())
    assert found.held is None
    name = row(found, "(0010,0010)")
    assert name.before == "Quillfeather^Ottilie"
    assert name.after.startswith("AG-")
    assert row(found, "(0020,4000)").after == "–"
    assert row(found, ">(0008,0104)").before == row(found, ">(0008,0104)").after == "Cervix"
    assert row(found, "(0012,0063)").before == "–"


def test_words_that_wait_are_told_with_what_would_be_written_once_approved(still, written, tmp_path):
    found = previewed(written(still(Manufacturer="Ottokar")), tmp_path, Values())
    assert found.held is not None
    assert found.held.reason is HoldReason.FIRST_SEEN_VALUE
    assert row(found, "(0008,0070)").after == "Ottokar"
    decided = Values({("Manufacturer", "Ottokar"): Decision.DENY})
    again = previewed(written(still(Manufacturer="Ottokar")), tmp_path, decided)
    assert again.held is None
    assert row(again, "(0008,0070)").after == ""


def test_what_is_held_for_another_reason_shows_the_reason_alone(still, written, tmp_path):
    found = previewed(written(still(BurnedInAnnotation="YES")), tmp_path, Values())
    assert found.held is not None
    assert found.held.reason is HoldReason.BURNED_IN_RISK
    assert found.changes == ()
    assert previewed(b"no dicom", tmp_path, Values()).held is not None


def test_text_in_the_picture_is_told_as_the_run_would(still, written, tmp_path):
    picture = Image.new("L", (160, 64))
    ImageDraw.Draw(picture).text((4, 20), "QUILLFEATHER", fill=255, font=ImageFont.load_default(size=18))
    capture = still(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT", Rows=64, Columns=160, PixelData=picture.tobytes(),
        ConversionType="WSD", Manufacturer="Olympus",
    )  # fmt: skip
    found = previewed(written(capture), tmp_path, Values())
    assert found.held is not None
    assert found.held.reason is HoldReason.TEXT_SUSPECTED

"""Pixel rules: whose pictures they are for, what of a frame stays, and what the written picture holds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from aegle.config import Deid
from aegle.deid import Deidentified, Held, HoldReason, Option, Pseudonyms, check, deidentify, profile
from aegle.deid.masks import Box, Device, Keep, PixelRule, fitting, frames_named, outside
from aegle.deid.profile import configured
from aegle.errors import BadConfig

SIZE = 40  #: JPEG 2000 needs 32
BASIC = frozenset({Option.STRUCTURED, Option.MODIFIED_DATES})
DEVICE = {"manufacturer": "Lumenoptik", "model": "Colpo 3"}


def rule(keep: Keep = Keep.UNMASKED, *boxes: Box, **more: object) -> PixelRule:
    return PixelRule(**(DEVICE | {"keep": keep, "boxes": boxes, "by": "Dr. Who Looked"} | more))


@pytest.fixture
def treat(tmp_path: Path, pseudonyms: Pseudonyms, written):
    """De-identifies a data set under pixel rules and checks it: the outcome, and both files."""

    def run(ds: Dataset, *rules: PixelRule) -> tuple[Deidentified | Held, Path, Path]:
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(written(ds))
        chosen = profile("test", BASIC, rules)
        done = deidentify(source, target, chosen, pseudonyms)
        if isinstance(done, Deidentified):
            assert check(source, target, done, chosen) is None
        return done, source, target

    return run


@pytest.fixture
def picture(still):
    """A picture of a known device that does not say whether text is burned in."""

    def make(frames: int = 1, samples: int = 3, bits: int = 8, **values: object) -> Dataset:
        ds = still(ManufacturerModelName="Colpo 3", Rows=SIZE, Columns=SIZE, SamplesPerPixel=samples, **values)
        del ds.BurnedInAnnotation
        rng = np.random.default_rng(7)
        shape = (frames, SIZE, SIZE, samples)[: 4 if samples > 1 else 3]
        pixels = rng.integers(1, 255, shape).astype(np.uint8 if bits == 8 else np.uint16)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        if samples == 3:
            ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
        if frames > 1:
            ds.NumberOfFrames = frames
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW" if bits == 16 else "OB"
        return ds

    return make


def test_a_picture_that_may_hold_text_is_held_without_a_rule(picture, treat):
    done, _, _ = treat(picture())
    assert isinstance(done, Held) and done.reason is HoldReason.BURNED_IN_RISK


def test_a_rule_says_that_a_device_burns_nothing_in(picture, treat):
    done, source, target = treat(picture(), rule(Keep.ALL))
    assert done.pixels_certified
    assert np.array_equal(dcmread(source).pixel_array, dcmread(target).pixel_array)
    assert dcmread(target).PatientIdentityRemoved == "YES"


def test_a_rule_does_not_overrule_an_object_that_says_text_is_burned_in(picture, treat):
    ds = picture()
    ds.BurnedInAnnotation = "YES"
    done, _, _ = treat(ds, rule(Keep.ALL))
    assert isinstance(done, Held) and done.reason is HoldReason.BURNED_IN_RISK


def test_no_rule_lets_a_label_out(picture, treat):
    ds = picture()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    done, _, _ = treat(ds, rule(Keep.ALL))
    assert isinstance(done, Held) and done.reason is HoldReason.LABEL_IMAGE


@pytest.mark.parametrize(
    ("frames", "samples", "bits", "syntax"),
    [
        (1, 3, 8, ImplicitVRLittleEndian),
        (1, 3, 8, ExplicitVRLittleEndian),
        (4, 1, 16, ExplicitVRLittleEndian),
        (4, 1, 16, ExplicitVRBigEndian),
        (2, 1, 8, ExplicitVRLittleEndian),
    ],
)
def test_boxes_are_painted_over_in_every_frame_and_nothing_else_is_touched(
    picture, treat, frames, samples, bits, syntax
):
    ds = picture(frames, samples, bits)
    if syntax is ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    boxes = (Box(0, 0, SIZE, 3), Box(5, 2, 7, 9), Box(30, 30, 40, 40))
    _, source, target = treat(ds, rule(Keep.UNMASKED, *boxes))
    wanted = dcmread(source).pixel_array.copy().reshape(frames, SIZE, SIZE, samples)
    for box in boxes:
        wanted[:, box.top : box.top + box.height, box.left : box.left + box.width] = 0
    assert np.array_equal(wanted, dcmread(target).pixel_array.reshape(wanted.shape))
    assert target.stat().st_size < source.stat().st_size + 2000
    assert dcmread(target).BurnedInAnnotation == "NO"


FRAMES = {"first": {1}, "last": {5}, "2": {2}, "2-4": {2, 3, 4}, "4-last": {4, 5}, "first-2": {1, 2}, "4-9": {4, 5}}


@pytest.mark.parametrize(
    ("named", "syntax"), [*((named, ExplicitVRLittleEndian) for named in FRAMES), ("4-9", RLELossless)]
)
def test_a_box_may_be_painted_in_some_frames_alone(picture, treat, named, syntax):
    ds = picture(5, 1, 8)
    if syntax == RLELossless:
        ds.compress(syntax, generate_instance_uid=False)
    _, source, target = treat(ds, rule(Keep.UNMASKED, Box(0, 0, SIZE, SIZE, *frames_named(named))))
    before, after = dcmread(source).pixel_array, dcmread(target).pixel_array
    assert {number for number in range(1, 6) if not after[number - 1].any()} == FRAMES[named]
    assert all(np.array_equal(before[n - 1], after[n - 1]) for n in range(1, 6) if n not in FRAMES[named])


def test_planes_of_some_frames_are_painted_apart(picture, treat):
    ds = picture(3, 3, 8)
    ds.PlanarConfiguration = 1
    _, source, target = treat(ds, rule(Keep.UNMASKED, Box(1, 1, 4, 4, 2, 2), Box(0, 0, SIZE, 1)))
    wanted = dcmread(source).pixel_array.copy()
    wanted[1, 1:5, 1:5] = 0
    wanted[:, 0] = 0
    assert np.array_equal(wanted, dcmread(target).pixel_array)


def test_a_rule_for_frames_that_an_object_does_not_have_lets_it_not_out(picture, treat):
    done, _, _ = treat(picture(3, 1, 8), rule(Keep.UNMASKED, Box(0, 0, SIZE, 4, 4, 0)))
    assert isinstance(done, Held) and done.reason is HoldReason.BURNED_IN_RISK


@pytest.mark.parametrize("named", ["", "0", "5-2", "last-2", "first-", "2-first", "-3", "all", "2-9-4", "last-last "])
def test_what_names_no_frames_is_none(named):
    assert frames_named(named) is None


def test_a_profile_names_frames_and_one_without_has_the_digest_it_had():
    masks = [{"frames": "first", "mask": [[0, 0, 40, 40]]}, {"frames": "2-last", "mask": [[0, 0, 40, 5]]}]
    settings = {"manufacturer": "A", "model": "B", "size": "40x40", "by": "the test"}
    chosen = configured(Deid(pixels=[settings | {"mask": [[1, 2, 3, 4]], "frame_masks": masks}]))
    assert chosen.pixel_rules[0].boxes == (Box(1, 2, 3, 4), Box(0, 0, 40, 40, 1, 1), Box(0, 0, 40, 5, 2, 0))
    assert repr(Box(1, 2, 3, 4)) == "Box(left=1, top=2, width=3, height=4)"
    with pytest.raises(BadConfig):
        configured(Deid(pixels=[settings | {"frame_masks": [{"frames": "5-2", "mask": [[0, 0, 4, 4]]}]}]))


def test_planes_that_lie_apart_are_painted_apart(picture, treat):
    ds = picture()
    ds.PlanarConfiguration = 1
    _, source, target = treat(ds, rule(Keep.UNMASKED, Box(1, 1, 4, 4)))
    after = dcmread(target).pixel_array
    assert not after[1:5, 1:5].any()
    after[1:5, 1:5] = dcmread(source).pixel_array[1:5, 1:5]
    assert np.array_equal(after, dcmread(source).pixel_array)


def test_big_endian_words_of_bytes_are_held_rather_than_painted_wrongly(picture, treat):
    ds = picture(1, 1, 8)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds["PixelData"].VR = "OW"
    done, _, _ = treat(ds, rule(Keep.UNMASKED, Box(0, 0, 4, 4)))
    assert isinstance(done, Held) and done.reason is HoldReason.BURNED_IN_RISK


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_compressed_picture_is_painted_over_and_the_rest_is_what_it_decoded_to(picture, treat, syntax):
    ds = picture(1, 3, 8)
    ds.compress(syntax, generate_instance_uid=False)
    done, source, target = treat(ds, rule(Keep.UNMASKED, Box(0, 0, SIZE, 6)))
    before, after = dcmread(source).pixel_array, dcmread(target).pixel_array
    assert not after[:6].any()
    assert np.array_equal(before[6:], after[6:])
    assert dcmread(target).file_meta.TransferSyntaxUID == JPEG2000Lossless == done.transfer_syntax


def test_a_frame_that_cannot_be_decoded_is_held(picture, treat):
    ds = picture()
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(100) + b"\xff\xd9"])
    done, _, target = treat(ds, rule(Keep.UNMASKED, Box(0, 0, 4, 4)))
    assert isinstance(done, Held) and done.reason is HoldReason.PIXELS_UNPROVEN
    assert not target.exists()


def test_painting_is_coded_as_the_clean_pixel_data_option(picture, treat):
    _, _, target = treat(picture(), rule(Keep.UNMASKED, Box(0, 0, 4, 4)))
    assert "113101" in [item.CodeValue for item in dcmread(target).DeidentificationMethodCodeSequence]


def region(left: int, top: int, right: int, bottom: int) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    return item


@pytest.mark.parametrize("undefined", [False, True])
def test_only_the_declared_ultrasound_regions_stay(picture, treat, undefined):
    ds = picture(2, 3, 8, SequenceOfUltrasoundRegions=[region(2, 4, 9, 19), region(12, 6, 21, 21)])
    ds["SequenceOfUltrasoundRegions"].is_undefined_length = undefined
    for item in ds.SequenceOfUltrasoundRegions:
        item.is_undefined_length_sequence_item = undefined
    _, source, target = treat(ds, rule(Keep.REGIONS))
    kept = np.zeros((SIZE, SIZE), bool)
    kept[4:20, 2:10] = kept[6:22, 12:22] = True
    before, after = dcmread(source).pixel_array, dcmread(target).pixel_array
    assert np.array_equal(before[:, kept], after[:, kept])
    assert not after[:, ~kept].any()


def test_a_rule_for_regions_holds_a_picture_that_declares_none(picture, treat):
    done, _, _ = treat(picture(), rule(Keep.REGIONS))
    assert isinstance(done, Held) and done.reason is HoldReason.BURNED_IN_RISK


def device(**values: object) -> Device:
    return Device(**(DEVICE | {"modality": "GM", "columns": 640, "rows": 480} | values))


@pytest.mark.parametrize(
    ("made_for", "fits"),
    [
        ({}, True),
        ({"manufacturer": " LUMENOPTIK "}, True),
        ({"columns": 640, "rows": 480}, True),
        ({"columns": 640, "rows": 479}, False),
        ({"modality": "US"}, False),
        ({"model": "Colpo 4"}, False),
    ],
)
def test_a_rule_is_for_one_device_and_size(made_for, fits):
    assert (fitting([rule(**made_for)], device()) is not None) == fits


def test_a_device_without_a_name_has_no_rule():
    assert fitting([rule(manufacturer="", model="")], device(manufacturer="", model=" ")) is None


boxes = st.builds(Box, st.integers(-3, 12), st.integers(-3, 12), st.integers(0, 12), st.integers(0, 12))


@given(st.lists(boxes, max_size=5), st.integers(1, 12), st.integers(1, 12))
def test_what_no_region_covers_is_covered_once(regions, columns, rows):
    covered = np.zeros((rows, columns), int)
    for box in outside(regions, columns, rows):
        assert box.width > 0 and box.height > 0
        covered[box.top : box.top + box.height, box.left : box.left + box.width] += 1
    inside = np.zeros((rows, columns), bool)
    for left, top, width, height, *_ in regions:
        inside[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    assert np.array_equal(covered, ~inside)


def test_a_profile_with_pixel_rules_lets_more_out_and_has_a_digest_of_its_own():
    settings = Deid.model_validate(
        {"pixels": [DEVICE | {"size": "640x480", "mask": [[0, 0, 640, 20]], "by": "Dr. Who Looked"}]}
    )
    made = configured(settings)
    assert made.pixel_rules == (rule(Keep.UNMASKED, Box(0, 0, 640, 20), columns=640, rows=480),)
    (said,) = made.weaker_by
    assert said == "pictures of Lumenoptik Colpo 3 (640x480): keep unmasked, 1 place(s) painted over"
    assert made.digest != configured(Deid()).digest

"""Images are chosen and laid out from metadata alone, also when it is hostile."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydicom.dataset import Dataset

from aegle.errors import BadDicom
from aegle.inference.bundle import Bundle
from aegle.inference.images import SourceImage, Unusable, blocks_of, choose_images
from aegle.records import StoredInstance

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


class Metadata:
    """An `ArchiveReader` that has metadata only."""

    def __init__(self, headers: Sequence[Mapping[str, Any]]) -> None:
        self._headers = headers

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        return [stored(number) for number in range(len(self._headers))]

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        return self._headers[int(instance.sop_uid.rsplit(".", 1)[1])]

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        raise AssertionError("choosing images reads no frame")


def stored(number: int) -> StoredInstance:
    return StoredInstance(
        study_uid="2.25.1",
        series_uid="2.25.2",
        sop_uid=f"2.25.3.{number}",
        sop_class=SLIDE,
        transfer_syntax="1.2.840.10008.1.2.4.50",
        size_bytes=1,
        digest="",
        modality="SM",
        frames=1,
        rows=256,
        columns=256,
    )


def level(width_px: int, mpp: float, **others: Any) -> Dataset:
    header, groups, measures = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [mpp / 1000, mpp / 1000]
    groups.PixelMeasuresSequence = [measures]
    header.SharedFunctionalGroupsSequence = [groups]
    header.ImageType, header.FrameOfReferenceUID = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "2.25.9"
    header.TotalPixelMatrixColumns = header.TotalPixelMatrixRows = width_px
    header.Rows = header.Columns = 256
    header.NumberOfFrames = (-(-width_px // 256)) ** 2
    header.SamplesPerPixel, header.BitsAllocated, header.PhotometricInterpretation = 3, 8, "YBR_FULL_422"
    header.DimensionOrganizationType = "TILED_FULL"
    for keyword, value in others.items():
        setattr(header, keyword, value)
    return header


def chosen(bundle: Bundle, *headers: Dataset) -> tuple[SourceImage, ...] | Unusable:
    archive = Metadata([header.to_json_dict() for header in headers])
    return choose_images(archive, archive.instances("2.25.1"), bundle.card)


def one(bundle: Bundle, *headers: Dataset) -> SourceImage:
    images = chosen(bundle, *headers)
    assert not isinstance(images, Unusable)
    assert len(images) == 1
    return images[0]


@pytest.mark.parametrize(("finest", "nearest"), [(0.25, 2), (0.5, 1), (1.0, 0)])
def test_the_level_nearest_the_model_is_read_and_the_finest_is_marked(
    bundle: Bundle, finest: float, nearest: int
) -> None:
    image = one(bundle, *(level(4096 // 2**n, finest * 2**n) for n in range(3)))
    assert image.instance.sop_uid == f"2.25.3.{nearest}"
    assert image.base.sop_uid == "2.25.3.0"
    assert image.base_scale == 2**nearest


def test_two_slides_of_one_study_are_both_read(bundle: Bundle) -> None:
    images = chosen(bundle, level(1024, 1.0), level(1024, 1.0, FrameOfReferenceUID="2.25.10"))
    assert not isinstance(images, Unusable)
    assert len(images) == 2


def test_blocks_cover_every_frame_once_and_end_at_the_matrix(bundle: Bundle) -> None:
    blocks = list(blocks_of(one(bundle, level(2500, 1.0)), bundle.card))
    numbers = [number for _, some, _ in blocks for number in some]
    assert sorted(numbers) == list(range(1, 101))
    assert {(block.height_px, block.width_px) for block, _, _ in blocks} == {
        (1024, 1024),
        (1024, 452),
        (452, 1024),
        (452, 452),
    }


def test_a_sparse_slide_lies_where_its_frames_say(bundle: Bundle) -> None:
    per_frame = []
    for row, column in ((257, 1), (1, 257)):
        groups, position = Dataset(), Dataset()
        position.RowPositionInTotalImagePixelMatrix = row
        position.ColumnPositionInTotalImagePixelMatrix = column
        groups.PlanePositionSlideSequence = [position]
        per_frame.append(groups)
    sparse = level(512, 1.0, DimensionOrganizationType="TILED_SPARSE", PerFrameFunctionalGroupsSequence=per_frame)
    assert one(bundle, sparse).places == ((256, 0), (0, 256))


@pytest.mark.parametrize(
    "harmed",
    [
        level(1024, 1.0, NumberOfFrames=3),
        level(1024, 1.0, TotalPixelMatrixColumns=2**31 - 1, TotalPixelMatrixRows=2**31 - 1, NumberOfFrames=2**31 - 1),
        level(1024, 1.0, Rows=0),
        level(1024, 1.0, DimensionOrganizationType="TILED_SPARSE", PerFrameFunctionalGroupsSequence=[Dataset()]),
        level(1024, 1.0, DimensionOrganizationType="TILED_SPARSE"),
    ],
)
def test_a_slide_that_contradicts_itself_is_refused(bundle: Bundle, harmed: Dataset) -> None:
    with pytest.raises(BadDicom):
        chosen(bundle, harmed)


def test_metadata_that_is_no_dicom_json_is_refused(bundle: Bundle) -> None:
    archive = Metadata([{"00280010": "many"}])
    with pytest.raises(BadDicom):
        choose_images(archive, archive.instances("2.25.1"), bundle.card)

"""Headers of the images of a synthetic whole slide (PS3.3 A.32.8)."""

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from aegle.demo.headers import WHOLE_SLIDE, StudyUids, SyntheticPatient, coded, header, specimen, srgb_profile

TILE_PX = 256


@dataclass(frozen=True, kw_only=True)
class Level:
    """One resolution: its size and where the bytes of a tile come from."""

    width_px: int
    height_px: int
    mpp: float
    tile: Callable[[int, int], bytes]  #: JPEG of the tile at (row, column)
    whole: bool = False  #: one frame of the level's own size

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        if self.whole:
            return 1, 1
        return -(-self.height_px // TILE_PX), -(-self.width_px // TILE_PX)


def slide_header(
    patient: SyntheticPatient, uids: StudyUids, level: Level, number: int, flavour: str, derivation: str
) -> Dataset:
    """Header of one image of a slide: level, thumbnail or label (`flavour` and `derivation` end its Image Type)."""
    made = header(WHOLE_SLIDE, "SM", patient, uids, f"{flavour} {number}")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.InstanceNumber = number + 1
    made.ImageType = ["ORIGINAL" if derivation == "NONE" else "DERIVED", "PRIMARY", flavour, derivation]
    made.BurnedInAnnotation = made.SpecimenLabelInImage = "YES" if flavour == "LABEL" else "NO"
    if flavour == "LABEL":
        made.BarcodeValue, made.LabelText = patient.accession, f"{patient.name} {patient.patient_id}"
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = uids.uid("frame of reference"), "SLIDE_CORNER"
    organization = Dataset()
    organization.DimensionOrganizationUID = uids.uid("dimensions")
    made.DimensionOrganizationSequence = [organization]
    _add_matrix(made, level)
    _add_optics(made)
    _add_specimen(made, patient, uids)
    return made


def _add_matrix(made: Dataset, level: Level) -> None:
    rows, columns = level.grid
    made.Rows, made.Columns = (level.height_px, level.width_px) if level.whole else (TILE_PX, TILE_PX)
    made.NumberOfFrames = rows * columns
    made.TotalPixelMatrixRows, made.TotalPixelMatrixColumns = level.height_px, level.width_px
    made.SamplesPerPixel, made.PlanarConfiguration, made.PhotometricInterpretation = 3, 0, "YBR_FULL_422"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.LossyImageCompressionRatio = 12.0
    made.DimensionOrganizationType, made.VolumetricProperties, made.FocusMethod = "TILED_FULL", "VOLUME", "AUTO"
    made.ImagedVolumeWidth, made.ImagedVolumeHeight = (s * level.mpp / 1000 for s in (level.width_px, level.height_px))
    made.ImagedVolumeDepth, made.ExtendedDepthOfField = 1.0, "NO"
    made.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.0, 40.0
    made.TotalPixelMatrixOriginSequence = [origin]
    made.SharedFunctionalGroupsSequence = [_shared_groups(made, level)]
    made.TotalPixelMatrixFocalPlanes = made.NumberOfOpticalPaths = 1


def _shared_groups(made: Dataset, level: Level) -> Dataset:
    measures, frame_type, groups, identifier = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [level.mpp / 1000] * 2, 0.001
    frame_type.FrameType = made.ImageType
    identifier.OpticalPathIdentifier = "1"
    groups.PixelMeasuresSequence = [measures]
    groups.WholeSlideMicroscopyImageFrameTypeSequence = [frame_type]
    groups.OpticalPathIdentificationSequence = [identifier]
    return groups


def _add_optics(made: Dataset) -> None:
    path = Dataset()
    path.OpticalPathIdentifier, path.ICCProfile, path.ColorSpace = "1", srgb_profile(), "SRGB"
    path.IlluminationTypeCodeSequence = [coded("111744", "DCM", "Brightfield illumination")]
    path.IlluminationColorCodeSequence = [coded("414298005", "SCT", "Full Spectrum")]
    path.ObjectiveLensPower = 20.0
    made.OpticalPathSequence = [path]


def _add_specimen(made: Dataset, patient: SyntheticPatient, uids: StudyUids) -> None:
    made.ContainerIdentifier = f"{patient.accession}-A"
    made.IssuerOfTheContainerIdentifierSequence = []
    made.ContainerTypeCodeSequence = [coded("433466003", "SCT", "Microscope slide")]
    made.SpecimenDescriptionSequence = [specimen(patient, uids)]
    made.AcquisitionContextSequence = []

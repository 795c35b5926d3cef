"""Themes of parts that name each other: renamed, each is still told from the next, and found by what refers to it."""

from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft
from aegle.bench.objects import ENHANCED_CT, PRESENTATION_STATE, axial_ct, begin, code, picture, put_pixels, whole_slide
from aegle.bench.people import draw_person


def optical_paths(draft: Draft) -> None:
    """A slide's two stains, each named for a stranger, and the frames that were taken through them."""
    ds, stranger = whole_slide(draft), draw_person(draft.rng)
    names = [f"{stranger.family} {stain}"[:16] for stain in ("HE", "PAP")]
    first = ds.OpticalPathSequence[0]
    second = Dataset()
    second.IlluminationTypeCodeSequence = [code("111744", "DCM", "Brightfield illumination")]
    first.OpticalPathIdentifier, second.OpticalPathIdentifier = names
    ds.OpticalPathSequence = [first, second]
    put_pixels(draft, picture(draft, 3, frames=4))
    ds.DimensionOrganizationType, ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows = (
        "TILED_SPARSE",
        ds.Columns * 2,
        ds.Rows,
    )
    ds.PerFrameFunctionalGroupsSequence = [_taken_through(names[n % 2]) for n in range(4)]
    draft.note(Leak.KEPT, "OpticalPathIdentifier", stranger.family)
    draft.links += [f"OpticalPathSequence[{n}].OpticalPathIdentifier" for n in (0, 1)]
    draft.links += [
        f"PerFrameFunctionalGroupsSequence[{n}].OpticalPathIdentificationSequence[0].OpticalPathIdentifier"
        for n in range(4)
    ]


def _taken_through(path: str) -> Dataset:
    frame, reference = Dataset(), Dataset()
    reference.OpticalPathIdentifier = path
    frame.OpticalPathIdentificationSequence = [reference]
    return frame


def stacks(draft: Draft) -> None:
    """Four frames in two stacks that are named for the patient."""
    ds, family = axial_ct(draft, ENHANCED_CT), draft.person.family
    ds.NumberOfFrames, ds.PixelData = 4, ds.PixelData * 4
    ds.PerFrameFunctionalGroupsSequence = [_stacked(f"{family} {1 + n // 2}", 1 + n % 2) for n in range(4)]
    draft.note(Leak.KEPT, "StackID", family)
    for n in range(4):
        draft.links.append(f"PerFrameFunctionalGroupsSequence[{n}].FrameContentSequence[0].StackID")
        draft.keep(f"PerFrameFunctionalGroupsSequence[{n}].FrameContentSequence[0].InStackPositionNumber")


def _stacked(stack: str, position: int) -> Dataset:
    frame, content = Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = stack, position
    frame.FrameContentSequence = [content]
    return frame


def graphic_layers(draft: Draft) -> None:
    """Two layers of graphics that are named for who drew in them."""
    ds, reader = begin(draft, PRESENTATION_STATE, "PR"), draft.person.operator.split("^")[0]
    ds.GraphicLayerSequence = [_layer(f"{reader.upper()} {order}", order) for order in (1, 2)]
    draft.note(Leak.KEPT, "GraphicLayer", reader)
    for n in (0, 1):
        draft.links.append(f"GraphicLayerSequence[{n}].GraphicLayer")
        draft.keep(f"GraphicLayerSequence[{n}].GraphicLayerOrder")


def _layer(name: str, order: int) -> Dataset:
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = name, order
    return layer

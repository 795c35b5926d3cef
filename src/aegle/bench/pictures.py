"""Themes of the picture: words inside compressed streams, text burned into pixels, labels of slides, spare bits."""

import struct

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft, parts
from aegle.bench.objects import (
    CAPTURE,
    CR,
    ULTRASOUND,
    ULTRASOUND_MULTIFRAME,
    Pixels,
    axial_ct,
    begin,
    burn,
    colposcopy,
    jpeg,
    picture,
    put_jpeg,
    put_pixels,
    whole_slide,
    with_segments,
)

_COM, _APP1, _APP2, _APP13 = 0xFE, 0xE1, 0xE2, 0xED


def jpeg_comment(draft: Draft) -> None:
    """COM and EXIF: who, where (GPS), whose camera."""
    colposcopy(draft)
    who = draft.person
    exif = b"Exif\0\0" + _exif(f"{who.operator.split('^')[0]}; {who.family}; {who.serial}")
    put_jpeg(draft, picture(draft, 3), (_COM, f"{who.name} {who.patient_id}".encode()), (_APP1, exif))
    draft.note(Leak.STREAM, "JPEG COM, EXIF", *parts(who.name), who.patient_id, who.serial)


def _exif(words: str) -> bytes:
    """A TIFF directory of one entry, Artist (0x013B)."""
    value = words.encode() + b"\0"
    entry = struct.pack("<HHLL", 0x013B, 2, len(value), 26)
    return b"II*\0" + struct.pack("<LH", 8, 1) + entry + struct.pack("<L", 0) + value


def jpeg_segments(draft: Draft) -> None:
    """XMP, an ICC profile's APP2, Photoshop's APP13, and bytes after the end of the image."""
    colposcopy(draft)
    who = draft.person
    xmp = f"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><dc:creator>{who.operator.split('^')[0]}</dc:creator></x:xmpmeta>"
    segments = ((_APP1, xmp.encode()), (_APP2, b"MPF\0" + who.family.encode()), (_APP13, who.patient_id.encode()))
    put_jpeg(draft, picture(draft, 3), *segments)
    stream = with_segments(jpeg(picture(draft, 3)[0]), *segments) + who.name.encode()
    draft.dataset.PixelData = encapsulate([stream])
    draft.note(Leak.STREAM, "JPEG APP1, APP2, APP13, after EOI", who.family, who.patient_id, who.operator.split("^")[0])


def jpeg_2000(draft: Draft) -> None:
    """Comments in the main header of a JPEG 2000 stream, Latin and binary."""
    colposcopy(draft)
    put_pixels(draft, picture(draft, 3))
    _compressed_with(draft, JPEG2000Lossless, 2 + 2 + 47, (0x64, b"\0\1" + draft.person.name.encode("latin-1")))
    draft.dataset.PhotometricInterpretation = (
        "RGB" if "RGB" in str(draft.dataset.PhotometricInterpretation) else "YBR_RCT"
    )


def jpeg_ls(draft: Draft) -> None:
    """A comment and application data in a JPEG-LS stream of an X-ray."""
    _xray(draft)
    _compressed_with(
        draft, JPEGLSLossless, 2, (_COM, draft.person.name.encode("latin-1")), (0xE8, b"spiff " + b"x" * 8)
    )


def run_length(draft: Draft) -> None:
    """RLE, whose segments end before their fragment does: words in the gap."""
    _xray(draft)
    ds, who = draft.dataset, draft.person
    ds.compress(RLELossless, generate_instance_uid=False)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    hidden = who.name.encode("latin-1") + b"\0" * (len(who.name) % 2)
    ds.PixelData = encapsulate([frame + hidden])
    draft.note(Leak.STREAM, "after the RLE segments", *parts(who.name))
    draft.clean = False


def _xray(draft: Draft) -> Dataset:
    ds = begin(draft, CR, "CR")
    ds.ImageType, ds.BodyPartExamined, ds.ViewPosition = ["ORIGINAL", "PRIMARY"], "PELVIS", "AP"
    draft.keep("BodyPartExamined", "ViewPosition", "ImageType")
    put_pixels(draft, picture(draft, bits=16))
    return ds


def _compressed_with(draft: Draft, syntax: str, at: int, *segments: tuple[int, bytes]) -> None:
    ds = draft.dataset
    ds.compress(syntax, generate_instance_uid=False)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1)).rstrip(b"\0")
    ds.PixelData = encapsulate([with_segments(frame, *segments, at=at)])
    draft.note(Leak.STREAM, "comment in the codestream", *parts(draft.person.name))


def several_fragments(draft: Draft) -> None:
    """One JPEG frame in several fragments; its comment crosses the border between two."""
    colposcopy(draft)
    who = draft.person
    stream = with_segments(jpeg(picture(draft, 3)[0]), (_COM, f"{who.family} {who.patient_id}".encode()))
    put_jpeg(draft, picture(draft, 3))
    cut = 10 - (10 % 2)
    pieces = [stream[:cut], stream[cut : cut + 600], stream[cut + 600 :]]
    draft.dataset.PixelData = encapsulate([b"".join(pieces)], fragments_per_frame=3)
    draft.note(Leak.STREAM, "JPEG COM across fragments", who.family, who.patient_id)


def slide(draft: Draft) -> None:
    """Tiles of a slide, comments in each, text in the colour profile, names in specimen and barcode."""
    whole_slide(draft)
    _tiles(draft, encapsulate)


def slide_with_offsets(draft: Draft) -> None:
    """The same with an extended offset table."""
    ds = whole_slide(draft)
    _tiles(draft, None)
    streams = list(generate_frames(ds.PixelData, number_of_frames=ds.NumberOfFrames))
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)


def _tiles(draft: Draft, _: object) -> None:
    ds, who = draft.dataset, draft.person
    frames = picture(draft, 3, frames=6)
    put_jpeg(draft, frames, (_COM, f"Scan of {who.family}, {who.patient_id}".encode()))
    ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows = frames.shape[2] * 3, frames.shape[1] * 2
    ds.DimensionOrganizationType, ds.ImagedVolumeWidth, ds.ImagedVolumeHeight = "TILED_FULL", 15.0, 10.0
    draft.keep("TotalPixelMatrixColumns", "TotalPixelMatrixRows", "NumberOfFrames", "ImagedVolumeWidth")
    draft.note(Leak.STREAM, "JPEG COM of the tiles", who.family, who.patient_id)


def slide_label(draft: Draft) -> None:
    """The photograph of the slide's label."""
    ds = whole_slide(draft, "LABEL", "NONE")
    ds.SpecimenLabelInImage, ds.BurnedInAnnotation, draft.clean = "YES", "YES", False
    _label_pixels(draft)


def slide_label_unsaid(draft: Draft) -> None:
    """A label image that only its Image Type gives away."""
    ds = whole_slide(draft, "LABEL", "RESAMPLED")
    ds.SpecimenLabelInImage, ds.BurnedInAnnotation, draft.clean = "NO", "NO", False
    _label_pixels(draft)


def slide_overview(draft: Draft) -> None:
    """The overview photograph, its label in the corner."""
    ds = whole_slide(draft, "OVERVIEW", "NONE")
    ds.SpecimenLabelInImage, draft.clean = "YES", False
    _label_pixels(draft)


def _label_pixels(draft: Draft) -> None:
    who = draft.person
    put_pixels(draft, burn(draft, picture(draft, 3), who.family, who.patient_id, who.birth_date))
    draft.kept, draft.frames_kept = [], False


def ultrasound(draft: Draft) -> None:
    """An ultrasound still: a banner with the name above its regions, which are declared."""
    _ultrasound(draft, 1, ULTRASOUND)


def ultrasound_loop(draft: Draft) -> None:
    """A loop of frames, each with the banner."""
    _ultrasound(draft, 4, ULTRASOUND_MULTIFRAME)


def ultrasound_jpeg(draft: Draft) -> None:
    """The same as JPEG frames: masking means decoding and encoding."""
    frames = _ultrasound(draft, 3, ULTRASOUND_MULTIFRAME)
    ds = draft.dataset
    ds.PixelData, ds.file_meta.TransferSyntaxUID = encapsulate([jpeg(frame) for frame in frames]), JPEGBaseline8Bit
    ds.PhotometricInterpretation = "YBR_FULL_422"
    draft.kept = [path for path in draft.kept if path != "PhotometricInterpretation"]
    draft.frames_kept = False


def _ultrasound(draft: Draft, count: int, sop_class: UID) -> Pixels:
    ds, who = begin(draft, sop_class, "US"), draft.person
    ds.ImageType, ds.BurnedInAnnotation, draft.clean = ["ORIGINAL", "PRIMARY", "GYN"], "YES", False
    ds.Manufacturer, ds.ManufacturerModelName = "GE Healthcare", "LOGIQ E9"
    frames = burn(draft, picture(draft, 3, frames=count), f"{who.family}, {who.given}", who.patient_id)
    put_pixels(draft, frames)
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 32
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = frames.shape[2] - 1, frames.shape[1] - 1
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.02
    ds.SequenceOfUltrasoundRegions = [region]
    draft.keep("SequenceOfUltrasoundRegions[0].PhysicalDeltaX", "SequenceOfUltrasoundRegions[0].RegionLocationMinY0")
    return frames


def capture(draft: Draft) -> None:
    """A secondary capture with a report's text in it, and no word on whether it has."""
    ds, who = begin(draft, CAPTURE, "OT"), draft.person
    ds.ImageType, ds.ConversionType, draft.clean = ["DERIVED", "SECONDARY"], "WSD", False
    put_pixels(draft, burn(draft, picture(draft), who.family, f"born {who.birth_date}"))


def dose_screen(draft: Draft) -> None:
    """A CT's dose page: a screen shot in a class that has none."""
    ds, who = axial_ct(draft), draft.person
    ds.ImageType, draft.clean = ["DERIVED", "SECONDARY", "SCREEN SAVE"], False
    put_pixels(draft, burn(draft, picture(draft), who.family, who.patient_id))


def clean_capture(draft: Draft) -> None:
    """A secondary capture that says it is clean, and is."""
    ds = begin(draft, CAPTURE, "OT")
    ds.ImageType, ds.ConversionType, ds.BurnedInAnnotation = ["DERIVED", "SECONDARY"], "WSD", "NO"
    put_pixels(draft, picture(draft, 3))


def thumbnail(draft: Draft) -> None:
    """An icon of an earlier, labelled form of the picture."""
    ds, who = axial_ct(draft), draft.person
    icon = Dataset()
    icon.Rows, icon.Columns, icon.SamplesPerPixel, icon.PhotometricInterpretation = 4, 32, 1, "MONOCHROME2"
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.PixelData = who.name.encode("latin-1").ljust(128, b"\0")
    ds.IconImageSequence = [icon]
    draft.note(Leak.PIXELS, "IconImageSequence", *parts(who.name))


def padded_pixels(draft: Draft) -> None:
    """More pixel bytes than the header describes: words behind the last row."""
    ds, who = axial_ct(draft), draft.person
    ds.PixelData += who.name.encode("latin-1").ljust(64, b" ")
    draft.note(Leak.HIDDEN, "behind the last row", *parts(who.name))
    draft.clean, draft.frames_kept = False, False


def spare_bits(draft: Draft) -> None:
    """An overlay in the four unused bits of each 16-bit sample (retired, and still found)."""
    ds, who = axial_ct(draft), draft.person
    text = who.name.encode("latin-1")
    bits = np.unpackbits(np.frombuffer(text, np.uint8))
    samples = np.frombuffer(ds.PixelData, "<u2").copy()
    samples[: len(bits)] |= bits.astype("<u2") << 15
    ds.PixelData = samples.tobytes()
    ds.add_new(0x60000010, "US", ds.Rows)
    ds.add_new(0x60000011, "US", ds.Columns)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    draft.note_bytes(Leak.PIXELS, "overlay in the pixel's spare bits", who.family, samples[: len(bits)].tobytes())
    draft.clean, draft.frames_kept = False, False


def burned_unsaid(draft: Draft) -> None:
    """An X-ray with the name in its corner, in a class that is trusted, and no flag."""
    ds = _xray(draft)
    who = draft.person
    frames = burn(draft, picture(draft, bits=8), who.family, who.patient_id)
    put_pixels(draft, frames)
    ds.BurnedInAnnotation, draft.clean = "YES", False

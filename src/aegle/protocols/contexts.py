"""Presentation contexts: the SOP classes and transfer syntaxes Aegle speaks (PS3.7 §9.3.2)."""

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts

VERIFICATION = "1.2.840.10008.1.1"

TRANSFER_SYNTAXES: tuple[str, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    RLELossless,
)
"""What the door accepts; stored as received, never transcoded."""

STORAGE_CLASSES: tuple[str, ...] = tuple(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
"""Every storage SOP class: the door accepts them all, so that what de-identification does not know is held with a
reason at the site instead of being refused without one."""

"""Which kinds of object may be de-identified at all, and how far each one's pixels can be trusted."""

from enum import StrEnum
from typing import NamedTuple


class PixelRisk(StrEnum):
    """How likely text is in the picture."""

    NONE = "none"  #: no pixels
    LOW = "low"  #: written by the modality from its detector; admitted unless it says that text is burned in
    HIGH = "high"  #: captures, photographs, ultrasound: admitted only when it says Burned In Annotation = NO


class SopClass(NamedTuple):
    """One admitted SOP class."""

    name: str
    risk: PixelRisk


_ROOT = "1.2.840.10008.5.1.4.1.1."

#: Everything that is not here is held as UNKNOWN_SOP_CLASS.
CLASSES: dict[str, SopClass] = {
    _ROOT + suffix: SopClass(name, risk)
    for suffix, name, risk in (
        ("1", "Computed Radiography", PixelRisk.LOW),
        ("1.1", "Digital X-Ray for presentation", PixelRisk.LOW),
        ("1.1.1", "Digital X-Ray for processing", PixelRisk.LOW),
        ("1.2", "Digital Mammography for presentation", PixelRisk.LOW),
        ("1.2.1", "Digital Mammography for processing", PixelRisk.LOW),
        ("1.3", "Digital Intra-Oral X-Ray for presentation", PixelRisk.LOW),
        ("1.3.1", "Digital Intra-Oral X-Ray for processing", PixelRisk.LOW),
        ("12.1", "X-Ray Angiographic", PixelRisk.LOW),
        ("12.1.1", "Enhanced XA", PixelRisk.LOW),
        ("12.2", "X-Ray Radiofluoroscopic", PixelRisk.LOW),
        ("12.2.1", "Enhanced XRF", PixelRisk.LOW),
        ("13.1.1", "X-Ray 3D Angiographic", PixelRisk.LOW),
        ("13.1.2", "X-Ray 3D Craniofacial", PixelRisk.LOW),
        ("13.1.3", "Breast Tomosynthesis", PixelRisk.LOW),
        ("13.1.4", "Breast Projection X-Ray for presentation", PixelRisk.LOW),
        ("13.1.5", "Breast Projection X-Ray for processing", PixelRisk.LOW),
        ("2", "CT", PixelRisk.LOW),
        ("2.1", "Enhanced CT", PixelRisk.LOW),
        ("2.2", "Legacy Converted Enhanced CT", PixelRisk.LOW),
        ("4", "MR", PixelRisk.LOW),
        ("4.1", "Enhanced MR", PixelRisk.LOW),
        ("4.3", "Enhanced MR Color", PixelRisk.LOW),
        ("4.4", "Legacy Converted Enhanced MR", PixelRisk.LOW),
        ("20", "Nuclear Medicine", PixelRisk.LOW),
        ("128", "Positron Emission Tomography", PixelRisk.LOW),
        ("130", "Enhanced PET", PixelRisk.LOW),
        ("128.1", "Legacy Converted Enhanced PET", PixelRisk.LOW),
        ("481.1", "RT Image", PixelRisk.HIGH),
        ("481.2", "RT Dose", PixelRisk.LOW),
        ("66.4", "Segmentation", PixelRisk.LOW),
        ("66.7", "Label Map Segmentation", PixelRisk.LOW),
        ("3.1", "Ultrasound multi-frame", PixelRisk.HIGH),
        ("6.1", "Ultrasound", PixelRisk.HIGH),
        ("6.2", "Enhanced US Volume", PixelRisk.HIGH),
        ("7", "Secondary Capture", PixelRisk.HIGH),
        ("7.1", "Multi-frame single bit Secondary Capture", PixelRisk.HIGH),
        ("7.2", "Multi-frame grayscale byte Secondary Capture", PixelRisk.HIGH),
        ("7.3", "Multi-frame grayscale word Secondary Capture", PixelRisk.HIGH),
        ("7.4", "Multi-frame true color Secondary Capture", PixelRisk.HIGH),
        ("77.1.1", "VL Endoscopic", PixelRisk.HIGH),
        ("77.1.2", "VL Microscopic", PixelRisk.HIGH),
        ("77.1.3", "VL Slide-Coordinates Microscopic", PixelRisk.HIGH),
        ("77.1.4", "VL Photographic", PixelRisk.HIGH),
        ("77.1.5.1", "Ophthalmic Photography 8 bit", PixelRisk.HIGH),
        ("77.1.5.2", "Ophthalmic Photography 16 bit", PixelRisk.HIGH),
        ("77.1.5.4", "Ophthalmic Tomography", PixelRisk.HIGH),
        ("77.1.5.5", "Wide Field Ophthalmic Photography, stereographic", PixelRisk.HIGH),
        ("77.1.5.6", "Wide Field Ophthalmic Photography, 3D coordinates", PixelRisk.HIGH),
        ("77.1.5.7", "Ophthalmic OCT En Face", PixelRisk.HIGH),
        ("14.1", "Intravascular OCT for presentation", PixelRisk.HIGH),
        ("14.2", "Intravascular OCT for processing", PixelRisk.HIGH),
        ("77.1.6", "VL Whole Slide Microscopy", PixelRisk.HIGH),
        ("77.1.7", "Dermoscopic Photography", PixelRisk.HIGH),
        ("4.2", "MR Spectroscopy", PixelRisk.NONE),
        ("9.1.1", "12-lead ECG Waveform", PixelRisk.NONE),
        ("9.1.2", "General ECG Waveform", PixelRisk.NONE),
        ("9.1.3", "Ambulatory ECG Waveform", PixelRisk.NONE),
        ("9.1.4", "General 32-bit ECG Waveform", PixelRisk.NONE),
        ("9.2.1", "Hemodynamic Waveform", PixelRisk.NONE),
        ("9.3.1", "Cardiac Electrophysiology Waveform", PixelRisk.NONE),
        ("9.5.1", "Arterial Pulse Waveform", PixelRisk.NONE),
        ("9.6.1", "Respiratory Waveform", PixelRisk.NONE),
        ("9.6.2", "Multi-channel Respiratory Waveform", PixelRisk.NONE),
        ("9.7.1", "Routine Scalp Electroencephalogram Waveform", PixelRisk.NONE),
        ("9.7.2", "Electromyogram Waveform", PixelRisk.NONE),
        ("9.7.3", "Electrooculogram Waveform", PixelRisk.NONE),
        ("9.7.4", "Sleep Electroencephalogram Waveform", PixelRisk.NONE),
        ("9.8.1", "Body Position Waveform", PixelRisk.NONE),
        ("11.1", "Grayscale Softcopy Presentation State", PixelRisk.NONE),
        ("11.2", "Color Softcopy Presentation State", PixelRisk.NONE),
        ("11.3", "Pseudo-Color Softcopy Presentation State", PixelRisk.NONE),
        ("11.4", "Blending Softcopy Presentation State", PixelRisk.NONE),
        ("11.5", "XA/XRF Grayscale Softcopy Presentation State", PixelRisk.NONE),
        ("11.8", "Advanced Blending Presentation State", PixelRisk.NONE),
        ("11.12", "Variable Modality LUT Softcopy Presentation State", PixelRisk.NONE),
        ("66.1", "Spatial Registration", PixelRisk.NONE),
        ("66.2", "Spatial Fiducials", PixelRisk.NONE),
        ("66.3", "Deformable Spatial Registration", PixelRisk.NONE),
        ("66.5", "Surface Segmentation", PixelRisk.NONE),
        ("66.6", "Tractography Results", PixelRisk.NONE),
        ("67", "Real World Value Mapping", PixelRisk.NONE),
        ("91.1", "Microscopy Bulk Simple Annotations", PixelRisk.NONE),
        ("481.3", "RT Structure Set", PixelRisk.NONE),
        ("481.5", "RT Plan", PixelRisk.NONE),
        ("481.8", "RT Ion Plan", PixelRisk.NONE),
        ("481.4", "RT Beams Treatment Record", PixelRisk.NONE),
        ("481.6", "RT Brachy Treatment Record", PixelRisk.NONE),
        ("481.7", "RT Treatment Summary Record", PixelRisk.NONE),
        ("481.9", "RT Ion Beams Treatment Record", PixelRisk.NONE),
        ("88.11", "Basic Text SR", PixelRisk.NONE),
        ("88.22", "Enhanced SR", PixelRisk.NONE),
        ("88.33", "Comprehensive SR", PixelRisk.NONE),
        ("88.34", "Comprehensive 3D SR", PixelRisk.NONE),
        ("88.35", "Extensible SR", PixelRisk.NONE),
        ("88.50", "Mammography CAD SR", PixelRisk.NONE),
        ("88.59", "Key Object Selection", PixelRisk.NONE),
        ("88.65", "Chest CAD SR", PixelRisk.NONE),
        ("88.68", "Radiopharmaceutical Radiation Dose SR", PixelRisk.NONE),
        ("88.69", "Colon CAD SR", PixelRisk.NONE),
        ("88.72", "Simplified Adult Echo SR", PixelRisk.NONE),
        ("88.73", "Patient Radiation Dose SR", PixelRisk.NONE),
        ("88.74", "Planned Imaging Agent Administration SR", PixelRisk.NONE),
        ("88.75", "Performed Imaging Agent Administration SR", PixelRisk.NONE),
        ("88.76", "Enhanced X-Ray Radiation Dose SR", PixelRisk.NONE),
        ("88.71", "Acquisition Context SR", PixelRisk.NONE),
        ("88.67", "X-Ray Radiation Dose SR", PixelRisk.NONE),
    )
}

#: Pictures of slides are not searched for text. What has some is the label, which never leaves; of thousands of tiles, a
#: look at three would prove nothing and at all take hours.
SLIDES = frozenset({_ROOT + "77.1.6"})

#: Kinds whose every picture says where in the patient it lies (Image Plane Module, mandatory: PS3.3 Table A.1-1).
PLANES = frozenset(_ROOT + suffix for suffix in ("2", "4", "128"))

#: Pictures that a camera takes by itself, of a specimen or of skin. What is drawn into them is mostly a scale.
CAMERAS = frozenset(_ROOT + suffix for suffix in ("77.1.2", "77.1.3", "77.1.4", "77.1.7"))

#: Kinds whose samples are a waveform and no sound: in them alone Waveform Data stay. A voice could be a dictation.
WAVEFORMS = frozenset(uid for uid in CLASSES if uid.startswith(_ROOT + "9."))

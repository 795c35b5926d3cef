"""Themes of people who are called like a code, a word of the standard or a device, and of names that are short.

The name must go where it is one; the code, term or model that reads alike says nothing of anybody, and stays.
"""

from pydicom.dataset import Dataset

from aegle.bench.answers import Leak
from aegle.bench.documents import document, number
from aegle.bench.draft import Draft
from aegle.bench.objects import DOSE_SR, MR, axial_ct, code

_MEASURED = "MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]"


def namesake_of_codes(draft: Draft) -> None:
    """Min Ray, patient 113701: the code of a minute, a word of X-Ray Radiation Dose Report, and that report's own code."""
    ds = document(draft, DOSE_SR)
    _call(draft, ds, "PatientName", "Min^Ray", Leak.NAME)
    _call(draft, ds, "ReferringPhysicianName", "Head^Song", Leak.STAFF)
    draft.forget(ds, "PatientID")
    ds.PatientID = "113701"
    draft.note_at(Leak.NUMBER, "PatientID", "113701")
    ds.ConceptNameCodeSequence = [code("113701", "DCM", "X-Ray Radiation Dose Report")]
    minutes = code("min", "UCUM", "minute")
    ds.ContentSequence = [number(code("113730", "DCM", "Total Fluoro Time"), f"{draft.number}.5", minutes)]
    for path in ("ConceptNameCodeSequence[0]", "ContentSequence[0].ConceptNameCodeSequence[0]"):
        draft.keep(f"{path}.CodeValue", f"{path}.CodeMeaning")
    draft.keep(f"ContentSequence[0].{_MEASURED}.CodeValue", f"ContentSequence[0].{_MEASURED}.CodeMeaning")
    draft.keep("ContentSequence[0].MeasuredValueSequence[0].NumericValue")


def namesake_of_terms(draft: Draft) -> None:
    """People called like what is pictured, and a station like its model; where a filter is named for the patient, that goes."""
    ds = axial_ct(draft, MR, "MR")
    patient, physician, concept, region = draft.rng.choice(_NAMESAKES)
    maker, model = draft.rng.choice(_STATIONS)
    _call(draft, ds, "PatientName", patient, Leak.NAME)
    _call(draft, ds, "ReferringPhysicianName", physician, Leak.STAFF)
    draft.forget(ds, "StationName")
    ds.StationName = ds.ManufacturerModelName = model
    draft.note_at(Leak.DEVICE, "StationName", model)
    ds.ImageType, ds.Manufacturer, ds.BodyPartExamined = ["ORIGINAL", "PRIMARY", "VOLUME"], maker, region.upper()
    ds.AnatomicRegionSequence = [code(concept, "SCT", region)]
    ds.FilterType = f"for {patient.replace('^', ' ')}"
    draft.note(Leak.KEPT, "FilterType", patient.replace("^", " "))
    draft.keep("AnatomicRegionSequence[0].CodeValue", "AnatomicRegionSequence[0].CodeMeaning")


_NAMESAKES = (
    ("Reid^Song", "Head^Ray", "69536005", "Head"),
    ("Kim^Volume", "Neck^Long", "45048000", "Neck"),
    ("Siemens^Hand", "Heart^Min", "80891009", "Heart"),
)
_STATIONS = (("SIEMENS", "Skyra"), ("SIEMENS", "Avanto"), ("Philips Medical Systems", "Ingenia"))


def name_of_two_characters(draft: Draft) -> None:
    """A whole name in two characters, and a stranger's, where words about the picture belong."""
    charset, name, own, stranger = draft.rng.choice(_TWO_CHARACTERS)
    ds = axial_ct(draft)
    ds.SpecificCharacterSet = charset.split("\\") if "\\" in charset else charset
    draft.plant(ds, "PatientName", name, Leak.NAME)
    ds.FilterType, ds.ConvolutionKernel = own, stranger
    draft.kept.remove("ConvolutionKernel")
    draft.note(Leak.KEPT, "FilterType", own)
    draft.note(Leak.KEPT, "ConvolutionKernel", stranger)


#: Specific Character Set, a patient's name, the same as people write it, and a stranger's.
_TWO_CHARACTERS = (
    ("GB18030", "Wangzel^Fang=王芳", "王芳", "李娜"),
    ("ISO_IR 192", "Limqvist^Wei=林伟", "林伟", "赵敏"),
    ("\\ISO 2022 IR 87", "Morizel^Kei=森恵=もり^けい", "森恵", "林翔"),
    ("\\ISO 2022 IR 149", "Kozel^Won=고원", "고원", "박준"),
)


def short_name_in_a_table(draft: Draft) -> None:
    """A name of few letters among the binary values of a table that grey values pass through."""
    ds, table = axial_ct(draft), Dataset()
    family = draft.rng.choice(("Hansen", "Novak", "Kowal", "Meier", "Rossi"))
    draft.plant(ds, "PatientName", f"{family}^Kaj", Leak.NAME)
    table.LUTDescriptor, table.ModalityLUTType = [64, 0, 16], "HU"
    table.add_new(0x00283006, "OW", b"\1\0" + family.encode().ljust(126, b"\0"))
    ds.VOILUTSequence = [table]
    draft.note(Leak.KEPT, "LUTData", family)
    draft.clean = False


def _call(draft: Draft, where: Dataset, keyword: str, name: str, kind: Leak) -> None:
    """Names the parts of which are words of the standard: only the whole is somebody's."""
    draft.forget(where, keyword)
    setattr(where, keyword, name)
    draft.note(kind, keyword, name)

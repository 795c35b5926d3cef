"""Themes of pages: what a scanner saved as a picture in its own class, whatever its language, and photographs of a glass."""

from pydicom.dataset import Dataset

from aegle.bench.draft import Draft
from aegle.bench.objects import CT, MR, PET, axial_ct, burn, picture, put_pixels, whole_slide

_WESTERN, _CENTRAL, _UTF8 = "ISO_IR 100", "ISO_IR 101", "ISO_IR 192"
#: How scanners call a patient's protocol, a page of doses and a saved screen, with the Specific Character Set of the language.
_TITLES = (
    ("Patient Protocol", _WESTERN), ("Screen Save", _WESTERN), ("Dose Report", _WESTERN),
    ("Patientenprotokoll", _WESTERN), ("Dosisbericht", _WESTERN), ("Bildschirmfoto", _WESTERN),
    ("Protocole du patient", _WESTERN), ("Rapport de dose", _WESTERN), ("Capture d'écran", _WESTERN),
    ("Protocolo del paciente", _WESTERN), ("Informe de dosis", _WESTERN), ("Captura de pantalla", _WESTERN),
    ("Protocollo paziente", _WESTERN), ("Rapporto di dose", _WESTERN), ("Schermata", _WESTERN),
    ("Protocolo do paciente", _WESTERN), ("Relatório de dose", _WESTERN), ("Captura de tela", _WESTERN),
    ("Patiëntprotocol", _WESTERN), ("Dosisrapport", _WESTERN), ("Schermafdruk", _WESTERN),
    ("Patientprotokoll", _WESTERN), ("Dosrapport", _WESTERN), ("Skärmbild", _WESTERN),
    ("Patientprotokol", _WESTERN), ("Skærmbillede", _WESTERN), ("Pasientprotokoll", _WESTERN),
    ("Skjermbilde", _WESTERN), ("Potilasprotokolla", _WESTERN), ("Annosraportti", _WESTERN),
    ("Protokół pacjenta", _CENTRAL), ("Raport dawki", _CENTRAL), ("Zrzut ekranu", _CENTRAL),
    ("Protokol pacienta", _CENTRAL), ("Snímek obrazovky", _CENTRAL), ("Betegprotokoll", _CENTRAL),
    ("Dózisjelentés", _CENTRAL), ("Hasta protokolü", "ISO_IR 148"), ("Doz raporu", "ISO_IR 148"),
    ("Протокол пациента", "ISO_IR 144"), ("Отчёт о дозе", "ISO_IR 144"), ("Протокол пацієнта", _UTF8),
    ("Звіт про дозу", _UTF8), ("Πρωτόκολλο ασθενούς", "ISO_IR 126"), ("Αναφορά δόσης", "ISO_IR 126"),
    ("פרוטוקול מטופל", "ISO_IR 138"), ("דוח מינון", _UTF8), ("بروتوكول المريض", _UTF8), ("تقرير الجرعة", _UTF8),
    ("患者プロトコル", "\\ISO 2022 IR 87"), ("線量レポート", "\\ISO 2022 IR 87"), ("患者协议", "GB18030"),
    ("剂量报告", "GB18030"), ("屏幕截图", "GB18030"), ("환자 프로토콜", _UTF8), ("선량 보고서", _UTF8),
)  # fmt: skip
_SCANNERS = ((CT, "CT"), (MR, "MR"), (PET, "PT"))


def protocol_page(draft: Draft) -> None:
    """A page that a scanner calls ORIGINAL: it is SECONDARY, and lies nowhere in the patient."""
    ds = _page(draft)
    ds.ImageType = ["ORIGINAL", "SECONDARY"]


def derived_screen(draft: Draft) -> None:
    """A screen that a scanner calls DERIVED: what its series is called tells it from a reformatted picture."""
    ds = _page(draft)
    ds.ImageType = ["DERIVED", "PRIMARY"]


def _page(draft: Draft) -> Dataset:
    who, (title, charset) = draft.person, draft.rng.choice(_TITLES)
    ds = axial_ct(draft, *draft.rng.choice(_SCANNERS))
    ds.SpecificCharacterSet = charset.split("\\") if "\\" in charset else charset
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    ds.SeriesDescription = title
    put_pixels(draft, burn(draft, picture(draft), title, f"{who.family}, {who.given}", who.patient_id))
    draft.kept, draft.clean = [], False
    return ds


def slide_localizer(draft: Draft) -> None:
    """The picture of the whole glass, as it was called before there was OVERVIEW."""
    _glass(draft, "LOCALIZER")


def slide_macro(draft: Draft) -> None:
    """The same, as some makers call it."""
    _glass(draft, "MACRO")


def slide_barcode(draft: Draft) -> None:
    """The picture of a glass's barcode, with what is printed beneath it."""
    _glass(draft, "BARCODE")


def _glass(draft: Draft, flavour: str) -> None:
    who, ds = draft.person, whole_slide(draft, flavour, "NONE")
    del ds.SpecimenLabelInImage
    put_pixels(draft, burn(draft, picture(draft, 3), who.family, who.patient_id))
    draft.kept, draft.clean = [], False

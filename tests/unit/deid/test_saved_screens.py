"""A page that a scanner saved is known by what it is called, in the languages that scanners speak."""

import pytest

from aegle.deid.saved_screens import tells_of_page

PAGES = """
    Patient Protocol|Patientenprotokoll|Protocole du patient|Protocolo del paciente|Protocollo paziente|Protocolo do paciente
    Patiëntprotocol|Protokół pacjenta|Dosisbericht|DOSISÜBERSICHT|Dosisrapport|Rapport de dose|Informe de la dosis
    Rapporto di dose|Relatório de dose|Dose Record|Patient Dose Sheet|Exam Summary|Отчёт о дозе|Протокол пациента
    CT線量レポート|線量ﾚﾎﾟｰﾄ|患者プロトコル|剂量报告|患者信息|선량 보고서|환자 정보|Bildschirmfoto|Capture d’écran
    Pasientprotokoll|Potilasprotokolla|Annosraportti|Kuvakaappaus|Betegprotokoll|Dózisjelentés|Képernyőkép|Протокол пацієнта
    Звіт про дозу|Знімок екрана|Πρωτόκολλο ασθενούς|Αναφορά δόσης|פרוטוקול מטופל|דוח מינון|צילום מסך
    بروتوكول المريض|تقرير الجرعة|لقطة شاشة
    Captura de pantalla|Schermafbeelding|SCREENSHOT|Screen Save|PROTOCOL PAGE
    """
PICTURES = """
    Thorax report series|MPR cor 3.0|Low Dose Chest Protocol MPR|Low-dose data 1.25mm|LungScreening low dose|Examen thorax 1mm
    Abdomen patient prone|Protokoll Thorax|Table removed VRT|Patient table removed|Half dose recon|Overview|Low Dose Protokoll
    """


def listed(words: str) -> list[str]:
    return [word.strip() for line in words.split("\n") for word in line.split("|") if word.strip()]


def test_pages_are_known_and_pictures_are_not_taken_for_pages() -> None:
    assert [page for page in listed(PAGES) if not tells_of_page([page])] == []
    assert [picture for picture in listed(PICTURES) if tells_of_page([picture])] == []


@pytest.mark.parametrize(("character_set", "raw"), [
    ("ISO_IR 192", "線量レポート".encode()), ("", "Protocolé patiént".encode()),
    ("ISO_IR 100", "DOSISÜBERSICHT".encode("latin-1")),
    ("\\ISO 2022 IR 87", b"\x1b$B" + "線量レポート".encode("iso2022_jp")[3:]), ("GB18030", "剂量报告".encode("gb18030")),
])  # fmt: skip
def test_a_description_is_read_by_the_objects_character_set_or_as_utf_8(character_set, raw, still, run, written):
    ds = still(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2", ImageType=["DERIVED", "PRIMARY"], SeriesDescription="X" * len(raw)
    )
    ds.SpecificCharacterSet = character_set.split("\\")
    del ds.BurnedInAnnotation
    outcome = run(written(ds).replace(b"X" * len(raw), raw))
    assert outcome.held.reason == "BURNED_IN_RISK"

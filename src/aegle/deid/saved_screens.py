"""The words by which devices say that a picture is a page they saved: a patient protocol, a dose report, a screen.

In Image Type they are terms of the maker's; in a series description whatever the scanner's language calls the page. Words are
compared without accents, width and capital letters.
"""

import re
import unicodedata
from collections.abc import Iterable

#: Siemens' `CT_SOM5 PROT`, `MULTI_FORMAT_RASTER` and `CSA RESULT`, GE's `SCREEN SAVE` and `DOSE_INFO`, among others.
_TERMS = re.compile(
    r"SCREEN(?!ING)|CAPTURE|HARDCOPY|RASTER|SNAPSHOT|DOSE[_ ]?(?:INFO|REPORT|SHEET|RECORD)"
    r"|\bPROT\b|(?<![A-Z])(?:PROTOCOL|REPORT|SUMMARY|RESULTS?|DOCUMENT|WORKSHEET)(?![A-Z])"
)

_DOSES = r"""
    dos(?:e|es|is|i|en|age|imetr\w*) doz\w* dawk\w* davk\w* davc\w* доз\w* 線量 被ばく\w* 被曝 剂量 劑量 선량 피폭\w*
    annos\w* δοσ\w* מינון מנת? جرعة الجرعة
    """
_EXAMS = (
    r"exam(?:ens?|ination|e)? untersuchungs? esame onderzoeks? badani\w* vysetreni исследовани\w* 検査 检查 檢查 검사"
)
_PATIENTS = (
    r"pa[ctz]ien?t(?:en|e|s|'s|es)? pacjent\w* pasient\w* potila\w* beteg\w* paciens\w* hasta пациент\w* пацієнт\w*"
    r" ασθεν\w* מטופל\w* חולה مريض المريض 患者 病人 환자"
)
_PAGES = r"""
    report\w* rapport\w* raport\w* rapor\w* bericht\w* informe\w* reporte\w* relatori\w* relazion\w* referto сводк\w* отчет\w*
    compte[\W_]*rendu summar\w* overview overzicht ubersicht\w* resume\w* riepilog\w* resumen\w* resumo info(?:rma\w*)?
    yhteenveto jelentes\w* osszefoglal\w* αναφορ\w* звіт\w* דוח דו"ח تقرير
    sheet blatt ficha fiche scheda record\w* page pagina log\b
    レポート 報告\w* 情報 記録 报告\w* 信息 记录 資訊 보고\w* 리포트 정보 기록
    """
_TABLES = r"table tabel\w* tableau tabla tabela таблиц\w*"  # of doses: a patient lies on one
_DATA = r"data daten\w* donnees dat[io] datos dados данн\w*"  # of a patient: a low-dose scan has some, too
_PROTOCOLS = r"proto[ck]ol\w* протокол\w* πρωτοκολλ\w* פרוטוקול بروتوكول プロトコル 协议 協議 方案 프로토콜"
_SCREENS = r"""
    screen[\W_]*(?:save|shot|capture|copy|grab|dump)\w* bildschirm\w* (?:capture|copie)[\W_]*d[\W_]*ecran
    captura[\W_]*d[ea][\W_]*(?:la[\W_]*)?(?:pantalla|tela|ecra) pantallazo schermata istantanea[\W_]*schermo cattura[\W_]*schermo
    scherm(?:afdruk|afbeelding|kopie|opname)\w* skarm(?:bild|dump|klipp)\w* skaerm(?:billede|dump)\w* skjerm(?:bilde|dump)\w*
    zrzut[\W_]*ekranu snimek[\W_]*obrazovky ekran[\W_]*goruntusu скриншот\w* снимок[\W_]*экрана
    kuvakaappau\w* naytonkaappau\w* kepernyo\w* знімок[\W_]*екрана στιγμιοτυπ\w* צילום[\W_]*מסך لقطة[\W_]*(?:ال)?شاشة
    スクリーン(?:ショット|キャプチャ|セーブ) 画面 截屏 截图 截圖 屏幕 螢幕 화면 스크린샷
    protocol[\W_]*page dosrapport\w* dos(?:is|imetri\w*)[\W_]*protokol\w*
    """
#: What may stand between two words, in either order: `Rapport de dose`, `Protocolo del paciente`, `Dosisbericht`.
_BETWEEN = (
    r"[\W_]*(?:(?:d[eiao]s?|del|della|du|zur?|der|o|о|про|over|van|av|of|for|por|по|について|の)\b)?[\W_]*"
    r"(?:l[ae]?[\W_]+)?"
)


_LONGEST = 256  #: letters of a description that are read; an LO has 64


def _folded(text: str) -> str:
    """Without accents, width and capital letters; letters of Hangul and voiced kana come apart, in words and in text alike."""
    return _apart(text.casefold().translate(_PLAIN))


def _apart(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


#: Letters that no normal form takes apart.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "ı": "i", "đ": "d"})


def _any(*words: str) -> str:
    return f"(?:{'|'.join(word for each in words for word in _apart(each).split())})"


_BEGINS = "(?:(?<![a-zа-я])|(?![a-zа-я]))"


def _both(ones: str, others: str) -> str:
    """Either word first. A word of Latin or Cyrillic letters begins one: `overdose reports` is none; one of others may
    follow any letter."""
    return rf"{_BEGINS}{ones}{_BETWEEN}{others}|{_BEGINS}{others}{_BETWEEN}{ones}"


_PAGE = re.compile(
    "|".join(
        (
            _both(_any(_DOSES, _EXAMS, _PATIENTS), _any(_PAGES)),
            _both(_any(_DOSES), _any(_TABLES)),
            _both(_any(_PATIENTS), _any(_PROTOCOLS, _DATA)),
            _any(_SCREENS),
        )
    )
)


def is_screen(terms: str) -> bool:
    """Whether an Image Type, in capital letters, has a term that means a saved page."""
    return bool(_TERMS.search(terms))


def tells_of_page(descriptions: Iterable[str]) -> bool:
    """Whether one of several readings of a description tells of a saved page."""
    return any(_PAGE.search(_folded(text[:_LONGEST])) for text in descriptions)

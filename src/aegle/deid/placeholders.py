"""Patient IDs that name nobody: what a device writes, or a person types, where there is none.

Taken for an ID, UNKNOWN would be one patient with everybody's studies.
"""

import unicodedata
from functools import lru_cache

_WORDS = """
    unknown notknown unbekannt inconnu inconnue desconocido desconocida sconosciuto sconosciuta desconhecido desconhecida
    onbekend okand ukendt ukjent tuntematon nieznany neznamy bilinmiyor неизвестно неизвестный неизвестен 不明 未知 불명 미상
    anonymous anonymized anonymised anonym anon anonymus anonymisiert anonymise anonyme anonimo anonima anoniem аноним 匿名 익명
    none null nil nan na notavailable notapplicable undefined unspecified unassigned notassigned unidentified missing empty blank
    noid nopatientid id patientid patient pid name noname default dummy temp temporary tbd test testid testpatient tester
    emergency notfall urgence trauma johndoe janedoe doe
    """
_FILLERS = frozenset("0x")  #: alone, as often as they like; nines from three on


def _letters(text: str) -> str:
    """Without accents, capital letters and punctuation."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFKC", "".join(letter for letter in apart if letter.isalnum()))


_NOBODY = frozenset(map(_letters, _WORDS.split()))


@lru_cache(maxsize=4096)
def names_nobody(patient_id: str) -> bool:
    """Whether a Patient ID is a placeholder, or empty."""
    letters = _letters(patient_id)
    return set(letters) <= _FILLERS or letters in _NOBODY or (len(letters) >= 3 and set(letters) == {"9"})

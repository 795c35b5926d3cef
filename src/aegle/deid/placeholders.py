"""Patient IDs that name nobody: what a device writes, or a person types, where there is none.

Taken for an ID, UNKNOWN would be one patient with everybody's studies. Short words and numbers stay IDs: they may be somebody's.
Written with its stroke or dots N/A is none, nor is what has neither a letter nor a digit.
"""

import unicodedata
from functools import lru_cache

_WORDS = """
    unknown notknown unbekannt inconnu inconnue desconocido desconocida sconosciuto sconosciuta desconhecido desconhecida
    onbekend okand ukendt ukjent tuntematon nieznany neznamy bilinmiyor неизвестно неизвестный неизвестен 不明 未知 불명 미상
    anonymous anonymized anonymised anonym anon anonymus anonymisiert anonymise anonyme anonimo anonima anoniem аноним 匿名 익명
    none null notavailable notapplicable undefined unspecified unassigned notassigned unidentified missing
    noid nopatientid patientid noname emergency notfall urgence johndoe janedoe
    """
_AS_WRITTEN = frozenset({"n/a", "#n/a", "n.a."})
_FILLERS, _SHORTEST = frozenset("09x"), 4  #: one of them alone, so often or more


def _letters(text: str) -> str:
    """Without accents, capital letters and punctuation."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFKC", "".join(letter for letter in apart if letter.isalnum()))


_NOBODY = frozenset(map(_letters, _WORDS.split()))


@lru_cache(maxsize=4096)
def names_nobody(patient_id: str) -> bool:
    """Whether a Patient ID is a placeholder, or says nothing."""
    letters = _letters(patient_id)
    filler = len(letters) >= _SHORTEST and len(set(letters)) == 1 and letters[0] in _FILLERS
    return filler or not letters or letters in _NOBODY or patient_id.strip(" \0").casefold() in _AS_WRITTEN

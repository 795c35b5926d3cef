"""UIDs as PS3.5 §9 allows them, checked before one is used in a path, a query or an answer."""

import re

from aegle.errors import BadDicom

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")


def is_uid(text: str) -> bool:
    """Whether the text is a UID by PS3.5 §9.1: digits and dots, no leading zeros, at most 64 characters."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def checked(text: str) -> str:
    """The UID itself. Raises BadDicom (without quoting it) when it is none."""
    if not is_uid(text):
        raise BadDicom("a UID is missing or is not one by PS3.5 §9.1")
    return text

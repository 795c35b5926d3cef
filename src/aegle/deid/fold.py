"""How values that are words are shown and compared."""

import unicodedata


def shown(value: str) -> str:
    """A value as people see it: on one line, without what a terminal or a page would obey, and without what nobody sees (a
    space of no width between the words of a published meaning)."""
    if not value.isprintable():
        visible = (letter for letter in value if unicodedata.category(letter) != "Cf")
        value = "".join(letter if letter.isprintable() else " " for letter in visible)
    return " ".join(value.split())


def folded(value: str) -> str:
    """A value as it is compared: capital letters, and how many spaces, do not count."""
    return shown(value).casefold()

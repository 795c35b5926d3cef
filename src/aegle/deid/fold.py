"""How values that are words are shown and compared."""


def shown(value: str) -> str:
    """A value as people see it: on one line, without what a terminal or a page would obey."""
    if not value.isprintable():
        value = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(value.split())


def folded(value: str) -> str:
    """A value as it is compared: capital letters, and how many spaces, do not count."""
    return shown(value).casefold()

"""The conformance statement says of every row, option and kind of object what is done, and says the truth."""

import re

import pytest

from aegle.deid import Option, default_profile
from aegle.deid.classes import CLASSES
from aegle.deid.conformance import statement
from aegle.deid.rules import Action, compile_rules
from aegle.deid.table import METHOD_CODES, ranges, rows

PAGE = statement()
LINES = {match[1]: match[0] for match in re.finditer(r"^\| \(([0-9A-F]{4},[0-9A-F]{4})\) .*$", PAGE, re.MULTILINE)}


def cells(tag: int) -> list[str]:
    return [cell.strip() for cell in LINES[f"{tag >> 16:04X},{tag & 0xFFFF:04X}"].strip("|").split("|")]


def test_every_row_of_the_edition_is_there() -> None:
    assert len(LINES) + len(ranges()) == 657
    assert all(f"| {row.tags} |" in PAGE for row in ranges())
    assert set(LINES) == {f"{row.tag >> 16:04X},{row.tag & 0xFFFF:04X}" for row in rows()}


@pytest.mark.parametrize("option", Option)
def test_an_options_column_says_what_its_rules_do(option: Option) -> None:
    rules, column = compile_rules(frozenset({option})), [*Option].index(option)
    for row in rows():
        code = row.options.get(option, "")
        done = rules[row.tag].action if row.tag in rules else Action.REMOVE
        assert cells(row.tag)[3 + column] == (f"{code} {done}" if code else "")


def test_the_last_column_is_the_default_profile() -> None:
    for row in rows():
        rule = default_profile().rules.get(row.tag)
        assert cells(row.tag)[-1] == (rule.action if rule else Action.REMOVE)


def test_every_option_is_told_with_its_code() -> None:
    for option in Option:
        (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{option}` |")]
        assert METHOD_CODES[option][0] in line
    assert all(uid in PAGE for uid in CLASSES)

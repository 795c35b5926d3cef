"""The pages made from code are current, and nothing that they should name is missing or without words."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aegle.access import ALLOWED, Act
from aegle.cli.acts import ACTS, WITHOUT_ACT
from aegle.config import Config
from aegle.deid import REASONS
from aegle.errors import MEANING
from aegle.hub.app import ROUTES
from aegle.records import RejectReason

DOCS = Path(__file__).parents[2] / "docs"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load()


def settings(schema: dict, place: str = "") -> Iterator[str]:
    """Every setting of aegle.yaml by its path, from the JSON schema alone."""
    definitions = Config.model_json_schema()["$defs"]
    for name, shape in schema["properties"].items():
        path = f"{place}.{name}".lstrip(".")
        yield path
        for reference in set(re.findall(r"'#/\$defs/(\w+)'", str(shape))) - {"SiteKind"}:
            listed = {"Peer", "PixelRule", "FrameMask", "Analysts"}
            below = f"{path}.NAME" if reference == "SiteConfig" else f"{path}[]" if reference in listed else path
            yield from settings(definitions[reference], below)


def lines(page: str) -> list[list[str]]:
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def words(page: str) -> dict[str, str]:
    """The last cell of each row by its first."""
    return {row[0].strip("`"): row[-1].strip(" |") for row in lines(page)}


@pytest.mark.parametrize("page", list(generate.PAGES))
def test_a_page_is_what_the_code_says(page: str) -> None:
    assert (DOCS / "reference" / page).read_text(encoding="utf-8") == generate.PAGES[page](), "run `make docs`"


@pytest.mark.parametrize("setting", list(settings(Config.model_json_schema())))
def test_a_setting_has_a_line_with_its_meaning(setting: str) -> None:
    assert words("configuration.md").get(setting), f"give {setting} a `#:` remark in config.py, then run `make docs`"


@pytest.mark.parametrize("act", list(Act))
def test_an_act_has_a_line(act: Act) -> None:
    assert words("audit.md").get(act.value), f"give {act.name} a `#:` remark in access.py, then run `make docs`"


@pytest.mark.parametrize("code", [meaning.code for meaning in MEANING.values()])
def test_an_error_code_has_a_line(code: str) -> None:
    assert words("errors.md").get(code)


@pytest.mark.parametrize("code", [*REASONS, *RejectReason])
def test_a_reason_has_a_line(code: str) -> None:
    assert words("reasons.md").get(code)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method}{route.path}")
def test_a_route_has_a_line(route) -> None:
    assert words("hub-api.md").get(f"{route.method} {route.path}")


@pytest.mark.parametrize("command", [path for path, _ in generate.walk_commands()])
def test_a_command_has_a_section_and_each_of_its_options_says_what_it_does(command: str) -> None:
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    section = page.partition(f"## `{command}`\n")[2].partition("\n## ")[0]
    assert section.strip(), "give the command a docstring"
    assert not re.search(r"\|  \|$", section, re.MULTILINE), "give every option a help"


def test_every_command_names_its_act_or_is_listed_as_one_without() -> None:
    commands = {path.removeprefix("aegle ") for path, _ in generate.walk_commands()}
    assert commands == ACTS.keys() | WITHOUT_ACT
    assert not ACTS.keys() & WITHOUT_ACT


def test_every_role_has_its_section_and_only_its_acts() -> None:
    page = (DOCS / "reference" / "roles.md").read_text(encoding="utf-8")
    for (kind, role), acts in ALLOWED.items():
        section = page.partition(f"## {role.value.capitalize()}, {kind.value if kind else 'hub'}\n")[2].partition(
            "\n## "
        )[0]
        assert set(re.findall(r"^\| `([a-z:-]+)`", section, re.MULTILINE)) == {act.value for act in acts}


def test_notes_are_about_routes_that_exist() -> None:
    assert set(generate.NOTES) <= {f"{route.method} {route.path}" for route in ROUTES}

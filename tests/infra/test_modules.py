"""Each module's README: its example is applied as it stands, and its tables name every input and output."""

import re
from pathlib import Path
from typing import Any

import pytest

from aegle.provision import blueprint
from infra.cloud import open_cloud

MODULES = sorted(path.name for path in (blueprint.folder() / "modules").iterdir())
_PROVIDERS = 'terraform {\n  required_providers {\n    google = { source = "hashicorp/google" }\n  }\n}\n'


def readme(module: str) -> str:
    return (blueprint.folder() / "modules" / module / "README.md").read_text()


@pytest.mark.peer("terraform")
@pytest.mark.parametrize("module", MODULES)
def test_the_example_is_applied_as_it_stands(module: str, tmp_path: Path) -> None:
    example = re.search(r"```hcl\n(.*?)```", readme(module), re.DOTALL)[1]
    made = re.search(r"Among what it makes: `(.+?)`", readme(module))[1]
    with open_cloud(tmp_path) as cloud:
        root = blueprint.copy_to(tmp_path) / "example"
        root.mkdir()
        (root / "main.tf").write_text(_PROVIDERS + example)
        (root / "jenkins.war").write_bytes(b"a war")
        terraform = cloud.at(root)
        assert cloud.apply(terraform, {})
        addresses = {resource.rpartition(f"module.{module}.")[2] for resource in _addresses(terraform.state())}
    assert made in addresses


def _addresses(state: dict[str, Any]) -> set[str]:
    found, modules = set(), [state["values"]["root_module"]]
    while modules:
        module = modules.pop()
        found |= {item["address"] for item in module.get("resources", ())}
        modules += module.get("child_modules", ())
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_input_and_output_has_its_line(module: str) -> None:
    for file in ("variables.tf", "outputs.tf"):
        text = (blueprint.folder() / "modules" / module / file).read_text()
        for name, about in re.findall(r'(?:variable|output) "(\w+)" \{\n\s+description = "((?:[^"\\]|\\.)*)"', text):
            assert f"| `{name}` | {about} |" in readme(module)
        assert len(re.findall(r'^(?:variable|output) "', text, re.MULTILINE)) == text.count("description = ")

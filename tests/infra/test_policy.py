"""Every assertion of the policy notices its own mutations of the blueprint, and nothing else does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aegle.errors import BadConfig
from aegle.provision.policy import ASSERTIONS, examine
from aegle.provision.terraform import Terraform
from infra import estates
from infra.cloud import Cloud, open_cloud
from infra.mutations import MUTATIONS, Mutation, batches

pytestmark = pytest.mark.peer("terraform")


@dataclass(frozen=True, kw_only=True)
class Estate:
    """Both roots applied, with what was given to them and what was made."""

    roots: dict[str, Terraform]
    inputs: dict[str, dict[str, Any]]
    states: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with open_cloud(tmp_path_factory.mktemp("policy"), roles=frozenset()) as cloud:
        foundation = cloud.root("foundation")
        cloud.apply(foundation, estates.FOUNDATION)
        inputs = estates.platform(**foundation.outputs()["estate"])
        platform = cloud.at(foundation.root.parent / "platform")
        cloud.apply(platform, inputs)
        yield Estate(
            roots={"foundation": foundation, "platform": platform},
            inputs={"foundation": estates.FOUNDATION, "platform": inputs},
            states={"foundation": foundation.state(), "platform": platform.state()},
        )


def test_the_blueprint_as_it_stands_passes(estate: Estate) -> None:
    assert {name: found for name, found in examine(*estate.states.values()).items() if found} == {}


@pytest.mark.parametrize("root", ["foundation", "platform"])
def test_a_plan_from_nothing_passes_though_google_has_not_spoken_yet(root: str, cloud: Cloud, estate: Estate) -> None:
    terraform = cloud.root(root)
    terraform.plan(estate.inputs[root])
    assert {name: found for name, found in examine(terraform.planned()).items() if found} == {}


@pytest.mark.parametrize("group", batches(), ids=lambda group: f"{group[0].root}-{len(group)}")
def test_mutations_are_caught_each_by_its_own_assertion(group: list[Mutation], estate: Estate) -> None:
    assert spoiled(estate, *group) == {mutation.caught_by for mutation in group}


@pytest.mark.soak
@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda mutation: f"{mutation.caught_by}-{mutation.file}-{mutation.new[:30]}"
)
def test_a_mutation_alone_is_caught_by_its_own_assertion_alone(mutation: Mutation, estate: Estate) -> None:
    assert spoiled(estate, mutation) == {mutation.caught_by}


def spoiled(estate: Estate, *mutations: Mutation) -> set[str]:
    """Assertions that notice something in the plan of a blueprint with these mutations, on top of what was applied."""
    root = mutations[0].root
    terraform = estate.roots[root]
    files = {terraform.root.parent / mutation.file: mutation for mutation in mutations}
    sound = {file: file.read_text() for file in files}
    try:
        for file, mutation in files.items():
            file.write_text(mutation.of(sound[file]))
        terraform.plan(estate.inputs[root], refresh=False)
    finally:
        for file, text in sound.items():
            file.write_text(text)
    others = [state for other, state in estate.states.items() if other != root]
    return {name for name, found in examine(*others, terraform.planned()).items() if found}


def test_every_assertion_has_a_mutation_and_there_are_forty() -> None:
    assert {mutation.caught_by for mutation in MUTATIONS} == {assertion.__name__ for assertion in ASSERTIONS}
    assert len(MUTATIONS) >= 40


def test_what_is_no_document_of_terraform_is_refused() -> None:
    with pytest.raises(BadConfig, match="terraform show -json"):
        examine({"format_version": "1.0"})

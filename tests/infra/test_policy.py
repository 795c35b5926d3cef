"""Every assertion of the policy notices its own mutations of the blueprint, and nothing else does."""

from collections.abc import Iterator

import pytest

from aegle.errors import BadConfig
from aegle.provision.policy import ASSERTIONS, examine
from aegle.provision.terraform import Terraform
from infra import kept
from infra.mutations import MUTATIONS, Mutation, batches

pytestmark = pytest.mark.peer("terraform")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Terraform]]:
    with kept.whole().open(tmp_path_factory.mktemp("policy"), roles=frozenset()) as cloud:
        foundation = cloud.root("foundation")
        yield {"foundation": foundation, "platform": cloud.at(foundation.root.parent / "platform")}


def test_the_blueprint_as_it_stands_passes() -> None:
    assert {name: found for name, found in examine(*kept.whole().states.values()).items() if found} == {}


@pytest.mark.parametrize("root", ["foundation", "platform"])
def test_a_plan_from_nothing_passes_though_google_has_not_spoken_yet(root: str) -> None:
    assert {name: found for name, found in examine(kept.whole().plans[root]).items() if found} == {}


@pytest.mark.parametrize("group", batches(), ids=lambda group: f"{group[0].root}-{len(group)}")
def test_mutations_are_caught_each_by_its_own_assertion(group: list[Mutation], roots: dict[str, Terraform]) -> None:
    assert spoiled(roots, *group) == {name for mutation in group for name in mutation.noticed}


@pytest.mark.soak
@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda mutation: f"{mutation.caught_by}-{mutation.file}-{mutation.new[:30]}"
)
def test_a_mutation_alone_is_caught_by_its_own_assertion_alone(mutation: Mutation, roots: dict[str, Terraform]) -> None:
    assert spoiled(roots, mutation) == mutation.noticed


def spoiled(roots: dict[str, Terraform], *mutations: Mutation) -> set[str]:
    """Assertions that notice something in the plan of a blueprint with these mutations, on top of what was applied."""
    root = mutations[0].root
    terraform = roots[root]
    sound = {file: file.read_text() for file in (terraform.root.parent / mutation.file for mutation in mutations)}
    try:
        for number, mutation in enumerate(mutations):
            file = terraform.root.parent / mutation.file
            file.write_text(mutation.of(file.read_text(), number))
        terraform.plan(kept.whole().inputs[root], refresh=False)
    finally:
        for file, text in sound.items():
            file.write_text(text)
    others = [state for other, state in kept.whole().states.items() if other != root]
    return {name for name, found in examine(*others, terraform.planned()).items() if found}


def test_every_assertion_has_a_mutation_and_there_are_forty() -> None:
    assert {mutation.caught_by for mutation in MUTATIONS} == {assertion.__name__ for assertion in ASSERTIONS}
    assert len(MUTATIONS) >= 40


def test_what_is_no_document_of_terraform_is_refused() -> None:
    with pytest.raises(BadConfig, match="terraform show -json"):
        examine({"format_version": "1.0"})

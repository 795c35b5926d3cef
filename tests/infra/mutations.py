"""The mutations of `mutations.yaml`, one by one or several at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """Text of one file replaced, or added at its end where there is nothing to replace."""

    caught_by: str
    file: str
    old: str = ""
    new: str

    @property
    def root(self) -> str:
        """The root whose plan shows it."""
        return "foundation" if self.file.startswith(("foundation/", "modules/project/")) else "platform"

    def of(self, sound: str) -> str:
        """The file's text, spoiled."""
        assert self.old in sound, f"the blueprint has moved on: mend the mutation of {self.file}"
        return sound.replace(self.old, self.new) if self.old else f"{sound}\n{self.new}"


MUTATIONS: Final = tuple(
    Mutation(**item) for item in YAML(typ="safe").load((Path(__file__).parent / "mutations.yaml").read_text())
)


def batches() -> list[list[Mutation]]:
    """All mutations in few groups: in one group no file and no assertion comes twice, and all are of one root."""
    groups: list[list[Mutation]] = []
    for mutation in MUTATIONS:
        group = next((group for group in groups if all(_together(mutation, other) for other in group)), None)
        if group is None:
            groups.append(group := [])
        group.append(mutation)
    return groups


def _together(one: Mutation, other: Mutation) -> bool:
    return one.root == other.root and one.file != other.file and one.caught_by != other.caught_by

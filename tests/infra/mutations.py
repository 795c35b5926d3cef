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
    also: tuple[str, ...] = ()  #: assertions that notice it too, for a reason of their own
    apart: bool = False  #: hides what others show

    @property
    def noticed(self) -> frozenset[str]:
        """Everything that must notice it."""
        return frozenset({self.caught_by, *self.also})

    @property
    def root(self) -> str:
        """The root whose plan shows it."""
        return "foundation" if self.file.startswith(("foundation/", "modules/project/")) else "platform"

    def of(self, sound: str, number: int = 0) -> str:
        """The file's text, spoiled; what is added is named by the number."""
        assert self.old in sound, f"the blueprint has moved on: mend the mutation of {self.file}"
        new = self.new.replace('"mutation"', f'"mutation-{number}"')
        return sound.replace(self.old, new) if self.old else f"{sound}\n{new}"


MUTATIONS: Final = tuple(
    Mutation(**item) for item in YAML(typ="safe").load((Path(__file__).parent / "mutations.yaml").read_text())
)


def batches() -> list[list[Mutation]]:
    """All mutations in few groups: in one group no assertion comes twice, no two touch one text, all are of one root."""
    groups: list[list[Mutation]] = []
    for mutation in MUTATIONS:
        group = next((group for group in groups if all(_together(mutation, other) for other in group)), None)
        if group is None:
            groups.append(group := [])
        group.append(mutation)
    return groups


def _together(one: Mutation, other: Mutation) -> bool:
    if one.apart or other.apart or one.root != other.root:
        return False
    return one.noticed.isdisjoint(other.noticed) and not _touch(one, other)


def _touch(one: Mutation, other: Mutation) -> bool:
    """Whether one would no longer find its text after the other."""
    return one.file == other.file and bool(one.old and other.old) and (one.old in other.old or other.old in one.old)

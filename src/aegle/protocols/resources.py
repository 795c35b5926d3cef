"""Paths to what they name: `/studies/{study}/frames/{frames}`; the last piece of a pattern may be `{name:path}`."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

from aegle.errors import NotFound

Route = TypeVar("Route")
_Resource = tuple[tuple[str, ...], dict[str, Route]]


class Resources(Generic[Route]):
    """Every resource with its routes by method."""

    def __init__(self, routes: Iterable[tuple[str, str, Route]]) -> None:
        """Of (pattern, method, route)."""
        by_pattern: dict[str, dict[str, Route]] = {}
        for pattern, method, route in routes:
            by_pattern.setdefault(pattern, {})[method] = route
        self._by_length: dict[int, list[_Resource[Route]]] = {}
        self._deep: list[_Resource[Route]] = []
        for pattern, by_method in by_pattern.items():
            pieces = _pieces(pattern)
            alike = self._deep if _is_deep(pieces) else self._by_length.setdefault(len(pieces), [])
            alike.append((pieces, by_method))

    def find(self, path: str) -> tuple[Mapping[str, Route], dict[str, str]]:
        """The routes of the resource by method, and what its path names. A slash at the end changes nothing. Raises NotFound."""
        parts = tuple(map(unquote, _pieces(path)))
        for pattern, by_method in (*self._by_length.get(len(parts), ()), *self._deep):
            names = _match(pattern, parts)
            if names is not None:
                return by_method, names
        raise NotFound("there is no such resource")


def _pieces(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").removesuffix("/").split("/"))


def _is_deep(pattern: tuple[str, ...]) -> bool:
    return pattern[-1].endswith(":path}")


def _match(pattern: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    if _is_deep(pattern):
        if len(parts) < len(pattern):
            return None
        last = len(pattern) - 1
        parts = (*parts[:last], "/".join(parts[last:]))
    names = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted[:1] == "{":
            names[wanted[1:-1].removesuffix(":path")] = part
        elif wanted != part:
            return None
    return names

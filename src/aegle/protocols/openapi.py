"""The endpoint described in OpenAPI 3.1, made from the table of its routes."""

from collections.abc import Sequence
from typing import Any, Protocol

from pydicom.datadict import keyword_for_tag

from aegle import __version__
from aegle.dicom.levels import KEYS, LEVELS
from aegle.protocols.qido import LIMIT_MAX, OFFSET_MAX
from aegle.records import Level

_UID = {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+$", "maxLength": 64}
_NAMES = {
    "frames": {"type": "string", "pattern": r"^[0-9]{1,9}(,[0-9]{1,9})*$"},
    "where": {"type": "string", "pattern": r"^[0-9A-F]{8}(/[0-9]{1,9}/[0-9A-F]{8})*$"},
}
_STATUSES = {
    "400": "a name or parameter that cannot be used",
    "401": "no grant, or one that does not hold",
    "403": "the grant is for something else",
    "406": "a form of answer that is not offered",
    "413": "over a bound, or a search that is too broad",
}


class Described(Protocol):
    """What is told of a route."""

    @property
    def path(self) -> str:
        """Its template."""

    @property
    def method(self) -> str:
        """Its method."""

    @property
    def says(self) -> str:
        """What it is for."""


def openapi(routes: Sequence[Described]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path.replace(":path", ""), {})[route.method.lower()] = _operation(route)
    grant = {"type": "http", "scheme": "bearer", "description": "a grant for one study, or for the archive"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Aegle archive (DICOMweb, PS3.18)", "version": __version__},
        "security": [{"grant": []}],
        "components": {"securitySchemes": {"grant": grant}},
        "paths": paths,
    }


def _operation(route: Described) -> dict[str, Any]:
    search = route.says.startswith("Search")
    statuses = {"200": "as asked for", **_STATUSES}
    if search:
        statuses["204"] = "nothing matches"
    elif "{study}" in route.path:
        statuses["404"] = "nothing of that name"
    operation: dict[str, Any] = {
        "summary": route.says,
        "parameters": [*_in_path(route.path.replace(":path", "")), *(_in_query(route.path) if search else [])],
        "responses": {status: {"description": text} for status, text in sorted((statuses | _own(route)).items())},
    }
    if route.method == "POST":
        body = {"multipart/related": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _own(route: Described) -> dict[str, str]:
    if route.method == "POST":
        return {"202": "some were taken", "409": "none was taken", "415": "not multipart/related of application/dicom"}
    return {"204": "deleted"} if route.method == "DELETE" else {}


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [piece.strip("{}") for piece in path.split("/") if piece.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _NAMES.get(name, _UID)} for name in names]


def _in_query(path: str) -> list[dict[str, Any]]:
    last = path.rpartition("/")[2]
    level = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.INSTANCE}[last]
    text: dict[str, Any] = {"type": "string", "maxLength": 256}
    plain: dict[str, dict[str, Any]] = {
        "limit": {"type": "integer", "minimum": 0, "maximum": LIMIT_MAX},
        "offset": {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX},
        "after": text,
        "fuzzymatching": {"type": "boolean"},
        "includefield": text,
    }
    keys = [keyword_for_tag(int(key.tag, 16)) for key in KEYS if LEVELS.index(key.level) <= LEVELS.index(level)]
    schemas = plain | dict.fromkeys(keys, text)
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]

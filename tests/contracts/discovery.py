"""Google's own description of its JSON interfaces (discovery documents), which the doubles hold every call and answer against.

The documents are read out of the wheel of google-api-python-client (Apache-2.0), which is downloaded and never installed
(`make providers`): the clients of these services have no message types of their own, and read the same documents. Without the
wheel nothing is compared; `test_interfaces.py` says so.
"""

import functools
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(os.environ.get("AEGLE_PROVIDERS", Path(__file__).parents[2] / ".venv" / "providers"))
_DOCUMENTS: Final = {"bigquery": "v2", "monitoring": "v3", "sqladmin": "v1", "storage": "v1"}
_WHOLE_NUMBERS: Final = frozenset({"int64", "uint64"})


def wheel() -> Path | None:
    """The wheel, when it was downloaded."""
    return next(iter(sorted(FOLDER.glob("google_api_python_client-*.whl"))), None)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of a service."""

    verb: str
    path: re.Pattern[str]
    parameters: frozenset[str]
    request: str | None  #: name of a schema
    response: str | None


class Interface:
    """One service, as Google describes it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.schemas: Mapping[str, Any] = document["schemas"]
        self.methods = list(_methods(document, document))

    def check(self, verb: str, path: str, query: Mapping[str, Any], body: bytes, answer: bytes) -> Iterator[str]:
        """What of a call and its answer Google does not know; `path` without the host."""
        found = next((it for it in self.methods if it.verb == verb and it.path.fullmatch(path)), None)
        if found is None:
            yield f"there is no {verb} {path}"
            return
        yield from (f"{verb} {path} has no parameter {name}" for name in query.keys() - found.parameters)
        if found.request and query.get("uploadType") != ["media"]:
            yield from self.against(found.request, json.loads(body or b"{}"))
        if found.response and query.get("alt") != ["media"]:
            yield from self.against(found.response, json.loads(answer))

    def against(self, schema: str, value: Any) -> Iterator[str]:
        """What of a value is not of the schema."""
        return self._value({"$ref": schema}, value, schema)

    def _value(self, kind: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        kind = self.schemas[kind["$ref"]] if "$ref" in kind else kind
        match kind["type"]:
            case "object" if isinstance(value, dict):
                yield from self._object(kind, value, where)
            case "array" if isinstance(value, list):
                for item in value:
                    yield from self._value(kind["items"], item, f"{where}[]")
            case "any":
                return
            case simple if not _fits(simple, kind, value):
                yield f"{where} is {type(value).__name__}, not {kind.get('format', simple)}"
            case _ if value not in kind.get("enum", [value]):
                yield f"{where} is none of {kind['enum']}"

    def _object(self, kind: Mapping[str, Any], value: Mapping[str, Any], where: str) -> Iterator[str]:
        known, others = kind.get("properties", {}), kind.get("additionalProperties")
        for name, item in value.items():
            inner = known.get(name, others)
            if inner is None:
                yield f"{where} has no {name}"
            elif item is not None:
                yield from self._value(inner, item, f"{where}.{name}")


def _fits(simple: str, kind: Mapping[str, Any], value: Any) -> bool:
    """Whole numbers of 64 bits are strings in Google's JSON, and are taken as numbers too where Google sends none."""
    match simple:
        case "string" if kind.get("format") in _WHOLE_NUMBERS:
            return isinstance(value, int) or (isinstance(value, str) and value.lstrip("-").isdigit())
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return False


def _methods(part: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Method]:
    for it in part.get("methods", {}).values():
        own = it.get("parameters", {})
        upload = it.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path")
        for path in filter(None, (document["servicePath"] + it["path"], upload)):
            yield Method(
                verb=it["httpMethod"],
                path=_pattern(path.lstrip("/"), own),
                parameters=frozenset(own) | frozenset(document["parameters"]) | {"uploadType"},
                request=it.get("request", {}).get("$ref"),
                response=it.get("response", {}).get("$ref"),
            )
    for below in part.get("resources", {}).values():
        yield from _methods(below, document)


def _pattern(path: str, parameters: Mapping[str, Any]) -> re.Pattern[str]:
    parts = re.split(r"\{(\+?)(\w+)\}", path)
    text = re.escape(parts[0])
    for _, name, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        stated = parameters.get(name, {}).get("pattern", "^[^/]+$")
        text += f"(?:{stated.removeprefix('^').removesuffix('$')}){re.escape(after)}"
    return re.compile(text)


@functools.cache
def interface(service: str) -> Interface | None:
    """A service's description; None where the wheel is not there or says nothing of it."""
    found = wheel()
    if found is None or service not in _DOCUMENTS:
        return None
    with zipfile.ZipFile(found) as packed:
        name = f"googleapiclient/discovery_cache/documents/{service}.{_DOCUMENTS[service]}.json"
        return Interface(json.loads(packed.read(name)))

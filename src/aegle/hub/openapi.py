"""The OpenAPI description of the hub, made from its tables of routes."""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from aegle.errors import MEANING
from aegle.hub.routes import Route

Schema = dict[str, Any]
_Kind = tuple[Any, Literal["validation", "serialization"]]

_REF = "#/components/schemas/{model}"
_ERROR: Schema = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "enum": sorted({meaning.code for meaning in MEANING.values()})},
        "detail": {"type": "string", "description": "The fact and the remedy; never a patient's value."},
    },
}
_CREDENTIAL: Schema = {
    "type": "http",
    "scheme": "bearer",
    "description": "`NAME.SECRET` of a site, or `operator.SECRET`",
}


def describe(app: FastAPI, routes: Sequence[Route]) -> None:
    """Give the application its description, made when it is first asked for."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, routes)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI, routes: Sequence[Route]) -> Schema:
    document: Schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas, definitions = _schemas(routes)
    for route in routes:
        document["paths"][route.path][route.method.lower()].update(_operation(route, schemas))
    document["components"] = {
        "schemas": {"Error": _ERROR, **definitions},
        "securitySchemes": {"credential": _CREDENTIAL},
    }
    return document


def _operation(route: Route, schemas: dict[_Kind, Schema]) -> Schema:
    good = schemas[route.gives, "serialization"] if route.gives else {"type": "object"}
    operation: Schema = {
        "security": [{"credential": []}],
        "parameters": _parameters(route),
        "responses": {
            "200": {"description": "Done.", "content": _json(good)},
            "default": {
                "description": "Refused or unavailable.",
                "content": _json({"$ref": _REF.format(model="Error")}),
            },
        },
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": _json(schemas[route.takes, "validation"])}
    return operation


def _schemas(routes: Sequence[Route]) -> tuple[dict[_Kind, Schema], Schema]:
    """The schema of each message, and the definitions they refer to."""
    takes: set[_Kind] = {(route.takes, "validation") for route in routes if route.takes is not None}
    gives: set[_Kind] = {(route.gives, "serialization") for route in routes if route.gives is not None}
    inputs: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
        (kind, mode, TypeAdapter(kind)) for kind, mode in sorted(takes | gives, key=str)
    ]
    schemas, rest = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return schemas, rest.get("$defs", {})


def _parameters(route: Route) -> list[Schema]:
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in in_path),
        *({"name": name, "in": "query", "required": False, "schema": text} for name in route.query),
    ]


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}

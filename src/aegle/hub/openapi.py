"""The OpenAPI description of the hub's tables of routes."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from aegle.errors import MEANING
from aegle.hub.routes import Route

_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "enum": sorted({meaning.code for meaning in MEANING.values()})},
        "detail": {"type": "string", "description": "The fact and the remedy; never a patient's value."},
    },
}


def operation(route: Route) -> dict[str, Any]:
    """What FastAPI's `add_api_route` is told of a route beside its path."""
    extra: dict[str, Any] = {"security": [{"credential": []}], "parameters": _parameters(route)}
    if route.takes is not None:
        extra["requestBody"] = {"required": True, "content": _json(_schema(route.takes))}
    good = {"description": "Done.", "content": _json(_schema(route.gives) if route.gives else {"type": "object"})}
    error = {"description": "Refused or unavailable.", "content": _json({"$ref": _REF.format(model="Error")})}
    return {"openapi_extra": extra, "responses": {200: good, "default": error}, "response_model": None}


def describe(app: FastAPI, routes: Iterable[Route]) -> None:
    """Give the application its description, made once when first asked for."""
    routes = tuple(routes)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            document.setdefault("components", {}).update(_components(routes))
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _components(routes: Iterable[Route]) -> dict[str, Any]:
    schemas: dict[str, Any] = {"Error": _ERROR}
    for route in routes:
        for kind in (route.takes, route.gives):
            if kind is not None:
                schemas.update(_whole_schema(kind).get("$defs", {}))
    credential = {"type": "http", "scheme": "bearer", "description": "NAME.SECRET of a site, or operator.SECRET"}
    return {"schemas": schemas, "securitySchemes": {"credential": credential}}


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in in_path),
        *({"name": name, "in": "query", "required": False, "schema": text} for name in route.query),
    ]


def _whole_schema(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema(ref_template=_REF)


def _schema(kind: Any) -> dict[str, Any]:
    return {key: value for key, value in _whole_schema(kind).items() if key != "$defs"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

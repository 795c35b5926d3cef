"""Answers terraform's calls from a World, under the provider's own schema."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from infra.standin import rules, world
from infra.standin.wire import MESSAGES, UNKNOWN, error, pack, schema, unpack
from infra.standin.world import Refusal, World

Shape = dict[str, Any]


class Provider:
    """One provider of one version. Method names are the protocol's."""

    def __init__(self, declared: dict[str, Any], cloud: World, roles: frozenset[str]) -> None:
        self._resources: Final[dict[str, Shape]] = declared["resources"]
        self._cloud, self._roles = cloud, roles
        entry = MESSAGES["SchemaEntry"]
        self._schema = MESSAGES["GetProviderSchema"](
            provider=schema(declared["provider"]),
            resource_schemas=[entry(key=kind, value=schema(shape)) for kind, shape in self._resources.items()],
            server_capabilities=MESSAGES["ServerCapabilities"](),
        )

    def GetProviderSchema(self, request: Any) -> Any:
        return self._schema

    def ValidateProviderConfig(self, request: Any) -> Any:
        return MESSAGES["ProviderConfigResponse"]()

    def StopProvider(self, request: Any) -> Any:
        return MESSAGES["Empty"]()

    def ConfigureProvider(self, request: Any) -> Any:
        self._cloud.project = (unpack(request.config) or {}).get("project")
        return MESSAGES["DiagnosticsResponse"]()

    def ValidateResourceConfig(self, request: Any) -> Any:
        values, shape = unpack(request.config), self._resources[request.type_name]
        found = [*rules.of_arguments(request.type_name, shape, values, self._roles)]
        return MESSAGES["DiagnosticsResponse"](diagnostics=[error(*one) for one in found])

    def UpgradeResourceState(self, request: Any) -> Any:
        return MESSAGES["UpgradeResponse"](upgraded_state=MESSAGES["DynamicValue"](json=request.raw_state.json))

    def ReadResource(self, request: Any) -> Any:
        prior = unpack(request.current_state)
        return MESSAGES["ReadResponse"](new_state=pack(self._cloud.read(request.type_name, prior["id"])))

    def PlanResourceChange(self, request: Any) -> Any:
        prior, wanted = unpack(request.prior_state), unpack(request.proposed_new_state)
        if wanted is None:
            return MESSAGES["PlanResponse"](planned_state=request.proposed_new_state)
        if prior is None:
            planned, replaced = _undecided(self._resources[request.type_name], wanted), []
        else:
            planned, replaced = wanted, world.replaced_by(request.type_name, prior, wanted, UNKNOWN)
        # A write-only value is in the configuration alone; the real provider too answers with nothing in its place.
        planned |= {name: None for name in planned if name.endswith("_wo")}
        path, step = MESSAGES["AttributePath"], MESSAGES["Step"]
        return MESSAGES["PlanResponse"](
            planned_state=pack(planned),
            requires_replace=[path(steps=[step(attribute_name=name)]) for name in replaced],
            legacy_type_system=True,  # as the real provider, which is built on the older SDK
        )

    def ApplyResourceChange(self, request: Any) -> Any:
        kind, prior, planned = request.type_name, unpack(request.prior_state), unpack(request.planned_state)
        answer = MESSAGES["ApplyResponse"]
        try:
            if planned is None:
                self._cloud.delete(kind, prior["id"], prior)
                return answer(new_state=request.planned_state)
            made = self._make(kind, prior, planned)
        except Refusal as refusal:
            word = "deleting" if planned is None else "updating" if prior else "creating"
            return answer(new_state=request.prior_state, diagnostics=[error(f"Error {word} {kind}", str(refusal))])
        return answer(new_state=pack(made), legacy_type_system=True)

    def _make(self, kind: str, prior: dict[str, Any] | None, planned: dict[str, Any]) -> dict[str, Any]:
        with self._cloud.lock:
            for summary, *_ in rules.against_others(kind, planned, self._cloud):
                raise Refusal(summary)
            identity, decided = (prior["id"], prior) if prior else self._cloud.create(kind, planned)
            made = _decided(self._resources[kind], planned, decided.get)
            self._cloud.keep("update" if prior else "create", kind, identity, made)
            return made

    def ImportResourceState(self, request: Any) -> Any:
        found = self._cloud.read(request.type_name, request.id)
        if found is None:
            return MESSAGES["ImportResponse"](diagnostics=[error(f"Cannot import {request.id}: it does not exist")])
        imported = MESSAGES["Imported"](type_name=request.type_name, state=pack(found))
        return MESSAGES["ImportResponse"](imported_resources=[imported])


def _undecided(shape: Shape, values: dict[str, Any]) -> dict[str, Any]:
    """What is computed and not given becomes known only while applying, at every depth."""
    planned = dict(values)
    for name, attribute in shape["attributes"].items():
        if attribute.get("computed") and planned.get(name) is None:
            planned[name] = UNKNOWN
    for name, below in _blocks(shape):
        planned[name] = _each(planned.get(name), lambda item, below=below: _undecided(below, item))
    return planned


def _decided(shape: Shape, values: dict[str, Any], given: Callable[[str], Any]) -> dict[str, Any]:
    """Every unknown filled: by what Google decides, else by the empty value of its type."""
    made = dict(values)
    for name, attribute in shape["attributes"].items():
        if made.get(name) is UNKNOWN:
            decided = given(name)
            made[name] = _empty(attribute["type"]) if decided is None else decided
    for name, below in _blocks(shape):
        made[name] = _each(made.get(name), lambda item, below=below: _decided(below, item, lambda _: None))
    return made


def _blocks(shape: Shape) -> Iterator[tuple[str, Shape]]:
    return ((name, below["block"]) for name, below in shape["blocks"].items() if name != "timeouts")


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A nested block's value with each object changed; what is null or unknown stays."""
    if isinstance(value, list):
        return [change(item) if isinstance(item, dict) else item for item in value]
    return change(value) if isinstance(value, dict) else value


def _empty(kind: Any) -> Any:
    if isinstance(kind, str):
        return {"string": "", "number": 0, "bool": False}.get(kind)
    if kind[0] == "object":
        return {name: _empty(inner) for name, inner in kind[1].items()}
    return {} if kind[0] == "map" else []

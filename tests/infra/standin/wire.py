"""Terraform's plugin protocol 6, as far as the stand-in speaks it: a table of messages, and values packed for the wire."""

import json
from typing import Any, Final

import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TABLE: Final = """
DynamicValue: bytes msgpack 1, bytes json 2
Step: string attribute_name 1, string element_key_string 2, int64 element_key_int 3
AttributePath: Step* steps 1
Diagnostic: int32 severity 1, string summary 2, string detail 3, AttributePath attribute 4
RawState: bytes json 1
Attribute: string name 1, bytes type 2, bool required 4, bool optional 5, bool computed 6, bool write_only 11
NestedBlock: string type_name 1, Block block 2, int32 nesting 3, int64 min_items 4, int64 max_items 5
Block: int64 version 1, Attribute* attributes 2, NestedBlock* block_types 3
Schema: int64 version 1, Block block 2
SchemaEntry: string key 1, Schema value 2
ServerCapabilities: bool plan_destroy 1, bool get_provider_schema_optional 2
Empty:
GetProviderSchema: Schema provider 1, SchemaEntry* resource_schemas 2, SchemaEntry* data_source_schemas 3, \
ServerCapabilities server_capabilities 6
ConfigRequest: DynamicValue config 1
ProviderConfigResponse: Diagnostic* diagnostics 2
TypedConfigRequest: string type_name 1, DynamicValue config 2
DiagnosticsResponse: Diagnostic* diagnostics 1
ConfigureRequest: string terraform_version 1, DynamicValue config 2
UpgradeRequest: string type_name 1, int64 version 2, RawState raw_state 3
UpgradeResponse: DynamicValue upgraded_state 1, Diagnostic* diagnostics 2
ReadRequest: string type_name 1, DynamicValue current_state 2
ReadResponse: DynamicValue new_state 1, Diagnostic* diagnostics 2
PlanRequest: string type_name 1, DynamicValue prior_state 2, DynamicValue proposed_new_state 3, DynamicValue config 4
PlanResponse: DynamicValue planned_state 1, AttributePath* requires_replace 2, Diagnostic* diagnostics 4, \
bool legacy_type_system 5
ApplyRequest: string type_name 1, DynamicValue prior_state 2, DynamicValue planned_state 3, DynamicValue config 4
ApplyResponse: DynamicValue new_state 1, Diagnostic* diagnostics 3, bool legacy_type_system 4
ImportRequest: string type_name 1, string id 2
Imported: string type_name 1, DynamicValue state 2
ImportResponse: Imported* imported_resources 1, Diagnostic* diagnostics 2
"""

METHODS: Final = {
    "GetProviderSchema": ("Empty", "GetProviderSchema"),
    "ValidateProviderConfig": ("ConfigRequest", "ProviderConfigResponse"),
    "ValidateResourceConfig": ("TypedConfigRequest", "DiagnosticsResponse"),
    "ConfigureProvider": ("ConfigureRequest", "DiagnosticsResponse"),
    "UpgradeResourceState": ("UpgradeRequest", "UpgradeResponse"),
    "ReadResource": ("ReadRequest", "ReadResponse"),
    "PlanResourceChange": ("PlanRequest", "PlanResponse"),
    "ApplyResourceChange": ("ApplyRequest", "ApplyResponse"),
    "ImportResourceState": ("ImportRequest", "ImportResponse"),
    "StopProvider": ("Empty", "Empty"),
}
"""Each call of the protocol that we answer, with the names of its request and response."""

SERVICE: Final = "tfplugin6.Provider"
UNKNOWN: Final = object()
"""A value that is decided while applying."""


def _messages() -> dict[str, Any]:
    """Message classes by name, made from the table."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="aegle/standin.proto", package="standin", syntax="proto3")
    for line in _TABLE.strip().splitlines():
        name, _, fields = line.partition(":")
        message = file.message_type.add(name=name)
        for field in filter(None, (part.strip() for part in fields.split(","))):
            kind, label, number = field.split()
            scalar = getattr(kinds, f"TYPE_{kind.upper()}", None)
            message.field.add(
                name=label,
                number=int(number),
                label=kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL,
                type=scalar or kinds.TYPE_MESSAGE,
                type_name=None if scalar else f".standin.{kind.rstrip('*')}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"standin.{name}")) for name in names}


MESSAGES: Final = _messages()


def unpack(value: Any) -> Any:
    """A DynamicValue as Python; UNKNOWN where terraform does not know yet, None for null."""
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, raw=False, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def pack(value: Any) -> Any:
    """Python as a DynamicValue."""
    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(_wired(value)))


def _wired(value: Any) -> Any:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\0")
    if isinstance(value, dict):
        return {key: _wired(item) for key, item in value.items()}
    return [_wired(item) for item in value] if isinstance(value, (list, tuple)) else value


def error(summary: str, detail: str = "", path: tuple[str, ...] = ()) -> Any:
    """An error diagnostic, at an attribute where a path is given."""
    steps = [MESSAGES["Step"](attribute_name=part) for part in path]
    where = MESSAGES["AttributePath"](steps=steps) if steps else None
    return MESSAGES["Diagnostic"](severity=1, summary=summary, detail=detail, attribute=where)


_NESTING: Final = {"single": 1, "list": 2, "set": 3, "map": 4}


def block(shape: dict[str, Any]) -> Any:
    """A block's shape (see `bindings`) as the protocol's Block."""
    attributes = [
        MESSAGES["Attribute"](
            name=name,
            type=json.dumps(attribute["type"]).encode(),
            required=attribute.get("required", False),
            optional=attribute.get("optional", False),
            computed=attribute.get("computed", False),
            write_only=name.endswith("_wo"),  # the provider's own way to name them
        )
        for name, attribute in sorted(shape["attributes"].items())
    ]
    nested = [
        MESSAGES["NestedBlock"](
            type_name=name,
            block=block(below["block"]),
            nesting=_NESTING[below["nesting"]],
            min_items=below["min"],
            max_items=below["max"],
        )
        for name, below in sorted(shape["blocks"].items())
    ]
    return MESSAGES["Block"](attributes=attributes, block_types=nested)


def schema(shape: dict[str, Any]) -> Any:
    """A resource's shape as the protocol's Schema."""
    return MESSAGES["Schema"](block=block(shape))

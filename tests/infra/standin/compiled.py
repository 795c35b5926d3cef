"""One compiled binding class (JavaScript) read back as the shape that the provider declared.

A shape is `{"attributes": {name: {"type", "required", "optional", "computed"}}, "blocks": {name: {"nesting", "min", "max",
"block"}}}`, types as terraform writes them in JSON.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

Shape = dict[str, Any]
_CLASS: Final = re.compile(r"^class (\w+) extends cdktn?f?\.(\w+) \{\n(.*?)^\}\n", re.DOTALL | re.MULTILINE)
_FIELD: Final = re.compile(
    r"^ {4}(?: {4})?// (?P<name>[a-z0-9_]+) - computed: (?P<computed>true|false), optional: (?P<optional>true|false), "
    r"required: (?P<required>true|false)\n(?P<rest>.*?)(?=^ {4}(?: {4})?// [a-z0-9_]+ - computed:|^    // =+\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_HCL: Final = re.compile(
    r"^(?: {8}| {12})([a-z0-9_]+): \{\n\s+value: .*?\n\s+isBlock: (true|false),\n\s+type: \"(\w+)\",\n"
    r"\s+storageClassType: \"(\w+)\",",
    re.MULTILINE,
)
_HCL_OF: Final = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}\n", re.DOTALL | re.MULTILINE)
_GETTER: Final = re.compile(r"return (cdktn?f?\.Fn\.tolist\()?this\.(get\w+)\(|this\.interpolationForAttribute\(")
_VERSION: Final = re.compile(r"providerVersion: '([\d.]+)'|providers/hashicorp/google(?:-beta)?/([\d.]+)/")
_BY_GETTER: Final[dict[str, Any]] = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "getStringMapAttribute": ["map", "string"],
    "getNumberMapAttribute": ["map", "number"],
    "getBooleanMapAttribute": ["map", "bool"],
    "getAnyMapAttribute": ["map", "dynamic"],
}
_BY_MAP: Final[dict[str, Any]] = {
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": ["map", "dynamic"],
    "StringMapList": ["list", ["map", "string"]],
}
_BY_STORAGE: Final[dict[str, Any]] = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "stringList": ["list", "string"],
    "numberList": ["list", "number"],
    "stringMap": ["map", "string"],
}
_NESTINGS: Final = {"struct": "single", "list": "list", "set": "set", "map": "map"}


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What one script declares."""

    type_name: str | None  #: None for the provider itself
    version: str  #: of the provider the binding was made from
    shape: Shape


@dataclass(frozen=True, kw_only=True)
class _Script:
    classes: dict[str, tuple[str, str]]  #: name -> (base class, body)
    hcl: dict[
        str, dict[str, tuple[bool, str, str]]
    ]  #: struct, in small letters -> field -> (is block, nesting, storage)


def read(text: str) -> Binding:
    """The binding in a script. Raises LookupError where the compiled form is not what we know."""
    script = _Script(
        classes={found[1]: (found[2], found[3]) for found in _CLASS.finditer(text)},
        hcl={found[1].lower(): _fields(found[2]) for found in _HCL_OF.finditer(text)},
    )
    bases = ("TerraformResource", "TerraformProvider")
    body = next((body for base, body in script.classes.values() if base in bases), None)
    if body is None:
        raise LookupError("no resource class in the script")
    named = re.search(r"tfResourceType = \"(\w+)\"", text)
    version = _VERSION.search(text)
    is_provider = any(base == "TerraformProvider" for base, _ in script.classes.values())
    shape = _provider(_fields(body), script) if is_provider else _block(body, _fields(body), script, ())
    return Binding(
        type_name=None if is_provider else named[1],
        version=(version[1] or version[2]) if version else "",
        shape=shape,
    )


def _fields(body: str) -> dict[str, tuple[bool, str, str]]:
    return {found[1]: (found[2] == "true", found[3], found[4]) for found in _HCL.finditer(body)}


def _block(body: str, fields: dict[str, tuple[bool, str, str]], script: _Script, above: tuple[str, ...]) -> Shape:
    shape: Shape = {"attributes": {}, "blocks": {}}
    for field in _FIELD.finditer(body):
        name = field["name"]
        flags = {flag: True for flag in ("computed", "optional", "required") if field[flag] == "true"}
        made = re.search(rf"= new (cdktn?f?\.|\w+\.)?(\w+)\(this, \"{name}\"(?:, (true|false))?\)", field["rest"])
        if made and not (made[1] or "").startswith("cdkt"):
            nested = _nested(made, fields.get(name), script, above)
            if nested is None:
                continue
            nesting, below, is_block = nested
            if is_block:
                most = 1 if made[2].endswith("OutputReference") and nesting != "single" else 0
                shape["blocks"][name] = {
                    "nesting": nesting,
                    "min": int("required" in flags),
                    "max": most,
                    "block": below,
                }
            else:  # a nested object that only the provider sets is an attribute
                shape["attributes"][name] = {"type": _object(nesting, below), **flags}
        else:
            shape["attributes"][name] = {"type": _BY_MAP[made[2]] if made else _type(field["rest"], name), **flags}
    return shape


def _nested(made: re.Match[str], hcl: Any, script: _Script, above: tuple[str, ...]) -> tuple[str, Shape, bool] | None:
    """(nesting, shape, is a block) of a nested class; None below a class that nests itself a third time."""
    stem = made[2].removesuffix("OutputReference" if made[2].endswith("OutputReference") else "List")
    if above.count(stem) >= 2:
        return None
    _, body = script.classes[f"{stem}OutputReference"]
    below = _block(body, script.hcl.get(stem.lower(), {}), script, (*above, stem))
    is_block, kind, _ = hcl or (False, "", "")
    return _NESTINGS.get(kind) or ("set" if made[3] == "true" else "list"), below, is_block


def _type(rest: str, name: str) -> Any:
    getter = _GETTER.search(rest)
    if getter is None:
        raise LookupError(f"{name} has no getter that we know")
    kind = _BY_GETTER.get(getter[2] or "", "dynamic")
    return ["set", kind[1]] if getter[1] else kind


def _provider(fields: dict[str, tuple[bool, str, str]], script: _Script) -> Shape:
    """The provider's class has no getters, so types come from the table by which it writes HCL; all are optional."""
    shape: Shape = {"attributes": {}, "blocks": {}}
    for name, (is_block, _, storage) in fields.items():
        if is_block:
            below = _provider(script.hcl.get(storage.removesuffix("List").lower(), {}), script)
            shape["blocks"][name] = {"nesting": "list", "min": 0, "max": 1, "block": below}
        else:
            shape["attributes"][name] = {"type": _BY_STORAGE[storage], "optional": True}
    return shape


def _object(nesting: str, shape: Shape) -> Any:
    inner = {name: attribute["type"] for name, attribute in shape["attributes"].items()}
    inner |= {name: _object(below["nesting"], below["block"]) for name, below in shape["blocks"].items()}
    return ["object", inner] if nesting == "single" else [nesting, ["object", inner]]

"""Which operator sets an ONNX file asks for, read from its protobuf without running any of it."""

from collections.abc import Iterator

from aegle.errors import BadBundle

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_OPSET_IMPORT, _DOMAIN = 8, 1  # field numbers of ModelProto and OperatorSetIdProto (onnx.proto)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def operator_domains(model: bytes) -> frozenset[str]:
    """Domains named by the model's `opset_import`; every node's domain must be among them. Raises BadBundle."""
    try:
        imports = [value for number, value in _fields(model) if number == _OPSET_IMPORT]
        if not imports:
            raise BadBundle("models/model.onnx imports no operator set: it is not an ONNX model")
        return frozenset(_domain(value) for value in imports)
    except (IndexError, UnicodeDecodeError) as error:
        raise BadBundle("models/model.onnx is not an ONNX model") from error


def _domain(operator_set: bytes) -> str:
    return next((value.decode() for number, value in _fields(operator_set) if number == _DOMAIN), "")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field; varints and fixed numbers come as empty bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _VARINT:
            _, at = _varint(message, at)
        elif wire == _BYTES:
            length, at = _varint(message, at)
        elif not length:
            raise BadBundle("models/model.onnx is not an ONNX model")
        if at + length > len(message):
            raise BadBundle("models/model.onnx is cut short")
        yield number, message[at : at + length] if wire == _BYTES else b""
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise BadBundle("models/model.onnx is not an ONNX model")

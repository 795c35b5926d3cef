"""Values as BigQuery's JSON interface carries them: query parameters going in, cells of rows coming out.

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter, and `formatOptions.useInt64Timestamp` for times.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARAMETER = {"RECORD": "STRUCT", "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
Field = Mapping[str, Any]  #: name, type, mode and fields, as in a table's schema


def rows_parameter(name: str, columns: Sequence[Field], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A named parameter: an array with a struct for each row."""
    return {
        "name": name,
        "parameterType": {"type": "ARRAY", "arrayType": _struct(columns)},
        "parameterValue": {"arrayValues": [{"structValues": _values(columns, row)} for row in rows]},
    }


def plain(field: Field, cell: Any) -> Any:
    """One cell of an answer as a value that JSON can hold: times in ISO 8601, numbers that are none as None."""
    if field.get("mode") == "REPEATED":
        return [plain({**field, "mode": "NULLABLE"}, item["v"]) for item in cell or ()]
    if cell is None:
        return None
    match field["type"]:
        case "RECORD" | "STRUCT":
            fields = field["fields"]
            return {sub["name"]: plain(sub, item["v"]) for sub, item in zip(fields, cell["f"], strict=True)}
        case "INTEGER" | "INT64":
            return int(cell)
        case "FLOAT" | "FLOAT64" | "NUMERIC" | "BIGNUMERIC":
            number = float(cell)
            return number if number - number == 0 else None  # neither infinite nor a NaN
        case "BOOLEAN" | "BOOL":
            return cell == "true"
        case "TIMESTAMP":
            return (_EPOCH + timedelta(microseconds=int(cell))).isoformat()
        case "JSON":
            return json.loads(cell)
        case _:
            return cell


def _struct(columns: Sequence[Field]) -> dict[str, Any]:
    return {"type": "STRUCT", "structTypes": [{"name": item["name"], "type": _type(item)} for item in columns]}


def _type(field: Field) -> dict[str, Any]:
    name = _PARAMETER.get(field["type"], field["type"])
    single = _struct(field["fields"]) if name == "STRUCT" else {"type": name}
    return {"type": "ARRAY", "arrayType": single} if field["mode"] == "REPEATED" else single


def _values(columns: Sequence[Field], row: Mapping[str, Any]) -> dict[str, Any]:
    return {item["name"]: _value(item, row[item["name"]]) for item in columns}


def _value(field: Field, value: Any) -> dict[str, Any]:
    if field["mode"] == "REPEATED":
        return {"arrayValues": [_value({**field, "mode": "REQUIRED"}, item) for item in value]}
    if field["type"] == "RECORD":
        return {"structValues": _values(field["fields"], value)}
    match value:
        case None:
            return {"value": None}
        case bool():
            return {"value": "true" if value else "false"}
        case datetime():
            return {"value": value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")}
        case _:
            return {"value": str(value)}

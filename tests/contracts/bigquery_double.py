"""BigQuery's `jobs.query` by its documented JSON, on DuckDB: statements are BigQuery's, and so are types and cells.

It refuses what BigQuery would: legacy SQL, another place, parameters whose type is not the column's, rows without a needed
value. Each table has the schema of the blueprint.
"""

import base64
import itertools
import json
import math
import threading
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import sqlglot

from aegle.provision import blueprint

_TYPES = {"RECORD": "STRUCT", "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_FIELDS = {"VARCHAR": "STRING", "DOUBLE": "FLOAT", "FLOAT": "FLOAT", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIME": "TIME",
           "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP": "DATETIME", "BLOB": "BYTES"}  # fmt: skip


class Wrong(Exception):
    """What BigQuery answers 400 to."""


class BigQueryDouble:
    """One project's warehouse."""

    def __init__(self, region: str = "europe-west4", dataset: str = "aegle") -> None:
        self.region, self.dataset = region, dataset
        self.slow = 0  #: this many answers come before a job is done
        self.cancelled: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._jobs: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, str] = {}  #: request id -> job
        self._numbers, self._turn = itertools.count(1), threading.Lock()
        self._tables = json.loads(blueprint.data("modules/warehouse/tables.json"))
        self._database = duckdb.connect()
        self._database.execute(f"SET TimeZone = 'UTC'; CREATE SCHEMA {dataset}; CREATE SCHEMA {dataset}_read")
        for name, table in self._tables.items():
            columns = ", ".join(f"{column['name']} {_declared(column)}" for column in table["columns"])
            self._run(f"CREATE TABLE {dataset}.{name} ({columns})")
        view = (blueprint.folder() / "modules/warehouse/main.tf").read_text()
        query = view.partition("<<-SQL")[2].partition("SQL")[0].replace("`", "")
        query = query.replace("${var.project}.", "").replace("${var.name}", dataset)
        self._run(f"CREATE VIEW {dataset}_read.label_current AS {query}")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What a table holds."""
        found = self._database.cursor().execute(f"SELECT * FROM {self.dataset}.{table}")
        names = [item[0] for item in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        """One call below `/bigquery/v2/projects/PROJECT/`."""
        with self._turn:
            if method == "POST" and path == "queries":
                return self._query(json.loads(body))
            if query.get("location") != [self.region]:
                raise Wrong("no such job in this place")
            if method == "POST" and path.endswith("/cancel"):
                self.cancelled.append(path.split("/")[1])
                return {"kind": "bigquery#jobCancelResponse"}
            return self._page(path.removeprefix("queries/"), int(query.get("pageToken", ["0"])[0]))

    def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        if body["useLegacySql"] or body["location"] != self.region or not body["formatOptions"]["useInt64Timestamp"]:
            raise Wrong("not as this double is asked")
        if body["requestId"] in self._seen:
            return self._page(self._seen[body["requestId"]], 0)
        fields, rows = self._execute(body)
        job = f"job_{next(self._numbers)}"
        self._seen[body["requestId"]] = job
        self._jobs[job] = {"fields": fields, "rows": rows, "page": body.get("maxResults", 10_000), "wait": self.slow}
        return self._page(job, 0)

    def _page(self, name: str, start: int) -> dict[str, Any]:
        job = self._jobs[name]
        reference = {"projectId": "p", "jobId": name, "location": self.region}
        if job["wait"]:
            job["wait"] -= 1
            return {"kind": "bigquery#queryResponse", "jobReference": reference, "jobComplete": False}
        rows, end = job["rows"], start + min(job["page"], 3)  # small pages, so that there are some
        answer = {"jobReference": reference, "jobComplete": True, "schema": {"fields": job["fields"]},
                  "totalRows": str(len(rows)), "rows": rows[start:end]}  # fmt: skip
        return answer | ({"pageToken": str(end)} if end < len(rows) else {})

    def _execute(self, body: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        cursor = self._database.cursor()
        cursor.execute(f"SET search_path = '{body['defaultDataset']['datasetId']}'")
        statement = body["query"]
        try:
            if statement.startswith("MERGE "):
                self._merge(cursor, statement, body["queryParameters"])
                return [], []
            cursor.execute(_as_duckdb(statement))
        except (duckdb.Error, sqlglot.errors.SqlglotError) as error:
            raise Wrong(f"invalidQuery: {error}") from None
        fields = [_field(name, kind) for name, kind, *_ in cursor.description]
        rows = cursor.fetchall()
        return fields, [{"f": [{"v": _cell(f, v)} for f, v in zip(fields, row, strict=True)]} for row in rows]

    def _merge(self, cursor: duckdb.DuckDBPyConnection, statement: str, parameters: list[dict[str, Any]]) -> None:
        table = statement.split()[1]
        columns = self._tables[table]["columns"]
        (parameter,) = parameters
        if parameter["parameterType"]["arrayType"]["structTypes"] != [
            {"name": column["name"], "type": _parameter(column)} for column in columns
        ]:
            raise Wrong("the parameter's type is not the table's")
        rows = [
            [_value(column, item["structValues"][column["name"]]) for column in columns]
            for item in parameter["parameterValue"]["arrayValues"]
        ]
        names = ", ".join(f"{column['name']} {_declared(column)}" for column in columns)
        cursor.execute(_as_duckdb(f"CREATE TEMP TABLE given ({names})"))
        cursor.executemany(f"INSERT INTO given VALUES ({', '.join('?' * len(columns))})", rows)
        cursor.execute(_as_duckdb(statement.replace("UNNEST(@rows)", "given")))
        cursor.execute("DROP TABLE given")

    def _run(self, statement: str) -> None:
        self._database.execute(_as_duckdb(statement))


def _as_duckdb(statement: str) -> str:
    return str(sqlglot.transpile(statement, read="bigquery", write="duckdb")[0])


def _declared(column: dict[str, Any]) -> str:
    kind = column["type"]
    if kind == "RECORD":
        kind = f"STRUCT<{', '.join(sub['name'] + ' ' + sub['type'] for sub in column['fields'])}>"
    if column["mode"] == "REPEATED":
        return f"ARRAY<{kind}>"
    return kind + (" NOT NULL" if column["mode"] == "REQUIRED" else "")


def _parameter(column: dict[str, Any]) -> dict[str, Any]:
    kind = _TYPES.get(column["type"], column["type"])
    single: dict[str, Any] = {"type": kind}
    if kind == "STRUCT":
        single["structTypes"] = [{"name": sub["name"], "type": _parameter(sub)} for sub in column["fields"]]
    return {"type": "ARRAY", "arrayType": single} if column["mode"] == "REPEATED" else single


def _value(column: dict[str, Any], given: dict[str, Any]) -> Any:
    if column["mode"] == "REPEATED":
        return [_value({**column, "mode": "REQUIRED"}, item) for item in given["arrayValues"]]
    if column["type"] == "RECORD":
        return {sub["name"]: _value(sub, given["structValues"][sub["name"]]) for sub in column["fields"]}
    text = given.get("value")
    if text is None:
        return None
    assert isinstance(text, str), "a parameter's value is a string in BigQuery's JSON"
    match column["type"]:
        case "FLOAT64":
            return float(text)
        case "INT64":
            return int(text)
        case "BOOL":
            return {"true": True, "false": False}[text]
        case "TIMESTAMP":
            return datetime.fromisoformat(text)
        case _:
            return text


def _field(name: str, kind: Any) -> dict[str, Any]:
    """A column of an answer, from DuckDB's type."""
    text = str(kind)
    if text.endswith("[]"):
        return {**_field(name, kind.children[0][1]), "mode": "REPEATED"}
    if text.startswith("STRUCT"):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [_field(n, k) for n, k in kind.children]}
    if text.startswith("DECIMAL"):
        return {"name": name, "type": "NUMERIC", "mode": "NULLABLE"}
    return {"name": name, "type": _FIELDS.get(text, "INTEGER"), "mode": "NULLABLE"}


def _cell(field: dict[str, Any], value: Any) -> Any:
    if field["mode"] == "REPEATED":
        return [{"v": _cell({**field, "mode": "NULLABLE"}, item)} for item in value or []]
    match value:
        case None:
            return None
        case dict():
            return {"f": [{"v": _cell(sub, value[sub["name"]])} for sub in field["fields"]]}
        case bool():
            return "true" if value else "false"
        case float():
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(
                value, "NaN" if math.isnan(value) else repr(value)
            )
        case datetime() if field["type"] == "TIMESTAMP":
            return str(round(value.astimezone(UTC).timestamp() * 1_000_000))
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)

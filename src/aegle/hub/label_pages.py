"""The analyst's page: one SELECT over the labels, shown or saved as CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from aegle.access import Act
from aegle.errors import AegleError
from aegle.hub.routes import Services
from aegle.pages.shell import Page, Shell, Visit
from aegle.ports import Table

EXAMPLE = "SELECT site, code, count(*) AS labels\nFROM label_current\nGROUP BY site, code\nORDER BY labels DESC"
ROWS_SHOWN = 500
ROWS_SAVED = 100_000


@dataclass(frozen=True, kw_only=True)
class LabelPages:
    """Label queries: one SELECT, shown or saved."""

    shell: Shell
    services: Services

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        act = Act.HUB_LABELS_QUERY
        return (
            Page(path="/labels", act=act, answer=self.ask),
            Page(path="/labels", act=act, answer=self.run, method="POST"),
            Page(path="/labels.csv", act=act, answer=self.save, method="POST"),
        )

    def ask(self, visit: Visit) -> Response:
        """An empty query."""
        return self._show(visit, EXAMPLE)

    async def run(self, visit: Visit) -> Response:
        """The first rows, or the warehouse's own words on what is wrong with the query."""
        sql = await _field(visit, "sql")
        try:
            table = await self._query(sql, ROWS_SHOWN)
        except AegleError as error:
            return self._show(visit, sql, problem=str(error), status=error.meaning.http)
        return self._show(visit, sql, table=table)

    async def save(self, visit: Visit) -> Response:
        """All rows as CSV."""
        sql = await _field(visit, "sql")
        try:
            table = await self._query(sql, ROWS_SAVED)
        except AegleError as error:
            return self._show(visit, sql, problem=str(error), status=error.meaning.http)
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
        return Response(as_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

    async def _query(self, sql: str, limit: int) -> Table:
        return await run_in_threadpool(self.services.warehouse.query, sql, limit)

    def _show(
        self, visit: Visit, sql: str, *, table: Table | None = None, problem: str = "", status: int = 200
    ) -> Response:
        return self.shell.show(
            visit, "labels.html", status, sql=sql, table=table, problem=problem, shown=ROWS_SHOWN, saved=ROWS_SAVED
        )


def as_csv(table: Table) -> str:
    """A table as CSV (RFC 4180) with a line of column names; a value that is a list or a record is JSON."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(table.columns)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


async def _field(visit: Visit, name: str) -> str:
    return str((await visit.request.form()).get(name, "")).strip()

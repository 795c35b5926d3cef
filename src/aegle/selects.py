"""What a label query may be: one SELECT in the BigQuery dialect, over named tables, with functions we know."""

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aegle.errors import BadMessage

# sqlglot would log the words of a statement it does not know.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

SQL_MAX = 20_000  #: characters
# Functions sqlglot has no class for, so that it cannot tell one from a file reader: named one by one.
_KNOWN_BY_NAME = frozenset({"to_json_string", "ieee_divide", "bit_count", "range_bucket", "code_points_to_string"})
_FORBIDDEN = (exp.Command, exp.DDL, exp.DML, exp.Into, exp.Lock, exp.Parameter, exp.Placeholder, exp.Pragma, exp.Set)
# These make as much as they are asked for from nothing, in one step that cannot be interrupted.
_ENDLESS = (exp.GenerateSeries, exp.GenerateTimestampArray, exp.Repeat, exp.Pad, exp.Space)


def as_duckdb(sql: str) -> str:
    """One statement of ours, from the BigQuery dialect to DuckDB's."""
    return str(sqlglot.transpile(sql, read="bigquery", write="duckdb")[0])


def one_select(
    sql: str,
    tables: frozenset[str],
    *,
    rows_max: int,
    dialect: str = "duckdb",
    data_sets: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The query in another `dialect`, answering at most `rows_max` rows; a table of `data_sets` is looked for in that one.

    Raises BadMessage: what is not allowed."""
    if len(sql) > SQL_MAX:
        raise BadMessage(f"the query is longer than {SQL_MAX} characters")
    try:
        parsed = [item for item in sqlglot.parse(sql, read="bigquery") if item is not None]
        if len(parsed) != 1:
            raise BadMessage("one statement at a time")
        query = parsed[0]
        if not isinstance(query, exp.Query):
            raise BadMessage("only SELECT")
        _check(query, tables)
        return str(_placed(_bounded(query, rows_max), data_sets).sql(dialect=dialect))
    except SqlglotError as error:
        raise BadMessage(f"not SQL of the BigQuery dialect: {_first_line(error)}") from None
    except RecursionError:
        raise BadMessage("the query is nested too deeply") from None


def _placed(query: exp.Query, data_sets: Mapping[str, str]) -> exp.Query:
    """The query with tables in their data sets; a name that a WITH gave, or an array of a row, stays as it is."""
    for table in list(query.find_all(exp.Table)):
        place = data_sets.get(table.name.lower())
        if place and not table.db and table.name not in _names_around(table):
            table.set("db", exp.to_identifier(place))
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
    return query


def _bounded(query: exp.Query, rows_max: int) -> exp.Query:
    limit = query.args.get("limit")
    asked = limit.expression.name if isinstance(limit, exp.Limit) else ""
    return query.limit(min(rows_max, int(asked)) if asked.isdecimal() else rows_max)


def _check(query: exp.Query, tables: frozenset[str]) -> None:
    for node in query.walk():
        if isinstance(node, _FORBIDDEN):
            raise BadMessage(f"only SELECT; {node.key.upper()} is not allowed")
        if isinstance(node, _ENDLESS):
            raise BadMessage(f"{node.sql_name()} is not allowed: its size has no bound")
        if isinstance(node, exp.Anonymous) and str(node.this).lower() not in _KNOWN_BY_NAME:
            raise BadMessage(f"unknown function {str(node.this)[:40]}")
        if isinstance(node, exp.Table):
            _check_table(node, tables)


def _check_table(table: exp.Table, tables: frozenset[str]) -> None:
    """Ours, or named by a WITH around it, or an array of a row before it; never a file or function."""
    if not isinstance(table.this, exp.Identifier):
        raise BadMessage("no functions in FROM except UNNEST")
    if table.name.lower() in tables and not table.db:
        return
    if table.name in _names_around(table) or (table.db and table.db in _aliases_around(table)):
        return
    raise BadMessage(f"no table {table.name[:40]}; there are {', '.join(sorted(tables))}")


def _names_around(node: exp.Expr) -> Iterator[str]:
    """Names given by WITH clauses that enclose the node."""
    parent = node.parent
    while parent is not None:
        yield from (cte.alias for cte in getattr(parent, "ctes", []))
        parent = parent.parent


def _aliases_around(node: exp.Expr) -> Iterator[str]:
    select = node.find_ancestor(exp.Select)
    if select is not None:
        yield from (table.alias_or_name for table in select.find_all(exp.Table) if not table.db)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]

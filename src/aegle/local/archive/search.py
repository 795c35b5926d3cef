"""A search of an archive's index as one SELECT: it starts from one indexed criterion and walks that index in its order.

The order of results is the start's own order, so a page begins by a seek, however deep it lies. A search that finds little
among much is ended after a bound of work.
"""

import json
import re
import sqlite3
from typing import Any

from aegle.dicom.levels import KEY_OF, KEYS, LEVELS, MODALITIES_IN_STUDY, Key
from aegle.errors import TooLarge
from aegle.local.archive.schema import PLACES, UIDS
from aegle.records import Criterion, Found, Level, Match, Query

STEPS_MAX = 60_000_000  #: of SQLite's machine, some seconds; the widest honest search takes a tenth
_TELL = 1_000_000
_STUDY_DATE = "00080020"
_ALIAS = {Level.STUDY: "s", Level.SERIES: "r", Level.INSTANCE: "i"}
_JOINS = {
    Level.STUDY: "study s",
    Level.SERIES: "series r",
    Level.INSTANCE: "instance i",
}
_SHARED = {Level.SERIES: ("study_uid",), Level.INSTANCE: ("study_uid", "series_uid")}


def search(connection: sqlite3.Connection, query: Query) -> list[Found]:
    """Up to `limit` results. Raises TooLarge when finding them takes more work than a search may."""
    statement, values = select(query)
    left = iter(range(STEPS_MAX // _TELL))
    connection.set_progress_handler(lambda: next(left, None) is None, _TELL)
    try:
        rows = connection.execute(statement, values).fetchall()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise TooLarge("the search is too broad; add a criterion that matches less") from None
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return [_found(row, query.level, query.whole) for row in rows]


def select(query: Query) -> tuple[str, list[Any]]:
    """The statement and its values."""
    start = _start(query)
    wheres, values = _wheres(query, start)
    order = _order(query, start)
    offset = query.offset
    if offset and not (query.criteria or query.after):
        wheres, values, offset = _from_place(query.level, order), [offset] * 2, 0
    if len(query.after) == len(order):
        ordered = ", ".join(order)
        wheres += [f"{order[0]} >= ?", f"({ordered}) > ({', '.join('?' * len(order))})"]
        values += [query.after[0], *query.after]
    chosen = ", ".join([*_facts(query), *order])
    condition = " AND ".join(wheres) or "1"
    statement = f"SELECT {chosen} FROM {_from(query, start)} WHERE {condition} ORDER BY {', '.join(order)}"
    return f"{statement} LIMIT ? OFFSET ?", [*values, query.limit, offset]


def _from_place(level: Level, order: list[str]) -> list[str]:
    """A search for everything begins at the place that lies at its offset, found in the narrowest index there is."""
    uids = UIDS[level]
    at = f"FROM {level} INDEXED BY {PLACES[level]} ORDER BY {', '.join(uids)} LIMIT 1 OFFSET ?"
    return [f"{order[0]} >= (SELECT {uids[0]} {at})", f"({', '.join(order)}) >= (SELECT {', '.join(uids)} {at})"]


def _start(query: Query) -> Criterion | None:
    """The criterion whose index the search walks: an exact one before a range, and by the order of `KEYS`."""
    ranks = {key.tag: rank for rank, key in enumerate(KEYS)}
    able = [it for it in query.criteria if _can_start(it)]
    return min(able, key=lambda it: (it.match is not Match.ONE_OF, ranks[it.tag]), default=None)


def _can_start(criterion: Criterion) -> bool:
    if criterion.tag == MODALITIES_IN_STUDY:
        return criterion.match is Match.ONE_OF and len(criterion.values) == 1
    return criterion.match is not Match.LIKE or bool(_prefix(criterion.values[0]))


def _date_range(query: Query, start: Criterion | None) -> Criterion | None:
    """The range of study dates that is walked together with the modality at the start."""
    if start is None or start.tag != MODALITIES_IN_STUDY:
        return None
    return next((it for it in query.criteria if it.tag == _STUDY_DATE and it.match is Match.BETWEEN), None)


def _from(query: Query, start: Criterion | None) -> str:
    """The tables, outermost first: where the search starts, then what encloses it, then what it holds."""
    level = query.level
    first = KEY_OF[start.tag].level if start else Level.STUDY
    first = min(first, level, key=LEVELS.index) if start is None else first
    wanted = LEVELS[: max(LEVELS.index(level), LEVELS.index(first)) + 1]
    rest = [it for it in wanted if it is not first]
    tables = [_JOINS[first] + _by(start)]
    if start is not None and start.tag == MODALITIES_IN_STUDY:
        by = " INDEXED BY study_modality_by_date" if _date_range(query, start) else ""
        tables = [f"study_modality m{by}", "study s ON s.study_uid = m.study_uid"]
    for it in rest:
        tables.append(f"{_JOINS[it]} ON {_link(it, first)}")
    return " CROSS JOIN ".join(tables)


def _by(start: Criterion | None) -> str:
    if start is None or start.tag == MODALITIES_IN_STUDY or KEY_OF[start.tag].column in UIDS[Level.INSTANCE]:
        return ""
    key = KEY_OF[start.tag]
    return f" INDEXED BY {key.level}_by_{key.column}"


def _link(level: Level, first: Level) -> str:
    """How a table joins: by the UIDs it shares with the one before it, or with the start when that lies deeper."""
    deeper = LEVELS.index(first) > LEVELS.index(level)
    other = first if deeper else LEVELS[LEVELS.index(level) - 1]
    names = UIDS[level] if deeper else UIDS[other]
    return " AND ".join(f"{_ALIAS[level]}.{name} = {_ALIAS[other]}.{name}" for name in names)


def _wheres(query: Query, start: Criterion | None) -> tuple[list[str], list[Any]]:
    wheres, values = list[str](), list[Any]()
    dates = _date_range(query, start)
    for criterion in query.criteria:
        column = "m.study_date" if criterion is dates else _column(criterion, start)
        condition, wanted = _condition(criterion, column)
        wheres.append(condition)
        values += wanted
    return wheres, values


def _column(criterion: Criterion, start: Criterion | None) -> str:
    key = KEY_OF[criterion.tag]
    if criterion.tag == MODALITIES_IN_STUDY:
        return "m.modality" if criterion is start else MODALITIES_IN_STUDY
    return f"{_ALIAS[key.level]}.{key.column}"


def _condition(criterion: Criterion, column: str) -> tuple[str, list[Any]]:
    if column == MODALITIES_IN_STUDY:
        condition, values = _condition(criterion, "x.modality")
        inner = f"SELECT 1 FROM study_modality x WHERE x.study_uid = s.study_uid AND {condition}"
        return f"EXISTS ({inner})", values
    values = list(criterion.values)
    if criterion.match is Match.ONE_OF:
        return (
            (f"{column} = ?", values) if len(values) == 1 else (f"{column} IN ({', '.join('?' * len(values))})", values)
        )
    if criterion.match is Match.LIKE:
        prefix, pattern = _prefix(values[0]), values[0].replace("[", "[[]")
        return f"{column} >= ? AND {column} < ? AND {column} GLOB ?", [prefix, prefix + "\U0010ffff", pattern]
    low, high = values
    return f"{column} >= ? AND {column} <= ?", [low or "\x01", high or "\U0010ffff"]


def _prefix(pattern: str) -> str:
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def _order(query: Query, start: Criterion | None) -> list[str]:
    """A range or wildcard is walked in the order of its values, then by UIDs; an exact match by UIDs alone."""
    level = query.level
    aliases = zip((_ALIAS[it] for it in LEVELS), UIDS[Level.INSTANCE], strict=True)
    uids = [f"{alias}.{name}" for alias, name in aliases][: LEVELS.index(level) + 1]
    if start is None or KEY_OF[start.tag].column in UIDS[Level.INSTANCE]:
        return uids
    key: Key = KEY_OF[start.tag]
    lead = [] if start.match is Match.ONE_OF and len(start.values) == 1 else [f"{_ALIAS[key.level]}.{key.column}"]
    if start.tag == MODALITIES_IN_STUDY:
        uids[0] = "m.study_uid"
        lead = ["m.study_date"] if _date_range(query, start) else lead
    elif key.level is not Level.STUDY:  # the start's own UIDs, so that its index gives the order
        uids = [f"{_ALIAS[key.level]}.{uid.partition('.')[2]}" if _within(uid, key.level) else uid for uid in uids]
    return lead + uids


def _within(uid: str, level: Level) -> bool:
    return uid.partition(".")[2] in UIDS[level]


def _facts(query: Query) -> list[str]:
    chosen = ["s.facts", "s.series", "s.instances", "(SELECT json_group_array(modality) FROM study_modality y "]
    chosen[-1] += "WHERE y.study_uid = s.study_uid)"
    if query.level is not Level.STUDY:
        chosen += ["r.facts", "r.instances"]
    if query.level is Level.INSTANCE:
        chosen += ["i.metadata" if query.whole else "i.facts", "i.transfer_syntax"]
    return chosen


_COLUMNS = {Level.STUDY: 4, Level.SERIES: 6, Level.INSTANCE: 8}


def _found(row: tuple[Any, ...], level: Level, whole: bool) -> Found:
    count = _COLUMNS[level]
    facts: dict[str, Any] = json.loads(row[0])
    facts["00201206"], facts["00201208"] = _number(row[1]), _number(row[2])
    modalities = [name for name in sorted(json.loads(row[3])) if name]
    facts[MODALITIES_IN_STUDY] = {"vr": "CS", "Value": modalities} if modalities else {"vr": "CS"}
    if level is not Level.STUDY:
        facts |= json.loads(row[4])
        facts["00201209"] = _number(row[5])
    if level is Level.INSTANCE:
        facts |= json.loads(row[6])
        facts["00083002"] = {"vr": "UI", "Value": [row[7]]}
    facts["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    return Found(attributes=facts, place=tuple(row[count:]))


def _number(value: int) -> dict[str, Any]:
    return {"vr": "IS", "Value": [value]}

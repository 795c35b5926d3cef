"""The tables of an archive's index, by version: an older index is brought up to date, a newer one is left alone."""

import json
import sqlite3
from functools import lru_cache
from typing import Any

from aegle.dicom.levels import KEYS, MODALITIES_IN_STUDY, facts, indexed
from aegle.errors import Conflict
from aegle.records import Level

VERSION = 3

UIDS = {Level.STUDY: ("study_uid",), Level.SERIES: ("study_uid", "series_uid")} | {
    Level.INSTANCE: ("study_uid", "series_uid", "sop_uid")
}
"""What names a row of each level, and the order of every search's results."""


def columns(level: Level) -> tuple[str, ...]:
    """The columns that a search compares, beside the UIDs."""
    found = (key.column for key in KEYS if key.level is level and key.tag != MODALITIES_IN_STUDY)
    return tuple(name for name in found if name not in UIDS[Level.INSTANCE])


def _texts(level: Level, without: frozenset[str] = frozenset()) -> str:
    return "".join(f"{name} TEXT NOT NULL DEFAULT '', " for name in columns(level) if name not in without)


def _indexes(level: Level) -> str:
    return "".join(
        f"CREATE UNIQUE INDEX IF NOT EXISTS {level}_by_{name} ON {level} ({name}, {', '.join(UIDS[level])});\n"
        for name in columns(level)
    )


_IN_INSTANCE = frozenset({"sop_class"})
_INSTANCE = """
CREATE TABLE IF NOT EXISTS instance (
    sop_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL, size_bytes INTEGER NOT NULL, digest TEXT NOT NULL, modality TEXT NOT NULL,
    frames INTEGER NOT NULL, rows INTEGER NOT NULL, columns INTEGER NOT NULL,
    metadata BLOB NOT NULL, frame_table BLOB
) STRICT;
"""
_MORE = "".join(
    f"ALTER TABLE instance ADD COLUMN {name} TEXT NOT NULL DEFAULT '';\n"
    for name in columns(Level.INSTANCE)
    if name not in _IN_INSTANCE
)
_SEARCHED = f"""
CREATE TABLE study (
    study_uid TEXT PRIMARY KEY, {_texts(Level.STUDY)}
    facts TEXT NOT NULL, series INTEGER NOT NULL DEFAULT 0, instances INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE study_modality (modality TEXT, study_uid TEXT, PRIMARY KEY (modality, study_uid)) STRICT, WITHOUT ROWID;
CREATE TABLE series (
    study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, {_texts(Level.SERIES)}
    facts TEXT NOT NULL, instances INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (study_uid, series_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_by_series_uid ON series (series_uid);
CREATE INDEX modality_of_study ON study_modality (study_uid);
{_MORE}
ALTER TABLE instance ADD COLUMN facts TEXT NOT NULL DEFAULT '{{}}';
CREATE INDEX IF NOT EXISTS instance_of_study ON instance (study_uid, series_uid, sop_uid);
{_indexes(Level.STUDY)}{_indexes(Level.SERIES)}{_indexes(Level.INSTANCE)}
CREATE TRIGGER series_added AFTER INSERT ON series BEGIN
    UPDATE study SET series = series + 1 WHERE study_uid = NEW.study_uid;
END;
CREATE TRIGGER series_gone AFTER DELETE ON series BEGIN
    UPDATE study SET series = series - 1 WHERE study_uid = OLD.study_uid;
END;
CREATE TRIGGER instance_added AFTER INSERT ON instance BEGIN
    UPDATE series SET instances = instances + 1 WHERE (study_uid, series_uid) = (NEW.study_uid, NEW.series_uid);
    UPDATE study SET instances = instances + 1 WHERE study_uid = NEW.study_uid;
END;
CREATE TRIGGER instance_gone AFTER DELETE ON instance BEGIN
    UPDATE series SET instances = instances - 1 WHERE (study_uid, series_uid) = (OLD.study_uid, OLD.series_uid);
    UPDATE study SET instances = instances - 1 WHERE study_uid = OLD.study_uid;
    DELETE FROM series WHERE (study_uid, series_uid) = (OLD.study_uid, OLD.series_uid) AND instances = 0;
    DELETE FROM study WHERE study_uid = OLD.study_uid AND instances = 0;
    DELETE FROM study_modality WHERE study_uid = OLD.study_uid
        AND modality NOT IN (SELECT modality FROM series WHERE study_uid = OLD.study_uid);
END;
"""


_DATED = """
ALTER TABLE study_modality ADD COLUMN study_date TEXT NOT NULL DEFAULT '';
UPDATE study_modality SET study_date = (SELECT study_date FROM study s WHERE s.study_uid = study_modality.study_uid);
CREATE UNIQUE INDEX study_modality_by_date ON study_modality (modality, study_date, study_uid);
CREATE TRIGGER study_modality_added AFTER INSERT ON study_modality BEGIN
    UPDATE study_modality SET study_date = (SELECT study_date FROM study WHERE study_uid = NEW.study_uid)
    WHERE (modality, study_uid) = (NEW.modality, NEW.study_uid);
END;
CREATE UNIQUE INDEX study_places ON study (study_uid);
CREATE UNIQUE INDEX series_places ON series (study_uid, series_uid);
"""
"""Version 3: a modality with a range of dates is one walk; a place at an offset is found without reading what is skipped."""

PLACES = {Level.STUDY: "study_places", Level.SERIES: "series_places", Level.INSTANCE: "instance_of_study"}
"""Of each level, the index that holds its UIDs in the order of results and nothing else."""

_READ_AGAIN = {"facts", *columns(Level.INSTANCE)} - _IN_INSTANCE


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring older ones up to date, whole or not at all. Raises Conflict for newer ones."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise Conflict("this archive was opened by a newer Aegle; use that one, or make the index anew with this one")
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version < 2:
            _make_searchable(connection)
        _run(connection, _DATED)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _make_searchable(connection: sqlite3.Connection) -> None:
    """From nothing, or from version 1."""
    _run(connection, _INSTANCE)
    kept = connection.execute("SELECT sop_uid FROM instance").fetchall()
    _run(connection, _SEARCHED)
    for (sop_uid,) in kept:
        _describe_again(connection, sop_uid)


def _describe_again(connection: sqlite3.Connection, sop_uid: str) -> None:
    """Version 1 kept the header alone: what a search needs is read from it."""
    found = connection.execute("SELECT * FROM instance WHERE sop_uid = ?", (sop_uid,))
    row = dict(zip((column[0] for column in found.description), found.fetchone(), strict=True))
    header = json.loads(row["metadata"])
    connection.execute("DELETE FROM instance WHERE sop_uid = ?", (sop_uid,))
    insert(connection, rows_of({name: row[name] for name in row if name not in _READ_AGAIN}, header))


Rows = list[tuple[str, tuple[Any, ...]]]  #: statements with their values


def rows_of(row: dict[str, Any], header: dict[str, Any]) -> Rows:
    """What one instance puts into the tables, with the study and the series it makes."""
    return rows_above(row, header) + row_of(row, header)


def rows_above(row: dict[str, Any], header: dict[str, Any]) -> Rows:
    """The study and the series that an instance makes where they are not there yet."""
    series = _values(row, header, Level.SERIES)
    modality = {"modality": series["modality"], "study_uid": row["study_uid"]}
    study = _values(row, header, Level.STUDY)
    return [_row("study", study), _row("series", series), _row("study_modality", modality)]


def row_of(row: dict[str, Any], header: dict[str, Any]) -> Rows:
    """The instance alone."""
    return [_row("instance", _values(row, header, Level.INSTANCE) | row)]


def _values(row: dict[str, Any], header: dict[str, Any], level: Level) -> dict[str, Any]:
    values = {name: row[name] for name in UIDS[level]} | {"facts": _json(facts(header, level))}
    return values | {key.column: indexed(header, key) for key in _COMPARED[level]}


def insert(connection: sqlite3.Connection, rows: Rows) -> None:
    """Put one instance into the tables; a known SOP Instance UID changes nothing. The first instance of a study or series
    says what is kept of it."""
    for statement, values in rows:
        connection.execute(statement, values)


_COMPARED = {level: [it for it in KEYS if it.level is level and it.column in columns(level)] for level in Level}


def _row(table: str, values: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    return _statement(table, tuple(values)), tuple(values.values())


@lru_cache(maxsize=32)
def _statement(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Several statements without `executescript`, which would commit the transaction."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""

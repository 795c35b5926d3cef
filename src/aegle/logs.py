"""Logs as events with allow-listed fields: one JSON object a line on standard error.

A field that is not in `FIELDS` raises at once, so no query string, file name or DICOM value can slip into a log. Loggers of
libraries are silenced below ERROR and reduced to their name, because their messages quote what they handle.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

FIELDS = frozenset(
    {
        "site", "port", "pid", "count", "seconds", "state", "code", "reason", "attempt", "status", "worker", "point",
        "study", "request", "process", "error", "door", "act", "size_bytes", "bundle", "where",
    }
)  # fmt: skip

_root = logging.getLogger("aegle")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.partition(".")[0] == "aegle":
            line |= {"event": record.getMessage(), **getattr(record, "fields", {})}
        else:
            line |= {"event": "library message withheld", "where": record.name}
        return json.dumps(line, ensure_ascii=True)


def start(process: str, to: Path | None = None) -> None:
    """Send this process's log to standard error, or to a file; call once, at the start of a program."""
    handler = logging.FileHandler(to, encoding="utf-8") if to else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    logging.basicConfig(handlers=[handler], level=logging.ERROR, force=True)
    logging.captureWarnings(True)
    _root.setLevel(logging.INFO)
    info("process started", process=process)


def info(event: str, **fields: object) -> None:
    """One line about something expected."""
    _emit(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    """One line about something that will be tried again."""
    _emit(logging.WARNING, event, fields)


def error(event: str, **fields: object) -> None:
    """One line about something a person should look at."""
    _emit(logging.ERROR, event, fields)


def crash(event: str, failure: BaseException, **fields: object) -> None:
    """One line about an unexpected exception: its class and the place it came from, never its message."""
    frames = traceback.extract_tb(failure.__traceback__)[-3:]
    where = " < ".join(f"{frame.filename.rpartition('aegle')[2]}:{frame.lineno}" for frame in reversed(frames))
    _emit(logging.ERROR, event, {**fields, "error": type(failure).__name__, "where": where})


def _emit(level: int, event: str, fields: dict[str, object]) -> None:
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"log fields not in the allow-list: {sorted(unknown)}")
    _root.log(level, event, extra={"fields": fields})

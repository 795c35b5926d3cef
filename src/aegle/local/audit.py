"""The audit trail on one machine: a hash chain of JSON lines, one file a process, one writer at a time.

A line is `{"n", "prev", "event", "hash"}` with `hash = SHA-256(prev || canonical event)`. A chain alone accepts an edited last
line or a cut tail, so heads are lodged with the other party (`api.HeadList`) and `verify` compares them.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from aegle import api, durable
from aegle.records import AuditEvent, AuditHead

EMPTY = "0" * 64


class ChainedLines:
    """The AuditSink port on one file. Raises Overloaded when another process has the chain open for writing."""

    def __init__(self, folder: Path, site: str, process: str) -> None:
        self.name = f"{site}/{process}"
        self.path = durable.private_folder(folder) / f"{process}.jsonl"
        self._turn = threading.Lock()
        self._together = durable.Together(self._append)
        self._writer = durable.claim(folder / f"{process}.lock", f"the audit chain {process!r}")
        self._count, self._digest = _recover(self.path)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self._size = os.fstat(self._file).st_size  #: of all lines that were acknowledged
        durable.sync_folder(folder)

    def append(self, *events: AuditEvent) -> None:
        """Durable before it returns; the events keep their order and stay together. Threads share a wait for the disk."""
        self._together.add(events)

    def _append(self, several: Sequence[Sequence[AuditEvent]]) -> None:
        with self._turn, durable.storage():
            count, digest, lines = self._count, self._digest, []
            for event in chain.from_iterable(several):
                count += 1
                body = api.encode(event).decode()
                after = _link(digest, body)
                lines.append(f'{{"n":{count},"prev":"{digest}","event":{body},"hash":"{after}"}}\n')
                digest = after
            self._write("".join(lines).encode())
            self._count, self._digest = count, digest

    def _write(self, content: bytes) -> None:
        """Durable and whole, or the next write takes off what is there of it: a chain never goes on from a torn line."""
        if os.fstat(self._file).st_size != self._size:
            os.ftruncate(self._file, self._size)
        left = memoryview(content)
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)
        self._size += len(content)

    def head(self) -> AuditHead:
        """Count and digest of the chain as of now."""
        with self._turn:
            return AuditHead(chain=self.name, count=self._count, digest=self._digest)

    def read(self, newest: int) -> Iterator[AuditEvent]:
        """The `newest` latest events, latest first."""
        yield from read_newest(self.path, newest)

    def close(self) -> None:
        """Give the chain free for another process."""
        os.close(self._file)
        self._writer.close()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a chain, and at which line."""

    chain: str
    line: int
    what: str


def verify(path: Path, chain: str, lodged: Sequence[AuditHead]) -> Fault | int:
    """Walk a chain against itself and against the heads the other party holds: the first fault, or the count of lines."""
    wanted = {head.count: head.digest for head in lodged if head.chain == chain and head.count}
    digest, number = EMPTY, 0
    for number, line in enumerate(_whole_lines(path), 1):
        fault = _check_line(line, number, digest)
        if isinstance(fault, Fault):
            return Fault(chain=chain, line=number, what=fault.what)
        digest = fault
        if wanted.get(number, digest) != digest:
            return Fault(chain=chain, line=number, what="this line is not the one whose digest the other party holds")
    longest = max(wanted, default=0)
    if longest > number:
        return Fault(
            chain=chain, line=number + 1, what=f"the other party holds a digest of line {longest}: lines are cut"
        )
    return number


def heads_in(folder: Path, site: str) -> tuple[AuditHead, ...]:
    """The heads of every chain in a folder, as their last whole lines say; also of chains that other processes write."""
    return tuple(
        AuditHead(chain=f"{site}/{path.stem}", count=count, digest=digest)
        for path in sorted(folder.glob("*.jsonl"))
        for count, digest in [_last(path)]
    )


def read_newest(path: Path, newest: int) -> Iterator[AuditEvent]:
    """The `newest` latest events of a chain, latest first; also while another process writes it."""
    for line in reversed(_tail(path, newest)):
        yield api.decode(AuditEvent, json.dumps(json.loads(line)["event"]))


def _whole_lines(path: Path) -> Iterator[str]:
    """Line by line; a last one without its end is still being written, and was not acknowledged."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="\n") as stream:
        yield from (line[:-1] for line in stream if line.endswith("\n"))


def _last(path: Path) -> tuple[int, str]:
    lines = _tail(path, 1)
    if not lines:
        return 0, EMPTY
    entry = json.loads(lines[-1])
    return int(entry["n"]), str(entry["hash"])


def _check_line(line: str, number: int, digest: str) -> Fault | str:
    fault = Fault(chain="", line=number, what="")
    try:
        entry = json.loads(line)
        body = line[line.index('"event":') + 8 : line.rindex(',"hash":')]
        stated = (entry["n"], entry["prev"], entry["hash"])
    except (ValueError, KeyError):
        return Fault(chain=fault.chain, line=number, what="not an audit line")
    if stated[:2] != (number, digest):
        return Fault(chain=fault.chain, line=number, what="does not follow the line before it")
    after = _link(digest, body)
    return (
        after if stated[2] == after else Fault(chain=fault.chain, line=number, what="was changed after it was written")
    )


def _link(digest: str, body: str) -> str:
    return hashlib.sha256(f"{digest}{body}".encode()).hexdigest()


def _recover(path: Path) -> tuple[int, str]:
    """Where the chain stands. A last line cut short by a crash was never acknowledged and is taken off."""
    if not path.exists():
        return 0, EMPTY
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)
    return _last(path)


def _tail(path: Path, lines: int) -> list[bytes]:
    """The last whole lines of a file, read from its end in blocks."""
    with path.open("rb") as stream:
        position, found = stream.seek(0, os.SEEK_END), b""
        while position and found.count(b"\n") <= lines:
            step = min(65_536, position)
            position -= step
            stream.seek(position)
            found = stream.read(step) + found
    whole = found[: found.rfind(b"\n") + 1]
    return whole.splitlines()[-lines:] if lines else []

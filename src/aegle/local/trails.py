"""Every audit chain below Aegle's folder, proved against itself and against the heads that the other party holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aegle.access import EVERYTHING, Wanted
from aegle.local.audit import Fault, read_newest, verify
from aegle.local.home import Home
from aegle.records import AuditEvent, AuditHead

_SEARCHED = 20_000  #: lines of a chain, from its end


@dataclass(frozen=True, kw_only=True)
class Trail:
    """One chain and its file; the file may be missing where only the other party still knows of the chain."""

    chain: str  #: for example `st-anna/site`, `hub/worker-1`
    path: Path


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A chain without a fault."""

    chain: str
    lines: int
    witnessed: int  #: the last line whose digest the other party holds; 0 while it holds none

    @property
    def newer(self) -> int:
        """Lines written since: until the next exchange they are proved by the chain alone."""
        return self.lines - self.witnessed


def trails(home: Home, heads: Sequence[AuditHead], owner: str = "") -> tuple[Trail, ...]:
    """The chains of the hub and of every site (or of one owner), those with a file and those only a head tells of."""
    owners = {"hub": home.hub} | {folder.name: folder for folder in sorted((home.root / "sites").glob("*"))}
    wanted = {name: folder for name, folder in owners.items() if owner in ("", name)}
    written = {f"{name}/{path.stem}" for name, folder in wanted.items() for path in (folder / "audit").glob("*.jsonl")}
    known = {head.chain for head in heads if head.count and head.chain.partition("/")[0] in wanted}
    return tuple(Trail(chain=chain, path=_path(wanted, chain)) for chain in sorted(written | known))


def prove(trail: Trail, heads: Sequence[AuditHead]) -> Proof | Fault:
    """Walk one chain. Take `heads` before: lines written meanwhile then count as newer."""
    found = verify(trail.path, trail.chain, heads)
    if isinstance(found, Fault):
        return found
    witnessed = max((head.count for head in heads if head.chain == trail.chain), default=0)
    return Proof(chain=trail.chain, lines=found, witnessed=witnessed)


def newest(found: Sequence[Trail], count: int, wanted: Wanted = EVERYTHING) -> Iterator[tuple[str, AuditEvent]]:
    """The latest events of several chains together, latest first, each with its chain's name; those that are `wanted` among
    the latest 20,000 of each chain."""
    searched = count if wanted == EVERYTHING else max(count, _SEARCHED)
    events = [
        (trail.chain, event)
        for trail in found
        if trail.path.exists()
        for event in read_newest(trail.path, searched)
        if wanted.fits(event)
    ]
    yield from sorted(events, key=lambda item: item[1].happened_at, reverse=True)[:count]


def newest_in(folder: Path, owner: str, count: int, wanted: Wanted = EVERYTHING) -> list[tuple[str, AuditEvent]]:
    """As `newest`, of every chain in one folder."""
    found = [Trail(chain=f"{owner}/{path.stem}", path=path) for path in sorted(folder.glob("*.jsonl"))]
    return list(newest(found, count, wanted))


def _path(folders: dict[str, Path], chain: str) -> Path:
    owner, _, process = chain.partition("/")
    return folders[owner] / "audit" / f"{process}.jsonl"

"""What Aegle needs from a machine: one Protocol a port, each docstring a contract.

`tests/contracts` checks it line by line on every implementation.
The embedded twins live in `aegle.local`, the Google twins in `aegle.google`; `aegle.wiring` chooses by URL.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from aegle.api import Hello, LabelReceipt, Receipt, Submission, Welcome
from aegle.records import AuditEvent, AuditHead, Found, InstanceRef, Label, Outcome, Query, StoredInstance


class ArchiveReader(Protocol):
    """Reads a site's archive. Every UID is an alias. Raises NotFound, Forbidden, PeerUnreachable."""

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        """Every instance of the study, ordered by series and SOP Instance UID; a put that returned is seen."""

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        """The DICOM JSON model (PS3.18 Annex F) of the instance without its bulk data."""

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        """The named frames (1-based, any order) as stored: one codestream or native frame each, in the order asked."""


Accept = Callable[[InstanceRef, Mapping[str, Any]], None]
"""(instance, its DICOM JSON): raises an AegleError for one that is not to be kept. Called before anything is."""


class Archive(ArchiveReader, Protocol):
    """A site's store of de-identified DICOM."""

    def put(self, source: Path, digest: str = "", accept: Accept | None = None) -> StoredInstance:
        """Keep the Part 10 file; `digest` is its SHA-256 where the caller knows it, `accept` is asked first. Durable (file and
        index) before it returns. Idempotent by SOP Instance UID and bytes; raises Conflict for other bytes under a known UID,
        StorageFull, BadDicom, and what `accept` raises. `source` is taken over: moved when it can be, copied otherwise, and
        gone once the put returned."""

    def replace(self, source: Path) -> StoredInstance:
        """Keep the Part 10 file in place of the one under its SOP Instance UID, or as `put` does where there is none.
        Durable and idempotent as `put`. The bytes before are kept aside, are never served again, and nothing removes
        them. Raises StorageFull, BadDicom."""

    def delete(self, instance: StoredInstance) -> None:
        """Remove the file and what is known of it; durable. An absent one is success. Raises Refused where the machine
        does not delete."""

    def find(self, sop_uid: str) -> StoredInstance | None:
        """One instance by its SOP Instance UID, None when it is not here."""

    def open(self, instance: StoredInstance) -> Path:
        """The Part 10 file of an instance, for reading."""

    def studies(self, limit: int, after: str = "") -> Sequence[str]:
        """Study UIDs in ascending order, at most `limit`, those greater than `after`."""

    def search(self, query: Query) -> Sequence[Found]:
        """What matches, in one fixed order: `Found.place` of the last one, as `Query.after`, begins the next page. A put
        that returned is seen. Raises TooLarge for a search that would take too much work."""


@runtime_checkable
class TakesInPlace(Protocol):
    """An archive that an object is received into, so that putting it moves no bytes and waits less for the disk."""

    def new_file(self) -> Path:
        """An empty file of the caller's own, to be filled and given to `put`, or removed. Raises StorageFull."""


class AuditSink(Protocol):
    """Append-only trail of one process. Never loses an event whose `append` returned."""

    def append(self, *events: AuditEvent) -> None:
        """Durable before it returns; the events keep their order and stay together."""

    def head(self) -> AuditHead:
        """Count and digest of the chain as of now."""

    def read(self, newest: int) -> Iterator[AuditEvent]:
        """The `newest` latest events, latest first."""


class Secrets(Protocol):
    """Named secrets of one site or of the hub. Values are bytes; names are `[a-z0-9-]+`."""

    def get(self, name: str) -> bytes:
        """The current value. Raises NotFound."""

    def versions(self, name: str) -> Sequence[bytes]:
        """Every value still readable, newest first; empty when the name is unknown."""

    def put(self, name: str, value: bytes) -> None:
        """A new current value, durable before it returns; older values stay readable."""


@dataclass(frozen=True, kw_only=True)
class Loan:
    """Permission for a worker to read one study, or on Google Cloud the site's one store, for a while."""

    archive_url: str  #: of the DICOMweb service to read from
    grant: str = field(repr=False)  #: bearer token
    until: datetime  #: aware UTC


class Lender(Protocol):
    """Lends a site's archive to the hub's workers, a study at a time."""

    life: timedelta  #: of a new loan

    def lend(self, study_uid: str) -> Loan:
        """A new loan. Raises Unavailable when it cannot be had now."""


class Hub(Protocol):
    """The hub as a site sees it. Raises PeerUnreachable (retry), Unauthenticated, Forbidden, BadMessage, Conflict."""

    def hello(self, hello: Hello) -> Welcome:
        """Report health; learn the model and operating point in force."""

    def submit(self, submission: Submission) -> Receipt:
        """Ask for one study to be read. Idempotent by key; a repeat renews the grant."""

    def outcomes(self) -> Sequence[Outcome]:
        """Finished and not yet collected, oldest first; the same ones again until `collected` returns."""

    def collected(self, request_id: str) -> None:
        """The site holds this outcome durably. Idempotent."""

    def send_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store label events durably. Idempotent by event id."""

    def exchange_heads(self, heads: Sequence[AuditHead]) -> Sequence[AuditHead]:
        """Lodge the site's audit heads; answers the hub's own."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a query: names and values of JSON-able types."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool  #: more rows matched than the bound


class Warehouse(Protocol):
    """Append-only rows for analysis, written by the hub's process alone. SQL is written in the BigQuery dialect.

    Every `add_` is durable before it returns, and a row that is known already changes nothing. Raises Unavailable (or
    what says so of its service) when it may be tried again, StorageFull."""

    def add_labels(self, labels: Sequence[Label]) -> None:
        """Append label events with the time of arrival; one row an event id."""

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Append what came of requests, into `prediction`; one row a request id."""

    def add_audit(self, chain: str, first: int, events: Sequence[AuditEvent]) -> None:
        """Append consecutive events of a chain, of which the first has this number; one row a chain and number. Kept for
        audit tools: `query` does not reach them."""

    def query(self, sql: str, limit: int = 10_000) -> Table:
        """One read-only SELECT. No file, network or setting can be reached from it. Raises BadMessage with the
        database's own words when the statement is refused or fails."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing `apply` would do."""

    site: str  #: empty for the hub
    what: str  #: `create`, `change`, `freeze`, `retire`
    why: str  #: one plain sentence


class Provisioner(Protocol):
    """Makes sites real on one target. `apply` of an empty plan does nothing."""

    def plan(self) -> Sequence[Change]:
        """What differs between aegle.yaml and what is there. Changes nothing."""

    def apply(self) -> Sequence[Change]:
        """Make it so, idempotent; answers what was done. Never deletes an archive, key or vault."""

"""Query/Retrieve as its provider: C-FIND and C-GET of the Study Root model on an archive (PS3.4 Annex C).

Every name in the archive is an alias. What is read is written down first, by `tell`. Memory: a page of 500 matches, or a
block of 128 KB of an object.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aegle import logs
from aegle.access import Act
from aegle.errors import AegleError, TooLarge
from aegle.ports import Archive
from aegle.protocols import identifiers
from aegle.protocols.arriving import data_set
from aegle.protocols.command import Command, Field, Progress, Status
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES
from aegle.protocols.dialogue import ANSWERED, Dialogue, Operation
from aegle.protocols.identifiers import WrongIdentifier
from aegle.protocols.listener import Offer
from aegle.protocols.peers import Sender
from aegle.records import AuditOutcome, StoredInstance

STUDY_ROOT_FIND, STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
MATCHES_MAX = 10_000  #: of one C-FIND; one more, and the search is to be narrowed
RETRIEVED_MAX = 20_000  #: instances of one C-GET

Tell = Callable[[Sender, Act, str, AuditOutcome, str, int], None]
"""Writes down an act on a study (its alias, or '' for the archive), with a reason and a count: durable when it returns."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every association of a Query/Retrieve provider shares."""

    archive: Archive
    ae_title: str
    tell: Tell


def query_offer(desk: Desk) -> Offer:
    """For a listener."""
    return Offer(
        provide=lambda dialogue: QueryProvider(desk, dialogue),
        served=dict.fromkeys((STUDY_ROOT_FIND, STUDY_ROOT_GET), identifiers.SYNTAXES),
        given=dict.fromkeys(STORAGE_CLASSES, TRANSFER_SYNTAXES),
    )


class QueryProvider:
    """What is served on one association."""

    fields: Collection[int] = (Field.FIND, Field.GET)

    def __init__(self, desk: Desk, dialogue: Dialogue) -> None:
        self._desk, self._dialogue = desk, dialogue

    def begin(self, number: int, request: Command) -> Operation | int:
        """Take a request's identifier in, or say why not."""
        context = self._dialogue.contexts[number]
        known: dict[int, tuple[str, type[_Asking]]] = {
            Field.FIND: (STUDY_ROOT_FIND, _Finding),
            Field.GET: (STUDY_ROOT_GET, _Getting),
        }
        if request.field not in known:
            return Status.UNKNOWN_OPERATION
        sop_class, operation = known[request.field]
        if sop_class != context.abstract or request.sop_class != sop_class:
            return Status.WRONG_CLASS
        return operation(self._desk, self._dialogue, number, request)


class _Asking:
    """A request of either kind: its identifier, and what is written down about it."""

    act = Act.ARCHIVE_STUDY_FIND
    is_hopeless = False

    def __init__(self, desk: Desk, dialogue: Dialogue, number: int, request: Command) -> None:
        self._desk, self._dialogue, self._number, self._request = desk, dialogue, number, request
        self._syntax = dialogue.contexts[number].syntax
        self._identifier = bytearray()

    def add(self, content: memoryview) -> None:
        self.is_hopeless = len(self._identifier) + len(content) > identifiers.LONGEST
        if not self.is_hopeless:
            self._identifier += content

    def give_up(self) -> None:
        """Nothing was begun."""

    def finish(self) -> int:
        try:
            return self._meet(identifiers.read(bytes(self._identifier), self._syntax))
        except WrongIdentifier:
            self._tell("", AuditOutcome.REFUSED, "WRONG_IDENTIFIER")
            return Status.WRONG_IDENTIFIER
        except AegleError as error:
            self._tell("", AuditOutcome.REFUSED, error.meaning.code)
            raise

    def _meet(self, keys: identifiers.Keys) -> int:
        raise NotImplementedError

    def _tell(self, study_uid: str, outcome: AuditOutcome = AuditOutcome.OK, reason: str = "", count: int = 0) -> None:
        self._desk.tell(self._dialogue.sender, self.act, study_uid, outcome, reason, count)


class _Finding(_Asking):
    """A C-FIND."""

    def _meet(self, keys: identifiers.Keys) -> int:
        asked, unmatched = identifiers.search(keys)
        self._tell(keys.values.get("0020000D", "") if "\\" not in keys.values.get("0020000D", "") else "")
        pending = Status.PENDING_UNMATCHED if unmatched else Status.PENDING
        count, after = 0, tuple[str, ...]()
        while True:
            found = self._desk.archive.search(replace(asked.query, after=after))
            for item in found:
                if self._dialogue.is_cancelled(self._request):
                    return Status.CANCELLED
                if count == MATCHES_MAX:
                    raise TooLarge(f"more than {MATCHES_MAX} match")
                content = identifiers.answer(keys, item.attributes, self._desk.ae_title, self._syntax)
                self._dialogue.respond(self._number, self._request, pending, data=content)
                count += 1
            if len(found) < asked.query.limit:
                return Status.SUCCESS
            after = found[-1].place


class _Getting(_Asking):
    """A C-GET: each instance as it is stored, on a context that the requestor proposed for its class and encoding."""

    act = Act.ARCHIVE_STUDY_READ

    def _meet(self, keys: identifiers.Keys) -> int:
        chosen = _chosen(self._desk.archive, identifiers.wanted(keys))
        if len(chosen) > RETRIEVED_MAX:
            raise TooLarge(f"more than {RETRIEVED_MAX} instances")
        for study_uid in sorted({item.study_uid for item in chosen}):
            self._tell(study_uid, count=sum(item.study_uid == study_uid for item in chosen))
        return self._send(chosen)

    def _send(self, chosen: Sequence[StoredInstance]) -> int:
        ended: dict[str, list[str]] = {"completed": [], "failed": [], "warning": []}
        for at, item in enumerate(chosen):
            if self._dialogue.is_cancelled(self._request):
                return self._end(Status.CANCELLED, ended, len(chosen) - at)
            ended[self._store(item)].append(item.sop_uid)
            if at + 1 < len(chosen):
                progress = _progress(ended, len(chosen) - at - 1)
                self._dialogue.respond(self._number, self._request, Status.PENDING, progress=progress)
        if not ended["failed"] and not ended["warning"]:
            return self._end(Status.SUCCESS, ended, 0)
        some = ended["completed"] or ended["warning"]
        return self._end(Status.SOME_FAILED if some else Status.NOTHING_SENT, ended, 0)

    def _store(self, item: StoredInstance) -> str:
        """One sub-operation, and how it ended."""
        number = self._context_for(item)
        if number is None:
            return "failed"
        try:
            path = self._desk.archive.open(item)
        except AegleError as error:
            logs.warning("instance not given", code=error.meaning.code)
            return "failed"
        status = self._dialogue.store(number, item.sop_class, item.sop_uid, data_set(path))
        return "completed" if status == Status.SUCCESS else "warning" if status >> 12 == 0xB else "failed"

    def _context_for(self, item: StoredInstance) -> int | None:
        found = (
            number
            for number, context in self._dialogue.contexts.items()
            if context.abstract == item.sop_class and context.syntax == item.transfer_syntax
        )
        return next(found, None)

    def _end(self, status: int, ended: Mapping[str, Sequence[str]], remaining: int) -> int:
        """The last response, but for a success: with what was not given."""
        progress = _progress(ended, remaining)
        if ended["failed"] and status != Status.SUCCESS:
            failed = identifiers.failed(ended["failed"], self._syntax)
            self._dialogue.respond(self._number, self._request, status, data=failed, progress=progress)
        else:
            self._dialogue.respond(self._number, self._request, status, progress=progress)
        return ANSWERED


def _progress(ended: Mapping[str, Sequence[str]], remaining: int) -> Progress:
    return Progress(remaining=remaining, **{name: len(uids) for name, uids in ended.items()})


def _chosen(archive: Archive, named: Mapping[str, Collection[str]]) -> list[StoredInstance]:
    """The instances that lie where the identifier says, in the archive's order."""
    studies, series, sops = (named.get(tag) for tag in ("0020000D", "0020000E", "00080018"))
    found = [item for study_uid in sorted(studies or ()) for item in archive.instances(study_uid)]
    return [
        item
        for item in found
        if (series is None or item.series_uid in series) and (sops is None or item.sop_uid in sops)
    ]

"""What is said on an association once it is made: messages out, and answers and cancellations in while one is under way."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aegle.errors import BadDicom
from aegle.protocols import command, pdu
from aegle.protocols.command import Command, Field, Progress
from aegle.protocols.pdu import AbortReason, Context, Fragment, Kind
from aegle.protocols.peers import Sender
from aegle.protocols.wire import Wire


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a peer may take. A message must end `message_s` after it began, plus a second for each `slowest_bps`."""

    request_s: float = 10.0  #: from the connection to the whole association request, the TLS handshake within it
    idle_s: float = 60.0  #: between two messages
    message_s: float = 30.0
    slowest_bps: int = 16_384  #: bytes a second


class Abort(Exception):
    """Something that ends the association by our A-ABORT (PS3.8 AA-8)."""

    def __init__(self, reason: AbortReason) -> None:
        self.reason = reason


_KINDS = frozenset(int(kind) for kind in Kind)


def misplaced(kind: int) -> Abort:
    """A PDU that has no place in this state, or none at all (PS3.8 §9.2.1, AA-8)."""
    return Abort(AbortReason.UNEXPECTED if kind in _KINDS else AbortReason.UNRECOGNIZED)


ANSWERED = -1  #: in place of a status: the last response was sent already


class Operation(Protocol):
    """One request with a data set, from its command to its last answer."""

    @property
    def is_hopeless(self) -> bool:
        """Given up, and so large that not even its end is awaited."""

    def add(self, content: memoryview) -> None:
        """The next bytes of its data set. Raises only what ends the association."""

    def finish(self) -> int:
        """The data set is whole: do it, and answer the status of the last response, or ANSWERED. Raises AegleError for
        the status of its `MEANING`."""

    def give_up(self) -> None:
        """The association ends before that. Nothing is left behind."""


class Provider(Protocol):
    """What an association serves beside C-ECHO, once it is made."""

    fields: Collection[int]  #: the requests it meets; each has a data set

    def begin(self, number: int, request: Command) -> Operation | int:
        """Meet a request with a data set, or refuse it with a status once its data set has passed."""


@dataclass(kw_only=True)
class Dialogue:
    """One association's side of speaking. Raises OSError where the peer is lost, Abort where it breaks the protocol."""

    wire: Wire
    sender: Sender
    contexts: Mapping[int, Context]
    longest: int  #: of what the peer takes at a time; 0 for no limit
    patience: Patience
    _cancelled: set[int] = field(default_factory=set)
    _message: int = 0

    def respond(
        self, number: int, to: Command, status: int, *, data: bytes = b"", progress: Progress | None = None
    ) -> None:
        """One response, with its data set where there is one."""
        self.wire.write(
            pdu.command(number, command.answer(to, status, has_data_set=bool(data), progress=progress))
            + b"".join(self._parts(number, [data] if data else []))
        )

    def store(self, number: int, sop_class: str, sop_instance: str, content: Iterable[bytes]) -> int:
        """A C-STORE of ours; the status that the peer answers. Memory: what `content` gives at a time."""
        message = self._next_message()
        self.wire.write(pdu.command(number, command.store(message, sop_class, sop_instance)))
        for part in self._parts(number, content):
            self.wire.write(part)
        return self._await(Field.STORE, message)

    def echo(self, number: int) -> int:
        """A C-ECHO of ours; the status that the peer answers."""
        message = self._next_message()
        self.wire.write(pdu.command(number, command.echo(message, self.contexts[number].abstract)))
        return self._await(Field.ECHO, message)

    def _next_message(self) -> int:
        self._message = self._message % 0xFFFF + 1
        return self._message

    def _await(self, field: Field, message: int) -> int:
        while True:
            answer = self._hear(time.monotonic() + self.patience.idle_s)
            if (answer.field, answer.answers) == (field | 0x8000, message):
                return answer.status

    def is_cancelled(self, request: Command) -> bool:
        """Whether the peer has taken its request back by now (PS3.7 §9.3.2.3). Does not wait."""
        while self.wire.has_news():
            self._hear(time.monotonic() + self.patience.message_s)
        return request.message in self._cancelled

    def _parts(self, number: int, content: Iterable[bytes]) -> Iterable[bytes]:
        """A data set as messages that fit the peer; the last one says so."""
        most, waiting = pdu.fitting(self.longest), b""
        for block in content:
            waiting += block
            while len(waiting) > most:
                yield pdu.data(number, waiting[:most], is_last=False)
                waiting = waiting[most:]
        if waiting:
            yield pdu.data(number, waiting, is_last=True)

    def _hear(self, until: float) -> Command:
        """The next command, which may be an answer or a cancellation and nothing else."""
        content = bytearray()
        while True:
            try:
                kind, body = self.wire.read(until)
                if kind == Kind.ABORT:
                    raise ConnectionAbortedError("aborted by the peer")
                if kind != Kind.DATA:
                    raise misplaced(kind)
                for fragment in pdu.fragments(body):
                    self._require_command(fragment, len(content))
                    content += fragment.content
                    if fragment.is_last:
                        return self._understood(command.read(bytes(content)))
            except BadDicom:
                raise Abort(AbortReason.INVALID_VALUE) from None

    def _require_command(self, fragment: Fragment, before: int) -> None:
        if fragment.context not in self.contexts or before + len(fragment.content) > command.LONGEST:
            raise Abort(AbortReason.INVALID_VALUE)
        if not fragment.is_command:
            raise Abort(AbortReason.UNEXPECTED)

    def _understood(self, heard: Command) -> Command:
        if heard.field == Field.CANCEL:
            self._cancelled.add(heard.answers)
        elif (
            not heard.is_response
        ):  # a second request before the first is answered: none was negotiated (PS3.7 §D.3.3.3)
            raise Abort(AbortReason.UNEXPECTED)
        return heard

"""One association as its acceptor (PS3.8 §9.2): the state machine, C-ECHO and C-STORE, and time bounds for all of it.

Reading, writing and the disk happen in the association's own thread, so a peer that dawdles delays nobody else.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aegle import logs
from aegle.errors import AegleError, BadDicom, StorageFull
from aegle.protocols import command, pdu
from aegle.protocols.arriving import Arriving
from aegle.protocols.command import Command, Field, Status
from aegle.protocols.pdu import AbortReason, Context, Fragment, Kind, Rejection, Request
from aegle.protocols.peers import News, Notice, Receive, Sender
from aegle.protocols.wire import Wire


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a peer may take. A message must end `message_s` after it began, plus a second for each `slowest_bps`."""

    request_s: float = 10.0  #: from the connection to the whole association request, the TLS handshake within it
    idle_s: float = 60.0  #: between two messages
    message_s: float = 30.0
    slowest_bps: int = 16_384  #: bytes a second


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a door offers to every association."""

    served: Mapping[str, Collection[str]]  #: transfer syntaxes by abstract syntax
    folder: Path  #: takes objects while they arrive
    most_bytes: int  #: of a data set
    receive: Receive
    notice: Notice
    judge: Callable[[Request, Sender], Rejection | None]  #: whether this peer gets an association now
    patience: Patience = field(default_factory=Patience)


_KINDS = frozenset(int(kind) for kind in Kind)


class _Abort(Exception):
    """Something that ends the association by our A-ABORT (PS3.8 AA-8)."""

    def __init__(self, reason: AbortReason) -> None:
        self.reason = reason


class Association:
    """`run` it in a thread; it returns when the association is over, whatever the peer did."""

    def __init__(self, wire: Wire, address: str, service: Service) -> None:
        self._wire, self._service = wire, service
        self._sender = Sender(ae_title="", address=address)
        self._contexts: dict[int, Context] = {}
        self._command = bytearray()
        self._request: tuple[int, Command] | None = None  #: whose data set is awaited
        self._arriving: Arriving | None = None
        self._until = 0.0
        self._began: float | None = None  #: the message that is under way
        self._received = 0  #: bytes of it

    def run(self, until: float) -> None:
        """Negotiate before `until` (monotonic clock), then serve until release, abort, silence or loss."""
        try:
            if self._negotiate(until):
                self._serve()
        except _Abort as event:
            self._say(pdu.abort(event.reason))
        except BadDicom:
            self._say(pdu.abort(AbortReason.INVALID_VALUE))
        except TimeoutError:
            self._say(pdu.abort(AbortReason.UNSPECIFIED))
        except OSError:
            pass  # the peer is gone; what it had sent whole was answered, or it will send it again
        finally:
            self._give_up_object()

    def _say(self, content: bytes) -> None:
        try:
            self._wire.write(content)
        except OSError:
            logs.info("peer left before the last word")

    # --- state 2: awaiting the request

    def _negotiate(self, until: float) -> bool:
        kind, body = self._wire.read(until)
        if kind == Kind.ABORT:
            return False
        if kind != Kind.ASSOCIATE_RQ:
            raise _Abort(_misplaced(kind))
        request = pdu.read_request(bytes(body))
        self._sender = Sender(ae_title=request.calling, address=self._sender.address)
        rejection = self._service.judge(request, self._sender) or self._note_acceptance()
        if rejection:
            self._wire.write(pdu.reject(rejection))
            return False
        self._contexts = pdu.agree(request, self._service.served)
        self._wire.write(pdu.accept(request, self._contexts, self._service.served.keys()))
        return True

    def _note_acceptance(self) -> Rejection | None:
        """An association that cannot be audited is not made."""
        try:
            self._service.notice(News.ACCEPTED, self._sender, "")
        except AegleError as error:
            logs.warning("association not taken", code=error.meaning.code)
            return Rejection.CONGESTION
        return None

    # --- state 6: data transfer

    def _serve(self) -> None:
        self._await_message()
        while True:
            kind, body = self._wire.read(self._until)
            if kind == Kind.DATA:
                self._take(body)
            elif kind == Kind.RELEASE_RQ:
                return self._wire.write(pdu.release())
            elif kind == Kind.ABORT:
                return None
            else:
                raise _Abort(_misplaced(kind))

    def _await_message(self) -> None:
        self._began, self._received = None, 0
        self._until = time.monotonic() + self._service.patience.idle_s

    def _take(self, body: memoryview) -> None:
        """One P-DATA-TF. What a message may take grows with what has come of it."""
        patience = self._service.patience
        if self._began is None:
            self._began = time.monotonic()
        self._received += len(body)
        self._until = self._began + patience.message_s + self._received / patience.slowest_bps
        for fragment in pdu.fragments(body):
            if fragment.context not in self._contexts:
                raise _Abort(AbortReason.INVALID_VALUE)
            (self._take_command if fragment.is_command else self._take_data)(fragment)

    def _take_command(self, fragment: Fragment) -> None:
        if self._request is not None or len(self._command) + len(fragment.content) > command.LONGEST:
            raise _Abort(AbortReason.INVALID_VALUE)
        self._command += fragment.content
        if not fragment.is_last:
            return
        request = command.read(bytes(self._command))
        self._command.clear()
        if request.is_response:
            raise _Abort(AbortReason.UNEXPECTED)
        if request.has_data_set and request.field != Field.CANCEL:
            self._expect(fragment.context, request)
        else:
            self._answer(fragment.context, request, self._answer_without_data(request))

    def _expect(self, number: int, request: Command) -> None:
        self._request = number, request
        if self._refusal(number, request) is None:
            service, syntax = self._service, self._contexts[number].syntax
            self._arriving = Arriving(service.folder, request, syntax, service.most_bytes)

    def _take_data(self, fragment: Fragment) -> None:
        if self._request is None or self._request[0] != fragment.context:
            raise _Abort(AbortReason.INVALID_VALUE)
        if self._arriving is not None:
            self._arriving.add(fragment.content)
            if self._arriving.is_hopeless:
                raise _Abort(AbortReason.UNSPECIFIED)
        elif self._received > self._service.most_bytes:  # the data set of something that we do not serve
            raise _Abort(AbortReason.UNSPECIFIED)
        if fragment.is_last:
            number, request = self._request
            status = self._refusal(number, request)
            self._answer(number, request, self._keep() if status is None else status)

    # --- services

    def _refusal(self, number: int, request: Command) -> int | None:
        """Why a request with a data set is not met, whatever the data set is."""
        if request.field != Field.STORE:
            return Status.UNKNOWN_OPERATION
        if request.sop_class != self._contexts[number].abstract:
            return Status.WRONG_CLASS
        return None if 0 < len(request.sop_instance) <= 64 else Status.INVALID_INSTANCE

    def _answer_without_data(self, request: Command) -> int | None:
        if request.field == Field.CANCEL:
            return None  # of something that has long ended; it has no answer (PS3.7 §9.3.2.3)
        if request.field == Field.ECHO:
            return self._echo()
        return Status.CANNOT_UNDERSTAND if request.field == Field.STORE else Status.UNKNOWN_OPERATION

    def _echo(self) -> int:
        try:
            self._service.notice(News.ECHO, self._sender, "")
        except AegleError as error:
            return error.meaning.dimse
        return Status.SUCCESS

    def _keep(self) -> int:
        """Hand the whole object over; its status. Success means that it is durable."""
        arrived, self._arriving = self._arriving, None
        assert arrived is not None  # noqa: S101  (`_expect` made it: there was no refusal)
        arrived.close()
        if arrived.problem is not None:
            self._tell_not_taken(arrived.problem)
            return arrived.problem.meaning.dimse
        try:
            self._service.receive(arrived.path, self._sender)
        except AegleError as error:
            logs.warning("instance not taken", code=error.meaning.code)
            return error.meaning.dimse
        except Exception as failure:  # noqa: BLE001  (the edge of an association)
            logs.crash("door failed", failure)
            return Status.OUT_OF_RESOURCES
        finally:
            arrived.discard()
        return Status.SUCCESS

    def _answer(self, number: int, request: Command, status: int | None) -> None:
        self._request = None
        if status is not None:
            self._wire.write(pdu.command(number, command.answer(request, status)))
        self._await_message()

    def _give_up_object(self) -> None:
        if self._arriving is not None:
            self._tell_not_taken(self._arriving.problem)
            self._arriving.discard()

    def _tell_not_taken(self, problem: AegleError | None) -> None:
        code = problem.meaning.code if problem else "CUT_SHORT"
        try:
            self._service.notice(News.NOT_TAKEN, self._sender, code)
        except StorageFull:
            logs.warning("instance not taken", code=code)


def _misplaced(kind: int) -> AbortReason:
    """A PDU that has no place in this state, or none at all (PS3.8 §9.2.1, AA-8)."""
    return AbortReason.UNEXPECTED if kind in _KINDS else AbortReason.UNRECOGNIZED

"""One association as its acceptor (PS3.8 §9.2): the state machine, C-ECHO, and time bounds for all of it.

Reading, writing and the disk happen in the association's own thread, so a peer that dawdles delays nobody else.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from aegle import logs
from aegle.errors import AegleError, BadDicom
from aegle.protocols import command, pdu
from aegle.protocols.command import Command, Field, Status
from aegle.protocols.dialogue import ANSWERED, Abort, Dialogue, Operation, Patience, Provider, misplaced
from aegle.protocols.pdu import AbortReason, Fragment, Kind, Rejection, Request
from aegle.protocols.peers import News, Notice, Sender
from aegle.protocols.wire import Wire


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a listener offers to every association."""

    served: Mapping[str, Collection[str]]  #: transfer syntaxes by abstract syntax
    provide: Callable[[Dialogue], Provider]
    notice: Notice
    judge: Callable[[Request, Sender], Rejection | None]  #: whether this peer gets an association now
    leave: Callable[[], None] = lambda: None  #: the association is over; called before the peer is told so
    given: Mapping[str, Collection[str]] = field(
        default_factory=dict
    )  #: of which the requestor may be SCP, to get them
    most_bytes: int = 1_000_000  #: of the data set of something that is refused
    patience: Patience = field(default_factory=Patience)


@dataclass(kw_only=True)
class _Pending:
    """A request whose data set is awaited."""

    number: int
    request: Command
    operation: Operation | int  #: or the status that refuses it


class Association:
    """`run` it in a thread; it returns when the association is over, whatever the peer did."""

    def __init__(self, wire: Wire, address: str, service: Service) -> None:
        self._wire, self._service = wire, service
        self._sender = Sender(ae_title="", address=address)
        self._dialogue: Dialogue | None = None
        self._command = bytearray()
        self._pending: _Pending | None = None
        self._until = 0.0
        self._began: float | None = None  #: the message that is under way
        self._received = 0  #: bytes of it

    def run(self, until: float) -> None:
        """Negotiate before `until` (monotonic clock), then serve until release, abort, silence or loss."""
        try:
            dialogue = self._negotiate(until)
            if dialogue is not None:
                self._dialogue = dialogue
                self._serve(dialogue, self._service.provide(dialogue))
        except Abort as event:
            self._break_off(event.reason, "MALFORMED")
        except BadDicom:
            self._break_off(AbortReason.INVALID_VALUE, "MALFORMED")
        except TimeoutError:
            self._break_off(AbortReason.UNSPECIFIED, "TOO_SLOW")
        except OSError:
            pass  # the peer is gone; what it had sent whole was answered, or it will send it again
        finally:
            if self._pending is not None and not isinstance(self._pending.operation, int):
                self._pending.operation.give_up()

    def _break_off(self, reason: AbortReason, told: str) -> None:
        """Our last word. One that never became an association is told too."""
        if self._dialogue is None:
            with contextlib.suppress(AegleError):  # a full disk: it is told later
                self._service.notice(News.REFUSED, self._sender, told)
        with contextlib.suppress(OSError):  # it left before
            self._wire.write(pdu.abort(reason))

    # --- state 2: awaiting the request

    def _negotiate(self, until: float) -> Dialogue | None:
        kind, body = self._wire.read(until)
        if kind == Kind.ABORT:
            return None
        if kind != Kind.ASSOCIATE_RQ:
            raise misplaced(kind)
        request, service = pdu.read_request(bytes(body)), self._service
        self._sender = Sender(ae_title=request.calling, address=self._sender.address)
        rejection = service.judge(request, self._sender) or self._note_acceptance()
        if rejection:
            self._wire.write(pdu.reject(rejection))
            return None
        got = {uid: service.given[uid] for uid in request.providers if uid in service.given}
        served = {**service.served, **got}
        contexts = pdu.agree(request, served)
        self._wire.write(pdu.accept(request, contexts, served, got))
        return Dialogue(
            wire=self._wire,
            sender=self._sender,
            contexts=contexts,
            longest=request.longest,
            patience=service.patience,
        )

    def _note_acceptance(self) -> Rejection | None:
        """An association that cannot be audited is not made."""
        try:
            self._service.notice(News.ACCEPTED, self._sender, "")
        except AegleError as error:
            logs.warning("association not taken", code=error.meaning.code)
            return Rejection.CONGESTION
        return None

    # --- state 6: data transfer

    def _serve(self, dialogue: Dialogue, provider: Provider) -> None:
        self._await_message()
        while True:
            kind, body = self._wire.read(self._until)
            if kind == Kind.DATA:
                self._take(dialogue, provider, body)
            elif kind == Kind.RELEASE_RQ:
                self._service.leave()
                return self._wire.write(pdu.release())
            elif kind == Kind.ABORT:
                return None
            else:
                raise misplaced(kind)

    def _await_message(self) -> None:
        self._began, self._received = None, 0
        self._until = time.monotonic() + self._service.patience.idle_s

    def _take(self, dialogue: Dialogue, provider: Provider, body: memoryview) -> None:
        """One P-DATA-TF. What a message may take grows with what has come of it."""
        patience = self._service.patience
        if self._began is None:
            self._began = time.monotonic()
        self._received += len(body)
        self._until = self._began + patience.message_s + self._received / patience.slowest_bps
        for fragment in pdu.fragments(body):
            if fragment.context not in dialogue.contexts:
                raise Abort(AbortReason.INVALID_VALUE)
            if fragment.is_command:
                self._take_command(dialogue, provider, fragment)
            else:
                self._take_data(dialogue, fragment)

    def _take_command(self, dialogue: Dialogue, provider: Provider, fragment: Fragment) -> None:
        if self._pending is not None or len(self._command) + len(fragment.content) > command.LONGEST:
            raise Abort(AbortReason.INVALID_VALUE)
        self._command += fragment.content
        if not fragment.is_last:
            return
        request, number = command.read(bytes(self._command)), fragment.context
        self._command.clear()
        if request.is_response:
            raise Abort(AbortReason.UNEXPECTED)
        if request.has_data_set and request.field != Field.CANCEL:
            self._pending = _Pending(number=number, request=request, operation=provider.begin(number, request))
        else:
            self._answer(dialogue, number, request, self._answer_without_data(provider, request))

    def _take_data(self, dialogue: Dialogue, fragment: Fragment) -> None:
        pending = self._pending
        if pending is None or pending.number != fragment.context:
            raise Abort(AbortReason.INVALID_VALUE)
        operation = pending.operation
        if isinstance(operation, int):
            if self._received > self._service.most_bytes:
                raise Abort(AbortReason.UNSPECIFIED)
        else:
            operation.add(fragment.content)
            if operation.is_hopeless:
                raise Abort(AbortReason.UNSPECIFIED)
        if fragment.is_last:
            status = operation if isinstance(operation, int) else _finish(operation)
            self._pending = None
            self._answer(dialogue, pending.number, pending.request, None if status == ANSWERED else status)

    def _answer_without_data(self, provider: Provider, request: Command) -> int | None:
        if request.field == Field.CANCEL:
            return None  # of something that has long ended; it has no answer (PS3.7 §9.3.2.3)
        if request.field == Field.ECHO:
            return self._echo()
        return Status.CANNOT_UNDERSTAND if request.field in provider.fields else Status.UNKNOWN_OPERATION

    def _echo(self) -> int:
        try:
            self._service.notice(News.ECHO, self._sender, "")
        except AegleError as error:
            return error.meaning.dimse
        return Status.SUCCESS

    def _answer(self, dialogue: Dialogue, number: int, request: Command, status: int | None) -> None:
        if status is not None:
            dialogue.respond(number, request, status)
        self._await_message()


def _finish(operation: Operation) -> int:
    """The status of an operation; what nobody foresaw is one too."""
    try:
        return operation.finish()
    except AegleError as error:
        logs.warning("request not met", code=error.meaning.code)
        return error.meaning.dimse
    except (OSError, Abort):
        raise
    except Exception as failure:  # noqa: BLE001  (the edge of an association)
        logs.crash("association failed", failure)
        return Status.OUT_OF_RESOURCES

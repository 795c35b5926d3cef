"""Listens for associations, keeps them within their number, and gives each a thread; what they serve is given to it."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aegle import logs
from aegle.config import Peer
from aegle.errors import AegleError, Overloaded
from aegle.protocols import pdu
from aegle.protocols.association import Association, Service
from aegle.protocols.contexts import VERIFICATION
from aegle.protocols.dialogue import Dialogue, Patience, Provider
from aegle.protocols.pdu import Rejection, Request
from aegle.protocols.peers import News, Notice, Sender, is_allowed
from aegle.protocols.wire import Wire

#: Connections that have not asked for an association yet. One more, and the oldest goes: it cannot keep others out.
MOST_PENDING = 64
_LOOK_SECONDS = 0.2
_JOIN_SECONDS = 10.0
VERIFICATION_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@dataclass(kw_only=True, eq=False)
class _Guest:
    """One connection."""

    wire: Wire
    thread: threading.Thread | None = None
    is_associated: bool = False


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a listener serves beside C-ECHO."""

    provide: Callable[[Dialogue], Provider]
    served: Mapping[str, Collection[str]]  #: transfer syntaxes by abstract syntax
    given: Mapping[str, Collection[str]] = field(default_factory=dict)  #: the same, of what a requestor can get
    most_bytes: int = 1_000_000  #: of a data set


class Listener:
    """An acceptor of associations. They are taken from listed peers only, at most `limit` at once."""

    def __init__(
        self,
        offer: Offer,
        *,
        ae_title: str,
        address: tuple[str, int],
        allow: Sequence[Peer],
        notice: Notice,
        limit: int = 16,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._offer = offer
        self._title, self._address, self._allow, self._notice = ae_title, address, tuple(allow), notice
        self._limit, self._tls = limit, tls
        self._patience = patience or Patience()
        self._guests: list[_Guest] = []
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Listen in threads of their own; answers the port. Raises Overloaded when it is taken."""
        try:
            self._listener = _listen(self._address)
        except OSError:
            raise Overloaded(
                f"port {self._address[1]} is taken; stop what uses it or set another in aegle.yaml"
            ) from None
        self._thread = threading.Thread(target=self._welcome, args=(self._listener,), name="door", daemon=True)
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def stop(self) -> None:
        """Stop listening and cut what is open; returns when no association is at work any more."""
        self._stopping.set()
        if self._listener is None or self._thread is None:
            return
        self._thread.join(_JOIN_SECONDS)
        self._listener.close()
        with self._turn:
            guests = list(self._guests)
        for guest in guests:
            guest.wire.cut()
        for guest in guests:
            if guest.thread is not None:
                guest.thread.join(_JOIN_SECONDS)

    def _welcome(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                logs.crash("door cannot accept a connection", error)
                self._stopping.wait(_LOOK_SECONDS)  # out of file descriptors: they come back
                continue
            self._let_in(connection, str(address[0]))

    def _let_in(self, connection: socket.socket, address: str) -> None:
        guest = _Guest(wire=Wire(connection))
        guest.thread = threading.Thread(target=self._host, args=(guest, address), name="association", daemon=True)
        with self._turn:
            pending = [other for other in self._guests if not other.is_associated]
            self._guests.append(guest)
        if len(pending) >= MOST_PENDING:
            pending[0].wire.cut()
        guest.thread.start()

    def _host(self, guest: _Guest, address: str) -> None:
        until = time.monotonic() + self._patience.request_s
        try:
            if self._tls is not None:
                guest.wire.secure(self._tls, until)
            Association(guest.wire, address, self._service(guest)).run(until)
        except OSError:
            self._tell_refused(Sender(ae_title="", address=address), "NO_TLS")
        except Exception as failure:  # noqa: BLE001  (the edge of an association)
            logs.crash("association failed", failure)
        finally:
            self._unseat(guest)
            guest.wire.hang_up()
            with self._turn:
                self._guests.remove(guest)

    def _service(self, guest: _Guest) -> Service:
        def judge(request: Request, sender: Sender) -> Rejection | None:
            return self._judge(guest, request, sender)

        return Service(
            served={VERIFICATION: VERIFICATION_SYNTAXES, **self._offer.served},
            given=self._offer.given,
            provide=self._offer.provide,
            most_bytes=self._offer.most_bytes,
            notice=self._notice,
            judge=judge,
            leave=lambda: self._unseat(guest),
            patience=self._patience,
        )

    def _judge(self, guest: _Guest, request: Request, sender: Sender) -> Rejection | None:
        """Whether this peer gets an association. A refusal is audited."""
        if not_dicom := _not_dicom(request):
            rejection = not_dicom
        elif not is_allowed(sender, self._allow):
            rejection = Rejection.UNKNOWN_PEER
        elif request.called != self._title:
            rejection = Rejection.WRONG_AE_TITLE
        elif not self._seat(guest):
            rejection = Rejection.TOO_MANY_ASSOCIATIONS
        else:
            return None
        self._tell_refused(sender, rejection.name)
        return rejection

    def _seat(self, guest: _Guest) -> bool:
        with self._turn:
            guest.is_associated = sum(other.is_associated for other in self._guests) < self._limit
            return guest.is_associated

    def _unseat(self, guest: _Guest) -> None:
        """Its seat is free for the next, at once: a peer may come back before this one has hung up."""
        with self._turn:
            guest.is_associated = False

    def _tell_refused(self, sender: Sender, reason: str) -> None:
        """Refused it is, also where that cannot be written down at once."""
        with contextlib.suppress(AegleError):
            self._notice(News.REFUSED, sender, reason)


def _not_dicom(request: Request) -> Rejection | None:
    if not request.version & 1:
        return Rejection.PROTOCOL_VERSION
    return None if pdu.speaks_dicom(request) else Rejection.APPLICATION_CONTEXT


def _listen(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.create_server(address, family=family, backlog=128)
    listener.settimeout(_LOOK_SECONDS)
    return listener

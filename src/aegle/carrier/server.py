"""The server: one thread accepts, one thread a connection answers, all of them bounded."""

import contextlib
import json
import socket
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from aegle import logs
from aegle.carrier.head import Head, NotHttp
from aegle.carrier.messages import Application, Request, Response
from aegle.carrier.sending import part, send
from aegle.carrier.wire import Gone, Wire, WireBody
from aegle.errors import Overloaded

CONNECTIONS_MAX = 512
_BACKLOG = 512
_SPARE_THREADS = 16  #: kept for the next connections


@dataclass(eq=False)
class _Seat:
    """One connection. While it is idle, waiting for a request's head to be whole, it may be given to somebody else."""

    connection: socket.socket
    was_taken_away: bool = False


class Carrier:
    """An application on one address."""

    def __init__(self, application: Application, bind: str, port: int, connections_max: int = CONNECTIONS_MAX) -> None:
        self._application, self._address, self._most = application, (bind, port), connections_max
        self._turn = threading.Condition()
        self._idle: OrderedDict[_Seat, None] = OrderedDict()  #: longest idle first
        self._seats: set[_Seat] = set()
        self._waiting: list[_Worker] = []
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Listen; returns once connections are taken. Raises Overloaded when the port is not to be had."""
        try:
            self._listener = socket.create_server(self._address, backlog=_BACKLOG)
        except OSError:
            said = f"port {self._address[1]} is taken; stop what uses it or set another in aegle.yaml"
            raise Overloaded(said) from None
        self._thread = threading.Thread(target=self._accept, name=f"carrier-{self._address[1]}", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Take no more, let running requests end, then cut what is left."""
        self._is_stopping = True
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._turn:
            for seat in self._idle:
                _hang_up(seat)
            self._turn.wait_for(lambda: not self._seats, seconds)
            for seat in self._seats:
                _hang_up(seat)
            for worker in self._waiting:
                worker.give(None)
            self._waiting.clear()

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  (start has just made it)
        while not self._is_stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                time.sleep(0.05)  # no descriptors left: connections wait in the backlog until some end
                continue
            self._seat(connection)

    def _seat(self, connection: socket.socket) -> None:
        """Give it to a thread; where all seats are taken, the longest idle one's is given up for it."""
        seat = _Seat(connection)
        with self._turn:
            if len(self._seats) >= self._most and self._idle:
                longest, _ = self._idle.popitem(last=False)
                longest.was_taken_away = True
                _hang_up(longest)
                self._turn.wait_for(lambda: len(self._seats) < self._most, 1.0)
            worker = self._worker() if len(self._seats) < self._most and not self._is_stopping else None
            if worker is not None:
                self._seats.add(seat)
                self._idle[seat] = None
        if worker is None:
            _refuse(connection)
        else:
            worker.give(seat)

    def _worker(self) -> "_Worker | None":
        """A thread for a connection; None when the system gives no more."""
        try:
            return self._waiting.pop() if self._waiting else _Worker(self)
        except RuntimeError:
            return None

    def serve(self, seat: _Seat) -> None:
        """Answer its requests until it ends; called by the thread that has it."""
        try:
            with seat.connection:
                seat.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(seat)
        except (OSError, Gone):
            pass  # the other side has left
        finally:
            with self._turn:
                self._idle.pop(seat, None)
                self._seats.discard(seat)
                self._turn.notify_all()

    def _converse(self, seat: _Seat) -> None:
        wire = Wire(seat.connection)
        while not self._is_stopping:
            try:
                head = wire.head()
            except NotHttp as error:
                send(seat.connection, _report(error.status, str(error)), minor=1, stays=False)
                part(seat.connection)
                return
            if head is None or not self._is_busy(seat):
                return
            body = WireBody(wire, head, seat.connection)
            stays = self._exchange(seat.connection, head, body) and not self._is_stopping
            if not stays or not body.drain():
                part(seat.connection)
                return
            self._is_free(seat)

    def _exchange(self, connection: socket.socket, head: Head, body: WireBody) -> bool:
        """Answer one request; whether the connection may carry another."""
        path, _, query = head.target.partition("?")
        request = Request(method=head.method, path=path, query_string=query, headers=head.headers, body=body)
        try:
            response = self._application.answer(request)
        except Exception as error:  # noqa: BLE001  (the edge of a request: the others go on)
            logs.crash("a request failed", error)
            response = _report(500, "this is a fault of ours; it was written down", code="FAULT")
        stays = head.stays and (body.is_over or body.may_be_drained) and not self._is_stopping
        try:
            return send(connection, response, minor=head.minor, stays=stays, is_head=head.method == "HEAD")
        except OSError:
            raise
        except (
            Exception
        ) as error:  # of a piece that could not be made: cut, so that nobody takes what came for the whole
            logs.crash("an answer was cut short", error)
            raise Gone from error

    def _is_busy(self, seat: _Seat) -> bool:
        """Whether the seat is still its own, now that it has asked something."""
        with self._turn:
            self._idle.pop(seat, None)
            return not seat.was_taken_away

    def _is_free(self, seat: _Seat) -> None:
        with self._turn:
            self._idle[seat] = None

    def is_kept(self, worker: "_Worker") -> bool:
        """Whether a thread without a connection is to wait for one."""
        with self._turn:
            if self._is_stopping or len(self._waiting) >= _SPARE_THREADS:
                return False
            self._waiting.append(worker)
            return True


class _Worker:
    """One thread, that takes one connection after the other."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._given = threading.Semaphore(0)
        self._seat: _Seat | None = None
        threading.Thread(target=self._run, name="carrier-connection", daemon=True).start()

    def give(self, seat: _Seat | None) -> None:
        """The next connection; None ends the thread."""
        self._seat = seat
        self._given.release()

    def _run(self) -> None:
        while True:
            self._given.acquire()
            if self._seat is None:
                return
            self._carrier.serve(self._seat)
            self._seat = None
            if not self._carrier.is_kept(self):
                return


def _hang_up(seat: _Seat) -> None:
    with contextlib.suppress(OSError):
        seat.connection.shutdown(socket.SHUT_RDWR)


def _refuse(connection: socket.socket) -> None:
    """All seats are taken by requests that run."""
    response = _report(503, "too many requests at once; come back in some seconds", code="OVERLOADED")
    response.headers = {**response.headers, "retry-after": "5"}
    with contextlib.suppress(OSError), connection:
        connection.settimeout(0.2)
        send(connection, response, minor=1, stays=False)


def _report(status: int, said: str, code: str = "BAD_MESSAGE") -> Response:
    content = json.dumps({"code": code, "detail": said}).encode()
    return Response.of(content, status, {"content-type": "application/json"})

"""An association as its requestor: made, spoken on, released (PS3.8 §9.2). Knows no files."""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from aegle.dicom.identity import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from aegle.errors import BadDicom, PeerUnreachable
from aegle.protocols import pdu
from aegle.protocols.dialogue import Abort, Dialogue, Patience
from aegle.protocols.pdu import AbortReason, Context, Kind
from aegle.protocols.peers import Sender
from aegle.protocols.wire import Wire

_CONNECT_SECONDS = 30.0
_ASSOCIATE_SECONDS = 30.0
_RELEASE_SECONDS = 5.0
_REASONS = {(1, 1, 3): "it does not know the AE title {calling}", (1, 1, 7): "its AE title is another"}


def request(called: str, calling: str, proposals: Mapping[int, Context]) -> bytes:
    """An A-ASSOCIATE-RQ that proposes each context with its one transfer syntax (PS3.8 Table 9-11)."""
    contexts = b"".join(
        pdu.item(
            0x20, bytes((number, 0, 0, 0)) + pdu.item(0x30, it.abstract.encode()) + pdu.item(0x40, it.syntax.encode())
        )
        for number, it in proposals.items()
    )
    user = (
        pdu.item(0x51, pdu.LONGEST.to_bytes(4, "big"))
        + pdu.item(0x52, IMPLEMENTATION_UID.encode())
        + pdu.item(0x55, IMPLEMENTATION_NAME.encode())
    )
    titles = called.encode("ascii", "replace").ljust(16)[:16] + calling.encode("ascii", "replace").ljust(16)[:16]
    body = b"\0\1\0\0" + titles + bytes(32) + pdu.item(0x10, pdu.APPLICATION_CONTEXT) + contexts + pdu.item(0x50, user)
    return pdu.whole(Kind.ASSOCIATE_RQ, body)


def read_acceptance(body: bytes) -> tuple[frozenset[int], int]:
    """The numbers of accepted contexts of an A-ASSOCIATE-AC, and how long a P-DATA-TF the peer takes. Raises BadDicom."""
    accepted, longest = set(), 0
    for kind, content in pdu.items(body[pdu.FIXED :]):
        if kind == 0x21 and len(content) >= 4 and content[2] == 0:
            accepted.add(content[0])
        elif kind == 0x50:
            longest, _ = pdu.read_user(content)
    return frozenset(accepted), longest


@contextmanager
def associated(
    address: tuple[str, int], called: str, calling: str, proposals: Sequence[Context], tls: ssl.SSLContext | None = None
) -> Iterator[Dialogue]:
    """An association with those of the contexts that the peer takes, released at the end. Raises PeerUnreachable."""
    numbered = {2 * at + 1: context for at, context in enumerate(proposals)}
    wire = _connect(address, tls)
    try:
        dialogue = _associate(wire, called, calling, numbered)
        yield dialogue
        _release(wire)
    except Abort as event:
        with contextlib.suppress(OSError):
            wire.write(pdu.abort(event.reason, source=0))
        raise ConnectionAbortedError("the peer broke the protocol") from None
    finally:
        wire.hang_up()


def _connect(address: tuple[str, int], tls: ssl.SSLContext | None) -> Wire:
    try:
        wire = Wire(socket.create_connection(address, timeout=_CONNECT_SECONDS))
    except OSError as error:
        raise PeerUnreachable(f"nobody answers at {address[0]}:{address[1]} ({type(error).__name__})") from None
    try:
        if tls is not None:
            wire.secure(tls, time.monotonic() + _CONNECT_SECONDS, server_name=address[0])
    except OSError as error:
        wire.hang_up()
        raise PeerUnreachable(f"no TLS with {address[0]}:{address[1]} ({type(error).__name__})") from None
    return wire


def _associate(wire: Wire, called: str, calling: str, proposals: Mapping[int, Context]) -> Dialogue:
    try:
        wire.write(request(called, calling, proposals))
        kind, body = wire.read(time.monotonic() + _ASSOCIATE_SECONDS)
        accepted, longest = read_acceptance(bytes(body)) if kind == Kind.ASSOCIATE_AC else (frozenset[int](), 0)
    except (OSError, BadDicom, struct.error) as error:
        raise PeerUnreachable(f"no association with {called}: {type(error).__name__}") from None
    contexts = {number: proposals[number] for number in proposals if number in accepted}
    if kind == Kind.ASSOCIATE_RJ and len(body) == 4:
        why = _REASONS.get(
            (body[1], body[2], body[3]), f"rejected with {body[1]}, {body[2]}, {body[3]} (PS3.8 Table 9-21)"
        )
        raise PeerUnreachable(f"no association with {called}: {why.format(calling=calling)}")
    if not contexts:
        with contextlib.suppress(OSError):
            wire.write(pdu.abort(AbortReason.UNSPECIFIED, source=0))
        raise PeerUnreachable(f"{called} takes nothing of what was proposed")
    return Dialogue(
        wire=wire,
        sender=Sender(ae_title=called, address=""),
        contexts=contexts,
        longest=longest,
        patience=Patience(),
    )


def _release(wire: Wire) -> None:
    """Ask for the release; whether it is answered changes nothing any more."""
    with contextlib.suppress(OSError, BadDicom):
        wire.write(pdu.whole(Kind.RELEASE_RQ, bytes(4)))
        wire.read(time.monotonic() + _RELEASE_SECONDS)

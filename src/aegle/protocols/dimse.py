"""DIMSE by pynetdicom, wrapped: a door that receives (C-ECHO, C-STORE as SCP) and a sender (C-STORE as SCU).

Received data sets are written to disk as they arrive, so memory does not grow with their size.
"""

import ipaddress
import logging
import socket
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association

from aegle import logs
from aegle.config import Peer
from aegle.errors import AegleError, BadDicom, Overloaded, PeerUnreachable
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION

_config.STORE_RECV_CHUNKED_DATASET = True
_config.STORE_SEND_CHUNKED_DATASET = True
_config.LOG_HANDLER_LEVEL = "none"
_config.ENFORCE_UID_CONFORMANCE = True
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its messages quote what it handles

SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700
_CANNOT_UNDERSTAND = 0xC000
_LONGEST_PDU = 131_072
_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who is at the other end of an association."""

    ae_title: str
    address: str


Receive = Callable[[Path, Sender], None]
"""Takes over a received Part 10 file, durable on return; an AegleError becomes the C-STORE status of its `MEANING`."""
Notice = Callable[[str, Sender, str], None]
"""Called with `accepted`, `refused` or `echo`, the sender, and a reason code where refused."""


class DimseDoor:
    """A Storage and Verification SCP. Associations are taken from listed peers only, at most `limit` at once."""

    def __init__(
        self,
        *,
        ae_title: str,
        address: tuple[str, int],
        allow: Sequence[Peer],
        folder: Path,
        receive: Receive,
        notice: Notice,
        limit: int = 16,
    ) -> None:
        """`folder` takes data sets while they arrive; it must be on the spool's file system and as private as it."""
        self._folder = folder
        self._allow, self._receive, self._notice = tuple(allow), receive, notice
        self._entity = AE(ae_title=ae_title)
        self._entity.maximum_associations = limit
        self._entity.maximum_pdu_size = _LONGEST_PDU
        self._entity.acse_timeout = self._entity.dimse_timeout = self._entity.network_timeout = _SECONDS
        self._entity.add_supported_context(VERIFICATION)
        for sop_class in STORAGE_CLASSES:
            self._entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
        self._address = address
        self._server: Any = None
        self._before: str | None = None

    def start(self) -> int:
        """Listen in threads of their own; answers the port. Raises Overloaded when it is taken."""
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._on_request),
            (evt.EVT_CONN_OPEN, _without_delay),
            (evt.EVT_C_ECHO, self._on_echo),
            (evt.EVT_C_STORE, self._on_store),
        ]
        # pynetdicom writes arriving data sets to the process's temporary folder: they are identified, so that is ours
        # for as long as the door is open.
        self._before, tempfile.tempdir = tempfile.tempdir, str(self._folder)
        try:
            self._server = self._entity.start_server(self._address, block=False, evt_handlers=handlers)
        except OSError:
            raise Overloaded(
                f"port {self._address[1]} is taken; stop what uses it or set another in aegle.yaml"
            ) from None
        port: int = self._server.server_address[1]
        return port

    def stop(self) -> None:
        """Abort what is open and stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            tempfile.tempdir = self._before

    def _on_request(self, event: evt.Event) -> None:
        sender = _sender(event.assoc)
        if not is_allowed(sender, self._allow):
            self._refuse(event.assoc, sender, "UNKNOWN_PEER", 0x03)  # calling AE title not recognised
        elif _called(event.assoc) != self._entity.ae_title:
            self._refuse(event.assoc, sender, "WRONG_AE_TITLE", 0x07)  # called AE title not recognised
        else:
            self._notice("accepted", sender, "")

    def _refuse(self, association: Association, sender: Sender, reason: str, diagnostic: int) -> None:
        """Reject for good, as the service's user (PS3.8 Table 9-21)."""
        self._notice("refused", sender, reason)
        association.acse.send_reject(0x01, 0x01, diagnostic)
        association.kill()

    def _on_echo(self, event: evt.Event) -> int:
        self._notice("echo", _sender(event.assoc), "")
        return SUCCESS

    def _on_store(self, event: evt.Event) -> int:
        received = event.dataset_path
        try:
            self._receive(received, _sender(event.assoc))
        except AegleError as error:
            logs.warning("instance not taken", code=error.meaning.code)
            return error.meaning.dimse
        except Exception as failure:  # noqa: BLE001  (the edge of an association)
            logs.crash("door failed", failure)
            return _OUT_OF_RESOURCES
        finally:
            if event.request._dataset_file is not None:
                event.request._dataset_file.close()
            received.unlink(missing_ok=True)
        return SUCCESS


def is_allowed(sender: Sender, allow: Iterable[Peer]) -> bool:
    """Whether a listed peer has this AE title and this source address."""
    address = ipaddress.ip_address(sender.address)
    return any(
        peer.ae_title == sender.ae_title and address in ipaddress.ip_network(peer.address, strict=False)
        for peer in allow
    )


def _sender(association: Association) -> Sender:
    primitive = association.requestor.primitive
    title = primitive.calling_ae_title if primitive else ""
    return Sender(ae_title=str(title).strip(), address=str(association.requestor.address))


def _called(association: Association) -> str:
    """The AE title that the requestor wants to reach."""
    primitive = association.requestor.primitive
    return str(primitive.called_ae_title).strip() if primitive else ""


def _without_delay(event: evt.Event) -> None:
    """Small replies must not wait for Nagle's algorithm."""
    wrapped = event.assoc.dul.socket
    if wrapped is not None and wrapped.socket is not None:
        wrapped.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A DICOM node that results or files are sent to."""

    host: str
    port: int
    called: str
    calling: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the peer said of one file. `status` is its C-STORE status; None when the file never reached it."""

    path: Path
    status: int | None

    @property
    def accepted(self) -> bool:
        """Success, or a warning that the object is stored all the same (PS3.4 Table B.2-1)."""
        return self.status is not None and (self.status == SUCCESS or self.status >> 12 == 0xB)


def echo(target: Target) -> bool:
    """C-ECHO: whether the peer answers with success."""
    entity = AE(ae_title=target.calling)
    entity.add_requested_context(VERIFICATION)
    association = _associate(entity, target)
    try:
        reply = association.send_c_echo()
        return bool(reply) and reply.Status == SUCCESS
    finally:
        association.release()


def send(target: Target, paths: Sequence[Path], told: Callable[[Sent], None] = lambda _: None) -> list[Sent]:
    """C-STORE files on one association, in order, as they are encoded (no transcoding).

    `told` hears of each answer as it comes. Raises PeerUnreachable when no association is made, BadDicom for a file
    that is not DICOM; a peer lost midway leaves the rest with status None.
    """
    wanted = sorted({_identify(path) for path in paths})
    entity = AE(ae_title=target.calling)
    for sop_class, syntax in wanted:
        entity.requested_contexts = [*entity.requested_contexts, build_context(sop_class, syntax)]
    association = _associate(entity, target)
    try:
        answers = []
        for path in paths:
            answers.append(Sent(path=path, status=_send_one(association, path)))
            told(answers[-1])
        return answers
    finally:
        if association.is_established:
            association.release()


def _send_one(association: Association, path: Path) -> int | None:
    if not association.is_established:
        return None
    try:
        reply = association.send_c_store(path)
    except (ValueError, RuntimeError):  # no accepted context for it, or the peer went away
        return None
    return int(reply.Status) if "Status" in reply else None


def _associate(entity: AE, target: Target) -> Association:
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _SECONDS
    association = entity.associate(
        target.host, target.port, ae_title=target.called, evt_handlers=[(evt.EVT_CONN_OPEN, _without_delay)]
    )
    if not association.is_established:
        raise PeerUnreachable(
            f"no association with {target.called} at {target.host}:{target.port}; check that it runs and knows the AE title "
            f"{target.calling}"
        )
    return association


def _identify(path: Path) -> tuple[str, str]:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except (InvalidDicomError, AttributeError, EOFError):
        raise BadDicom(f"{path.name} is not a DICOM file (PS3.10)") from None

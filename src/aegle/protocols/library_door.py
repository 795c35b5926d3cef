"""The door by pynetdicom: the oracle of our own, and its fallback (`door.upper_layer: pynetdicom`).

No TLS here: pynetdicom shakes hands in the thread that listens, so one silent peer would close the door to all. It cannot
refuse an object early either, and answers with an abort when the disk is full before an object is whole.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association

from aegle import logs
from aegle.config import Peer
from aegle.errors import AegleError, Overloaded
from aegle.protocols import library
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from aegle.protocols.peers import News, Notice, Receive, Sender, is_allowed

SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700
_LONGEST_PDU = 131_072
_SECONDS = 30


class LibraryDoor:
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
            (evt.EVT_CONN_OPEN, library.without_delay),
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
            self._accept(event.assoc, sender)

    def _accept(self, association: Association, sender: Sender) -> None:
        """An association that cannot be audited is not made: rejected for now, for local congestion."""
        try:
            self._notice(News.ACCEPTED, sender, "")
        except AegleError:
            association.acse.send_reject(0x02, 0x03, 0x01)
            association.kill()

    def _refuse(self, association: Association, sender: Sender, reason: str, diagnostic: int) -> None:
        """Reject for good, as the service's user (PS3.8 Table 9-21)."""
        self._notice(News.REFUSED, sender, reason)
        association.acse.send_reject(0x01, 0x01, diagnostic)
        association.kill()

    def _on_echo(self, event: evt.Event) -> int:
        self._notice(News.ECHO, _sender(event.assoc), "")
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


def _sender(association: Association) -> Sender:
    primitive = association.requestor.primitive
    title = primitive.calling_ae_title if primitive else ""
    return Sender(ae_title=str(title).strip(), address=str(association.requestor.address))


def _called(association: Association) -> str:
    """The AE title that the requestor wants to reach."""
    primitive = association.requestor.primitive
    return str(primitive.called_ae_title).strip() if primitive else ""

"""Sends by DIMSE: C-STORE and C-ECHO as SCU, by pynetdicom. The door that receives is `protocols.door`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association

from aegle.config import Tls
from aegle.errors import BadDicom, PeerUnreachable
from aegle.protocols import library
from aegle.protocols.contexts import VERIFICATION
from aegle.protocols.tls import client_context

SUCCESS = 0x0000
_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Target:
    """A DICOM node that results or files are sent to."""

    host: str
    port: int
    called: str
    calling: str
    tls: Tls | None = None


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
        target.host,
        target.port,
        ae_title=target.called,
        evt_handlers=[(evt.EVT_CONN_OPEN, library.without_delay)],
        tls_args=(client_context(target.tls), target.host) if target.tls else None,
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

"""Sends by DIMSE: C-STORE and C-ECHO as SCU, on the upper layer that receives too. Objects are streamed from disk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from aegle.config import Tls
from aegle.errors import BadDicom
from aegle.protocols.arriving import data_set
from aegle.protocols.contexts import VERIFICATION
from aegle.protocols.dialogue import Dialogue
from aegle.protocols.pdu import MOST_CONTEXTS, Context
from aegle.protocols.requestor import associated
from aegle.protocols.tls import client_context

SUCCESS = 0x0000
_IMPLICIT = "1.2.840.10008.1.2"


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


@dataclass(frozen=True, kw_only=True)
class _Object:
    path: Path
    context: Context
    instance: str


def echo(target: Target) -> bool:
    """C-ECHO: whether the peer answers with success. Raises PeerUnreachable when no association is made."""
    try:
        with _association(target, [Context(abstract=VERIFICATION, syntax=_IMPLICIT)]) as dialogue:
            return dialogue.echo(next(iter(dialogue.contexts))) == SUCCESS
    except OSError:
        return False


def send(target: Target, paths: Sequence[Path], told: Callable[[Sent], None] = lambda _: None) -> list[Sent]:
    """C-STORE files on one association, in order, as they are encoded (no transcoding); on further ones where they are of
    more than 128 kinds. Memory: a block of 128 KB.

    `told` hears of each answer as it comes. Raises PeerUnreachable when no association is made, BadDicom for a file
    that is not DICOM; a peer lost midway leaves the rest with status None.
    """
    objects = [_identify(path) for path in paths]
    answers: list[Sent] = []

    def note(answer: Sent) -> None:
        answers.append(answer)
        told(answer)

    for batch in _batches(objects):
        try:
            with _association(target, sorted({it.context for it in batch}, key=str)) as dialogue:
                for it in batch:
                    note(Sent(path=it.path, status=_store(dialogue, it)))
        except OSError:
            break
    for it in objects[len(answers) :]:
        note(Sent(path=it.path, status=None))
    return answers


def _association(target: Target, proposals: Sequence[Context]) -> AbstractContextManager[Dialogue]:
    tls = client_context(target.tls) if target.tls else None
    return associated((target.host, target.port), target.called, target.calling, proposals, tls)


def _store(dialogue: Dialogue, it: _Object) -> int | None:
    number = next((number for number, context in dialogue.contexts.items() if context == it.context), None)
    if number is None:
        return None
    return dialogue.store(number, it.context.abstract, it.instance, data_set(it.path))


def _batches(objects: Sequence[_Object]) -> Iterator[list[_Object]]:
    """Runs of objects of no more kinds than one association may propose."""
    batch: list[_Object] = []
    kinds: set[Context] = set()
    for it in objects:
        if it.context not in kinds and len(kinds) == MOST_CONTEXTS:
            yield batch
            batch, kinds = [], set()
        batch.append(it)
        kinds.add(it.context)
    if batch:
        yield batch


def _identify(path: Path) -> _Object:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        context = Context(abstract=str(meta.MediaStorageSOPClassUID), syntax=str(meta.TransferSyntaxUID))
        return _Object(path=path, context=context, instance=str(meta.MediaStorageSOPInstanceUID))
    except (InvalidDicomError, AttributeError, EOFError):
        raise BadDicom(f"{path.name} is not a DICOM file (PS3.10)") from None

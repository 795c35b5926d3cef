"""STOW-RS (PS3.18 §10.5): objects taken in over HTTP, streamed to disk, each with a status of its own.

What becomes of an object is the owner's: an archive keeps it, a door spools it. Memory: a megabyte a request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from aegle import durable, faults
from aegle.errors import AegleError, BadDicom, BadMessage, Conflict, StorageFull, TooLarge, TooSlow, WrongMedia
from aegle.protocols.answers import DICOM_JSON
from aegle.protocols.part_reader import Part, PartReader
from aegle.records import InstanceRef

_PART_10 = "application/dicom"
_BLOCK = 1 << 20
SILENCE_SECONDS = 30.0  #: the longest that a sender may say nothing in the middle of a body
_REASONS: dict[type[AegleError], int] = {Conflict: 0x0111, StorageFull: 0xA700, TooLarge: 0xA700, BadDicom: 0xC000}
NOT_ALLOWED = 0x0110
OTHER_STUDY = 0xA900  #: the object is of another study than the request names


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one part. `reason` is its Failure Reason (PS3.18 §10.5.3, PS3.7 Annex C), 0 when it was taken;
    `instance` is None where a failed part is not known to be any."""

    instance: InstanceRef | None
    reason: int = 0


def reason(error: AegleError) -> int:
    """The Failure Reason of a refusal."""
    return _REASONS.get(type(error), NOT_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where objects go. `take` gets a file to take over, its SHA-256 and the study that the request names (empty: any);
    it answers once what it took is durable."""

    folder: Path  #: on the file system of what takes the files over
    part_max_bytes: int
    take: Callable[[Path, str, str], Fate]
    is_retrievable: bool = True  #: what was taken can be retrieved at the same address


async def receive(
    request: Request, receiver: Receiver, study_uid: str, allow: Callable[[], None] | None = None
) -> Response:
    """Answer a STOW-RS request: 200 when all were taken, 202 when some were, 409 when none was.

    `allow` decides whether the sender may, where that is still open, and audits it; meanwhile the first megabyte comes in and
    is not looked at."""
    blocks = _blocks(request)
    first = await _first(blocks, allow) if allow else await anext(blocks)
    content_type = request.headers.get("content-type", "")
    _require_media(content_type)
    reader = PartReader(content_type, receiver.folder, receiver.part_max_bytes)
    try:
        await _feed(reader, first, blocks)
        fates = await run_in_threadpool(_take_all, receiver, reader, first if first.ends else _NOTHING, study_uid)
    finally:
        if reader.is_holding:
            await run_in_threadpool(reader.discard)
    return _answer(str(request.base_url).rstrip("/") if receiver.is_retrievable else "", fates)


class _Block(NamedTuple):
    """Part of a body, and whether it is the last."""

    content: bytes
    ends: bool


_NOTHING = _Block(b"", ends=True)


async def _first(blocks: AsyncIterator[_Block], allow: Callable[[], None]) -> _Block:
    """Whoever may not send is told so at once, whether or not the block has come."""
    allowed = asyncio.ensure_future(run_in_threadpool(allow))
    coming = asyncio.ensure_future(anext(blocks))
    try:
        await asyncio.wait({allowed, coming}, return_when=asyncio.FIRST_COMPLETED)
        await allowed
        return await coming
    finally:
        coming.cancel()


async def _feed(reader: PartReader, first: _Block, blocks: AsyncIterator[_Block]) -> None:
    """Everything but a body's only block: while one block is written, the next one comes in."""
    if first.ends:
        return
    writing = asyncio.ensure_future(run_in_threadpool(_write, reader, first.content))
    try:
        async for block in blocks:
            await writing
            writing = asyncio.ensure_future(run_in_threadpool(_write, reader, block.content))
    finally:
        await writing


def _write(reader: PartReader, content: bytes) -> None:
    with durable.storage():
        reader.feed(content)


def _require_media(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    wrong = WrongMedia(f"a body is multipart/related; type={_PART_10}; metadata as JSON or XML is not taken")
    if media_type != "multipart/related":
        raise wrong
    if _PART_10 not in content_type.lower().replace(f"{_PART_10}+", ""):
        raise wrong


async def _blocks(request: Request) -> AsyncIterator[_Block]:
    """The body a megabyte at a time. Raises BadMessage for a sender who leaves, TooSlow for one who falls silent."""
    held, size = list[bytes](), 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                piece = await anext(stream)
        except StopAsyncIteration:
            break
        except ClientDisconnect:
            raise BadMessage("the sender left in the middle of a body") from None
        except TimeoutError:
            raise TooSlow("the sender fell silent in the middle of a body") from None
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield _Block(b"".join(held), ends=False)
            held, size = [], 0
    yield _Block(b"".join(held), ends=True)


def _take_all(receiver: Receiver, reader: PartReader, last: _Block, study_uid: str) -> list[Fate]:
    _write(reader, last.content)
    parts = reader.finish()
    if not parts:
        raise BadMessage("a body without a part")
    faults.reach(faults.Point.STOW_RECEIVED)
    fates = [_take(receiver, part, study_uid) for part in parts]
    faults.reach(faults.Point.STOW_TAKEN)
    return fates


def _take(receiver: Receiver, part: Part, study_uid: str) -> Fate:
    if part.media_type not in ("", _PART_10):
        return Fate(instance=None, reason=_REASONS[BadDicom])
    try:
        return receiver.take(part.path, part.digest, study_uid)
    except AegleError as error:
        return Fate(instance=None, reason=reason(error))


def _answer(base: str, fates: Sequence[Fate]) -> Response:
    taken = [_reference(fate, base) for fate in fates if not fate.reason]
    failed = [_reference(fate) for fate in fates if fate.reason and fate.instance]
    other = [_reference(fate) for fate in fates if fate.reason and not fate.instance]
    body: dict[str, Any] = {}
    for tag, items in (("00081199", taken), ("00081198", failed), ("0008119A", other)):
        if items:
            body[tag] = {"vr": "SQ", "Value": items}
    status = 200 if len(taken) == len(fates) else 202 if taken else 409
    return JSONResponse(body, status, media_type=DICOM_JSON)


def _reference(fate: Fate, base: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"00081197": {"vr": "US", "Value": [fate.reason]}} if fate.reason else {}
    if fate.instance is None:
        return found
    instance = fate.instance
    for tag, uid in (("00081150", instance.sop_class), ("00081155", instance.sop_uid)):
        found[tag] = {"vr": "UI", "Value": [uid]}
    if base:
        path = f"/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_uid}"
        found["00081190"] = {"vr": "UR", "Value": [base + path]}
    return dict(sorted(found.items()))

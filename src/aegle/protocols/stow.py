"""STOW-RS (PS3.18 §10.5): objects taken in over HTTP, streamed to disk, each with a status of its own.

What becomes of an object is the owner's: an archive keeps it, a door spools it. Memory: a megabyte a request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from aegle import durable
from aegle.errors import AegleError, BadDicom, BadMessage, Conflict, PeerUnreachable, StorageFull, TooLarge, WrongMedia
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


async def receive(request: Request, receiver: Receiver, study_uid: str) -> Response:
    """Answer a STOW-RS request: 200 when all were taken, 202 when some were, 409 when none was."""
    content_type = request.headers.get("content-type", "")
    _require_media(content_type)
    reader = PartReader(content_type, receiver.folder, receiver.part_max_bytes)
    try:
        with durable.storage():
            async for block in _blocks(request):
                await run_in_threadpool(reader.feed, block)
        fates = await run_in_threadpool(_take_all, receiver, reader.finish(), study_uid)
    finally:
        await run_in_threadpool(reader.discard)
    return _answer(str(request.base_url).rstrip("/") if receiver.is_retrievable else "", fates)


def _require_media(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    wrong = WrongMedia(f"a body is multipart/related; type={_PART_10}; metadata as JSON or XML is not taken")
    if media_type != "multipart/related":
        raise wrong
    if _PART_10 not in content_type.lower().replace(f"{_PART_10}+", ""):
        raise wrong


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body a megabyte at a time. Raises BadMessage for a sender who leaves or falls silent."""
    held: list[bytes] = []
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                held.append(await anext(stream))
        except StopAsyncIteration:
            break
        except ClientDisconnect:
            raise BadMessage("the sender left in the middle of a body") from None
        except TimeoutError:
            raise PeerUnreachable("the sender fell silent in the middle of a body") from None
        if sum(map(len, held)) >= _BLOCK:
            yield b"".join(held)
            held.clear()
    yield b"".join(held)


def _take_all(receiver: Receiver, parts: Sequence[Part], study_uid: str) -> list[Fate]:
    if not parts:
        raise BadMessage("a body without a part")
    return [_take(receiver, part, study_uid) for part in parts]


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

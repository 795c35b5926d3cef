"""STOW-RS (PS3.18 §10.5): objects taken in over HTTP, streamed to disk, each with a status of its own.

What becomes of an object is the owner's: an archive keeps it, a door spools it. Memory: a quarter of a megabyte a request.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.from_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as DoorRequest
from starlette.responses import Response as DoorResponse

from aegle import durable, faults
from aegle.carrier import Body, Request, Response
from aegle.errors import AegleError, BadDicom, BadMessage, Conflict, StorageFull, TooLarge, TooSlow, WrongMedia
from aegle.protocols import answers
from aegle.protocols.part_reader import Part, PartReader
from aegle.records import InstanceRef

_PART_10 = "application/dicom"
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
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), NOT_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where objects go. `take` gets a file to take over, its SHA-256 and the study that the request names (empty: any);
    it answers once what it took is durable."""

    folder: Path  #: on the file system of what takes the files over
    part_max_bytes: int
    take: Callable[[Path, str, str], Fate]
    is_retrievable: bool = True  #: what was taken can be retrieved at the same address
    new_file: Callable[[], Path] | None = (
        None  #: names a file to receive into, where `take` wants them in places of its own
    )


def receive_here(
    request: Request, receiver: Receiver, study_uid: str, allow: Callable[[], None] | None = None
) -> Response:
    """Answer a STOW-RS request: 200 when all were taken, 202 when some were, 409 when none was.

    `allow` decides whether the sender may, and audits it; what comes in meanwhile is not looked at by anybody else, and goes
    again when it says no."""
    base = request.base_url if receiver.is_retrievable else ""
    return _received(request.headers, request.body, receiver, study_uid, base, allow)


async def receive(request: DoorRequest, receiver: Receiver, study_uid: str) -> DoorResponse:
    """The same from the door's own server, whose sender was let in before."""
    base = str(request.base_url).rstrip("/") if receiver.is_retrievable else ""
    body = _Streamed(request)
    said = await run_in_threadpool(_received, request.headers, body, receiver, study_uid, base, None)
    content = b"".join(piece for piece in said.pieces if isinstance(piece, bytes))
    return DoorResponse(content, said.status, said.headers)


def _received(
    headers: Mapping[str, str],
    body: Body,
    receiver: Receiver,
    study_uid: str,
    base: str,
    allow: Callable[[], None] | None,
) -> Response:
    content_type = headers.get("content-type", "")
    leave = _Leave(allow)
    try:
        _require_media(content_type)
        reader = PartReader(content_type, receiver.folder, receiver.part_max_bytes, receiver.new_file)
    except AegleError:
        leave.wait()
        if body.is_ready():  # what is no body at all is told before what it is of
            body.read_into(memoryview(bytearray(1)))
        raise
    try:
        with durable.storage():
            _take_in(reader, body, leave)
        fates = _take_all(receiver, reader, study_uid)
    finally:
        if reader.is_holding:
            reader.discard()
    return _answer(base, fates)


class _Leave:
    """Leave to store, being asked for in a thread of its own: its entry in the audit trail waits for the disk while the body
    comes in."""

    def __init__(self, allow: Callable[[], None] | None) -> None:
        self._asked: Future[None] | None = _askers().submit(allow) if allow else None

    @property
    def is_open(self) -> bool:
        """Whether it is not decided yet."""
        return self._asked is not None and not self._asked.done()

    def wait(self) -> None:
        """Return once it is given, or raise what refuses it."""
        if self._asked is not None:
            self._asked.result()
            self._asked = None


@functools.cache
def _askers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, "stow-leave")


def _take_in(reader: PartReader, body: Body, leave: _Leave) -> None:
    """The whole body. Whoever may not send is told so before we wait for more of it."""
    has_begun = False
    while True:
        if not (leave.is_open and body.is_ready()):
            leave.wait()
        with reader.space() as space:
            size = body.read_into(space)
        if not size:
            leave.wait()
            return
        try:
            reader.received(size)
        except AegleError:
            leave.wait()
            raise
        if not has_begun and reader.is_holding:
            has_begun = True
            faults.reach(faults.Point.STOW_RECEIVING)


class _Streamed:
    """A body that another server receives, read from a thread: `carrier.Body`."""

    def __init__(self, request: DoorRequest) -> None:
        self._stream, self._held = request.stream(), memoryview(b"")

    def is_ready(self) -> bool:
        return bool(self._held)

    def read_into(self, place: memoryview) -> int:
        while not self._held:
            try:
                self._held = memoryview(anyio.from_thread.run(self._next))
            except StopAsyncIteration:
                return 0
            except ClientDisconnect:
                raise BadMessage("the sender left in the middle of a body") from None
            except TimeoutError:
                raise TooSlow("the sender fell silent in the middle of a body") from None
        size = min(len(place), len(self._held))
        place[:size], self._held = self._held[:size], self._held[size:]
        return size

    async def _next(self) -> bytes:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await anext(self._stream)


def _require_media(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    wrong = WrongMedia(f"a body is multipart/related; type={_PART_10}; metadata as JSON or XML is not taken")
    if media_type != "multipart/related":
        raise wrong
    if _PART_10 not in content_type.lower().replace(f"{_PART_10}+", ""):
        raise wrong


def _take_all(receiver: Receiver, reader: PartReader, study_uid: str) -> list[Fate]:
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
    return answers.plain_json(body, status, {"Content-Type": answers.DICOM_JSON})


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

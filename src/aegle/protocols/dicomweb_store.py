"""Writes to any DICOMweb archive: STOW-RS streamed from a file, retrieval to a file, deletion where the archive allows it."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import httpx

from aegle.errors import BadMessage, NotFound, PeerUnreachable, Refused, StorageFull
from aegle.protocols.dicomweb_client import DicomWebArchive, path_of
from aegle.records import InstanceRef

_BLOCK = 1 << 20
_PART_10 = "application/dicom"
_FAILED, _REASON = "00081198", "00081197"  #: Failed SOP Sequence, Failure Reason (PS3.18 §10.5.3)
_NO_ROOM = range(0xA700, 0xA800)
_ANSWERED = frozenset({400, 409})  #: statuses whose body says why, instance by instance
_NOT_OFFERED = frozenset({405, 501})
_HEADERS_MAX_BYTES = 16 << 10


class DicomWebStore(DicomWebArchive):
    """An archive that also takes objects. Peak memory of a transfer: one block of 1 MB."""

    def store(self, source: Path) -> None:
        """STOW-RS of one Part 10 file. Raises StorageFull, Refused with the archive's reason, and what reading raises.

        An archive that holds other bytes under this UID may refuse them, replace them, or answer success and keep the old
        ones: PS3.18 leaves it open. Who must know asks `exists` first and retrieves."""
        answer = self._asked(lambda: self._stow(source), fine=_ANSWERED)
        reasons = _failures(answer)
        if any(reason in _NO_ROOM for reason in reasons):
            raise StorageFull("the archive has no room")
        if reasons or answer.status_code in _ANSWERED:
            said = ", ".join(f"{reason:04X}" for reason in reasons) or f"status {answer.status_code}"
            raise Refused(f"the archive does not take the object: {said}")

    def retrieve(self, instance: InstanceRef, target: Path) -> None:
        """WADO-RS of one instance as it is stored, into a file. Raises NotFound; leaves nothing behind on a failure."""
        accept = f'multipart/related; type="{_PART_10}"; transfer-syntax=*'
        url = self._url + path_of(instance)
        answer = self._asked(lambda: self._client.build_request("GET", url, headers={"Accept": accept}), stream=True)
        raw = target.with_suffix(".multipart")
        try:
            with raw.open("wb") as file:
                for block in answer.iter_bytes(_BLOCK):
                    file.write(block)
            _only_part(answer.headers.get("content-type", ""), raw, target)
        except httpx.HTTPError as error:
            raise PeerUnreachable(f"the archive stopped in the middle of an object ({type(error).__name__})") from None
        finally:
            answer.close()
            raw.unlink(missing_ok=True)

    def exists(self, sop_uid: str) -> InstanceRef | None:
        """The instance with this SOP Instance UID in any study; None when there is none."""
        fields = "&".join(f"includefield={tag}" for tag in ("0020000D", "0020000E", "00080016"))
        found = self._json(f"/instances?00080018={sop_uid}&limit=2&{fields}")
        if not found:
            return None
        first: Mapping[str, Any] = found[0]
        values = [str((first.get(tag, {}).get("Value") or [""])[0]) for tag in ("0020000D", "0020000E", "00080016")]
        return InstanceRef(study_uid=values[0], series_uid=values[1], sop_uid=sop_uid, sop_class=values[2])

    def delete(self, instance: InstanceRef) -> bool:
        """Delete one instance; False for an archive that does not offer that (PS3.18 does not ask for it). Absent is
        success."""
        url = self._url + path_of(instance)
        try:
            answer = self._asked(lambda: self._client.build_request("DELETE", url), fine=_NOT_OFFERED)
        except NotFound:
            return True
        return answer.status_code not in _NOT_OFFERED

    def _stow(self, source: Path) -> httpx.Request:
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: {_PART_10}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/related; type="{_PART_10}"; boundary={boundary}',
            "Content-Length": str(len(head) + source.stat().st_size + len(tail)),
            "Accept": "application/dicom+json",
        }
        url = f"{self._url}/studies"
        return self._client.build_request("POST", url, headers=headers, content=_pieces(head, source, tail))


def _failures(answer: httpx.Response) -> list[int]:
    """The failure reasons in a STOW-RS answer, also in one that says success; a body that is no DICOM JSON says nothing."""
    try:
        body = answer.json()
        failed = (body[0] if isinstance(body, list) else body).get(_FAILED, {}).get("Value", [])
        return [int((item.get(_REASON, {}).get("Value") or [0])[0]) for item in failed]
    except (ValueError, AttributeError, TypeError, IndexError):
        return []


def _pieces(head: bytes, source: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
    yield tail


def _only_part(content_type: str, raw: Path, target: Path) -> None:
    """Write the one part of a multipart body to `target`. Raises BadMessage for another form or number of parts."""
    boundary = content_type.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode("latin-1", "replace")
    if not boundary:
        raise BadMessage("the archive answered something other than multipart")
    closing = b"\r\n--" + boundary + b"--"
    with raw.open("rb") as body, target.open("wb") as file:
        start, size = _start_of_part(body, boundary), raw.stat().st_size
        body.seek(max(start, size - len(closing) - 64))
        position = body.tell() + body.read().rfind(closing)
        if position < start:
            raise BadMessage("the archive's answer has no end, or more than one part")
        body.seek(start)
        left = position - start
        while left:
            block = body.read(min(_BLOCK, left))
            left -= len(block)
            file.write(block)


def _start_of_part(body: IO[bytes], boundary: bytes) -> int:
    head = body.read(_HEADERS_MAX_BYTES)
    opening = head.find(b"--" + boundary)
    end = head.find(b"\r\n\r\n", opening)
    if opening < 0 or end < 0:
        raise BadMessage("the archive's answer does not begin as multipart")
    return end + 4

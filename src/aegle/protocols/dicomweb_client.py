"""Reads any DICOMweb archive (PS3.18): ours, Orthanc, dcm4chee; the ArchiveReader port over HTTP."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from aegle.errors import AegleError, BadMessage, Forbidden, NotFound, PeerUnreachable, Unauthenticated
from aegle.protocols import multipart
from aegle.records import StoredInstance

_FIELDS = ("0020000D", "0020000E", "00080018", "00080016", "00080060", "00280008", "00280010", "00280011", "00083002")
_BATCH = 64
_ERRORS: dict[int, type[AegleError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound}


class DicomWebArchive:
    """An archive at `url`, opened with a bearer token. Close it, or use it in a `with`."""

    def __init__(self, url: str, token: str, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(timeout=60, trust_env=False)
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._url = url.rstrip("/")

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        """QIDO-RS search of the study's instances, in pages."""
        found: list[Any] = []
        fields = "&".join(f"includefield={tag}" for tag in _FIELDS)
        while True:
            page = self._json(f"/studies/{study_uid}/instances?limit=1000&offset={len(found)}&{fields}")
            found.extend(page)
            if len(page) < 1000:
                break
        return sorted((_stored(item) for item in found), key=lambda it: (it.series_uid, it.sop_uid))

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        """WADO-RS metadata of one instance."""
        found: dict[str, Any] = self._json(f"{_path(instance)}/metadata")[0]
        return found

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        """WADO-RS frames as stored, in batches that bound memory."""
        accept = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
        found: list[bytes] = []
        for start in range(0, len(numbers), _BATCH):
            batch = ",".join(map(str, numbers[start : start + _BATCH]))
            answer = self._get(f"{_path(instance)}/frames/{batch}", accept)
            found.extend(multipart.read(answer.headers.get("content-type", ""), answer.content))
        if len(found) != len(numbers):
            raise BadMessage("the archive answered another number of frames than was asked for")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _json(self, path: str) -> Any:
        answer = self._get(path, {"Accept": "application/dicom+json"})
        return answer.json() if answer.status_code != httpx.codes.NO_CONTENT else []

    def _get(self, path: str, headers: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._client.get(self._url + path, headers={**headers, **self._bearer})
        except httpx.HTTPError as error:
            raise PeerUnreachable(f"the archive does not answer ({type(error).__name__})") from None
        if answer.status_code in _ERRORS:
            raise _ERRORS[answer.status_code](f"the archive answered {answer.status_code}")
        if answer.status_code >= 400:
            raise PeerUnreachable(f"the archive answered {answer.status_code}")
        return answer


def _path(instance: StoredInstance) -> str:
    return f"/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_uid}"


def _stored(item: Mapping[str, Any]) -> StoredInstance:
    def first(tag: str, default: Any = "") -> Any:
        return (item.get(tag, {}).get("Value") or [default])[0]

    rows = int(first("00280010", 0))
    return StoredInstance(
        study_uid=first("0020000D"),
        series_uid=first("0020000E"),
        sop_uid=first("00080018"),
        sop_class=first("00080016"),
        transfer_syntax=first("00083002"),
        size_bytes=0,
        digest="",
        modality=first("00080060"),
        frames=int(first("00280008", 1)) if rows else 0,
        rows=rows,
        columns=int(first("00280011", 0)),
    )

"""Reads any DICOMweb archive (PS3.18): ours, Orthanc, dcm4chee, Google's; the ArchiveReader port over HTTP."""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from aegle.errors import AegleError, BadMessage, Forbidden, NotFound, Overloaded, PeerUnreachable, Unauthenticated
from aegle.protocols import multipart
from aegle.records import InstanceRef, StoredInstance

_FIELDS = ("0020000D", "0020000E", "00080018", "00080016", "00080060", "00280008", "00280010", "00280011", "00083002")
_PIXEL_DATA = "7FE00010"
_BATCH = 64
_PAGE = 1000
_ERRORS: dict[int, type[AegleError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    410: NotFound,
    429: Overloaded,
    503: Overloaded,
}
_BUSY = frozenset({429, 503})
TRIES = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 16.0


class Bearer(httpx.Auth):
    """A token that does not change."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Any:
        """As httpx asks."""
        request.headers["Authorization"] = self._value
        yield request


class DicomWebArchive:
    """An archive at `url`. Close it, or use it in a `with`.

    `auth` is a bearer token, or httpx's way to make and renew one. A busy archive (429, 503) is asked again, as long after
    as it says or with growing pauses.
    """

    def __init__(
        self,
        url: str,
        auth: str | httpx.Auth,
        client: httpx.Client | None = None,
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client or httpx.Client(timeout=60, trust_env=False)
        self._auth = Bearer(auth) if isinstance(auth, str) else auth
        self._url = url.rstrip("/")
        self._wait = wait

    def instances(self, study_uid: str) -> Sequence[StoredInstance]:
        """QIDO-RS search of the study's instances, in pages."""
        found: list[Any] = []
        fields = "&".join(f"includefield={tag}" for tag in _FIELDS)
        while True:
            page = self._json(f"/studies/{study_uid}/instances?limit={_PAGE}&offset={len(found)}&{fields}")
            found.extend(page)
            if len(page) < _PAGE:
                break
        return sorted((stored_of(item) for item in found), key=lambda it: (it.series_uid, it.sop_uid))

    def metadata(self, instance: StoredInstance) -> Mapping[str, Any]:
        """WADO-RS metadata of one instance."""
        found: dict[str, Any] = self._json(f"{path_of(instance)}/metadata")[0]
        found.pop(_PIXEL_DATA, None)  # a link to them
        return found

    def frames(self, instance: StoredInstance, numbers: Sequence[int]) -> Sequence[bytes]:
        """WADO-RS frames as stored, in batches that bound memory."""
        accept = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
        found: list[bytes] = []
        for start in range(0, len(numbers), _BATCH):
            batch = ",".join(map(str, numbers[start : start + _BATCH]))
            answer = self._get(f"{path_of(instance)}/frames/{batch}", accept)
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
        return self._asked(lambda: self._client.build_request("GET", self._url + path, headers=headers))

    def _asked(
        self, make: Callable[[], httpx.Request], *, stream: bool = False, fine: frozenset[int] = frozenset()
    ) -> httpx.Response:
        """The answer to a request, made anew for each try. Raises what its status means, but for those in `fine`."""
        for attempt in range(TRIES):
            try:
                answer = self._client.send(make(), auth=self._auth, stream=stream)
            except httpx.HTTPError as error:
                raise PeerUnreachable(f"the archive does not answer ({type(error).__name__})") from None
            if answer.status_code not in _BUSY or attempt == TRIES - 1:
                break
            answer.close()
            self._wait(_pause(answer, attempt))
        if answer.status_code >= 400 and answer.status_code not in fine:
            answer.close()
            raise _ERRORS.get(answer.status_code, PeerUnreachable)(f"the archive answered {answer.status_code}")
        return answer


def _pause(answer: httpx.Response, attempt: int) -> float:
    """Seconds to the next try: what the archive says (Retry-After, RFC 9110 §10.2.3), within bounds."""
    said = answer.headers.get("retry-after", "")
    wanted = float(said) if said.isdigit() else _FIRST_WAIT_S * 2**attempt
    return min(wanted, _LONGEST_WAIT_S)


def path_of(instance: InstanceRef) -> str:
    """The instance's resource (PS3.18 §10.4.1), below the service's URL."""
    return f"/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_uid}"


def stored_of(item: Mapping[str, Any]) -> StoredInstance:
    """One search result; its size and digest are not told by DICOMweb."""

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

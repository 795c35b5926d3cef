"""STOW-RS at a site's door (PS3.18 §10.5): identified studies over HTTP from programs that hold a key of the site.

Objects go where those of C-STORE go, into the spool, and never into the archive before they are de-identified. Nothing can be
searched or read here.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aegle.deid import identify
from aegle.dicom.uids import is_uid
from aegle.errors import MEANING, AegleError, BadDicom, BadMessage, Overloaded
from aegle.intake.spool import Door
from aegle.protocols import answers, stow
from aegle.protocols.peers import News, Sender
from aegle.protocols.stow import Fate, Receiver
from aegle.site.door import Notices, SiteDoor
from aegle.site.door_keys import DoorKeys


@dataclass(frozen=True, kw_only=True)
class StowDoor:
    """The application, for one site."""

    door: SiteDoor
    keys: DoorKeys
    notices: Notices
    work: Path  #: takes what a header inflates to
    part_max_bytes: int
    limit: int  #: requests at once
    _seats: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_seats", threading.Semaphore(self.limit))

    def application(self) -> Starlette:
        """POST /studies and /studies/{study}; anything else is not there."""
        routes = [Route(path, self._take, methods=["POST"]) for path in ("/studies", "/studies/{study}")]
        return Starlette(routes=routes, exception_handlers=dict.fromkeys(MEANING, answers.refuse))

    async def _take(self, request: Request) -> Response:
        """Who it is comes before anything of the body."""
        name = await run_in_threadpool(self._admit, request)
        study_uid = str(request.path_params.get("study", ""))
        if study_uid and not is_uid(study_uid):
            raise BadMessage("a study is named by its UID")
        receiver = Receiver(
            folder=self.door.spool.incoming,
            part_max_bytes=self.part_max_bytes,
            take=partial(self._keep, f"key:{name}"),
            is_retrievable=False,
        )
        with self._seat():
            try:
                return await stow.receive(request, receiver, study_uid)
            except AegleError as error:
                await run_in_threadpool(self.door.refuse, Door.STOW, f"key:{name}", error.meaning.code)
                raise

    def _admit(self, request: Request) -> str:
        address = request.client.host if request.client else ""
        try:
            return self.keys.admit(request.headers.get("authorization"))
        except AegleError as error:
            refused = self.notices.of("stow")
            refused(News.REFUSED, Sender(ae_title="", address=address), error.meaning.code)
            raise

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if not self._seats.acquire(blocking=False):
            raise Overloaded("this door takes no more requests at once; come back in some seconds")
        try:
            yield
        finally:
            self._seats.release()

    def _keep(self, principal: str, path: Path, _: str, study_uid: str) -> Fate:
        """Spool one object. What de-identification cannot judge is taken and held there, as at every door; what does not
        even say its own UID is refused, since no answer could name it."""
        said = identify(path, self.work) if _is_part_10(path) else None
        if said is None or not is_uid(said.sop_uid):
            self.door.refuse(Door.STOW, principal, MEANING[BadDicom].code)
            return Fate(instance=None, reason=MEANING[BadDicom].dimse)
        if study_uid and said.study_uid != study_uid:
            self.door.refuse(Door.STOW, principal, "OTHER_STUDY")
            return Fate(instance=said, reason=stow.OTHER_STUDY)
        try:
            self.door.stow(path, principal)
        except AegleError as error:
            return Fate(instance=said, reason=stow.reason(error))
        return Fate(instance=said)


def _is_part_10(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"

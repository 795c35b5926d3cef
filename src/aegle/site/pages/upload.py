"""Upload of files in the browser: one request a file, answered in plain words."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aegle import durable
from aegle.access import Act
from aegle.deid import REASONS
from aegle.errors import TooLarge
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.pages import words
from aegle.site.program import SiteProgram

_PREAMBLE = 132
_MOST_NAMES = 50
_LARGEST_PREVIEW = 256_000_000  #: bytes


@dataclass(frozen=True, kw_only=True)
class UploadPages:
    """The upload page."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/upload", act=Act.SITE_FILE_UPLOAD, answer=self.show),
            Page(path="/upload", act=Act.SITE_FILE_UPLOAD, answer=self.take, method="POST", streams=True),
            Page(path="/upload/preview", act=Act.SITE_UPLOAD_PREVIEW, answer=self.preview, method="POST", streams=True),
            Page(path="/upload/state", act=Act.SITE_FILE_UPLOAD, answer=self.tell),
        )

    def show(self, visit: Visit) -> Response:
        """The page."""
        return self.shell.show(visit, "upload.html", most_mb=f"{self.program.config.door.max_instance_mb:,}")

    async def take(self, visit: Visit) -> Response:
        """One file, streamed to the spool; the answer comes when it is durable there."""
        limit = self.program.config.door.max_instance_mb * 1_000_000
        if int(visit.request.headers.get("content-length", "0")) > limit:
            raise TooLarge(
                f"The file is larger than {self.program.config.door.max_instance_mb} MB, the most this site takes."
            )
        temporary = self.program.spool.incoming / secrets.token_hex(8)
        try:
            if not await _write(visit.request, temporary, limit):
                return JSONResponse({"words": "Not taken: this is not a DICOM file (no DICM mark)."}, 415)
            item = await run_in_threadpool(self.program.door.upload, temporary, f"user:{visit.principal.name}")
        finally:
            temporary.unlink(missing_ok=True)
        return JSONResponse({"words": "Taken in, being checked.", "name": item.name})

    async def preview(self, visit: Visit) -> Response:
        """What would become of one file, side by side; the file is not taken in, and nothing of it is kept."""
        temporary = durable.private_folder(self.program.folder.work) / f"{secrets.token_hex(8)}.looked-at"
        try:
            if not await _write(visit.request, temporary, _LARGEST_PREVIEW):
                return JSONResponse({"words": "This is not a DICOM file (no DICM mark)."}, 415)
            found = await run_in_threadpool(self.program.preview, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        told = "It would be admitted."
        if found.painted:
            told += f" In its picture {found.painted} place(s) would be painted over."
        if found.held is not None:
            reason = REASONS[found.held.reason]
            told = (
                f"It would be held. {reason.text} {reason.remedy} ({found.held.reason}: {found.held.detail})".replace(
                    "`", ""
                )
            )
        changes = [[change.tag, change.name, change.before, change.after] for change in found.changes]
        return JSONResponse({"words": told, "held": found.held is not None, "changes": changes})

    def tell(self, visit: Visit) -> Response:
        """What became of files taken in, by the names given to them then: at most 50 a question."""
        names = visit.request.query_params.getlist("name")[:_MOST_NAMES]
        waiting = {item.name for item in self.program.spool.waiting()}
        told = {name: words.tell_file(self.program.fates.get(name), waiting=name in waiting) for name in names}
        files = {name: {"words": it.explanation, "tone": it.tone, "settled": it.settled} for name, it in told.items()}
        return JSONResponse({"files": files})


async def _write(request: Request, temporary: Path, limit: int) -> bool:
    """Stream a body to a file; False, as soon as it shows, when it is not DICOM (PS3.10 §7.1). Raises TooLarge."""
    size, start = 0, b""
    with durable.storage(), temporary.open("xb") as stream:
        async for block in request.stream():
            size += len(block)
            if size > limit:
                raise TooLarge("The file is larger than this site takes.")
            start = (start + block)[:_PREAMBLE] if len(start) < _PREAMBLE else start
            if len(start) == _PREAMBLE and start[128:] != b"DICM":
                return False
            await run_in_threadpool(stream.write, block)
    return len(start) == _PREAMBLE

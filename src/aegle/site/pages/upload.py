"""Upload of files in the browser: one request a file, answered in plain words."""

import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from aegle.access import Act
from aegle.errors import TooLarge
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.program import SiteProgram

_PREAMBLE = 132
_DEPTH = 16  # blocks in flight between the network and the disk


@dataclass(frozen=True, kw_only=True)
class UploadPages:
    """The upload page."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/upload", act=Act.SITE_FILE_UPLOAD, answer=self.show),
            Page(path="/upload", act=Act.SITE_FILE_UPLOAD, answer=self.take, method="POST"),
        )

    def show(self, visit: Visit) -> Response:
        """The page."""
        return self.shell.show(visit, "upload.html")

    async def take(self, visit: Visit) -> Response:
        """One file, streamed to the spool; the answer comes when it is durable there."""
        limit = self.program.config.door.max_instance_mb * 1_000_000
        if int(visit.request.headers.get("content-length", "0")) > limit:
            raise TooLarge(f"The file is larger than {self.program.config.door.max_instance_mb} MB, the most this site takes.")
        start, rest = b"", visit.request.stream()
        async for block in rest:
            start += block
            if len(start) >= _PREAMBLE:
                break
        if start[128:_PREAMBLE] != b"DICM":
            return JSONResponse({"words": "Not taken: this is not a DICOM file."}, 415)
        blocks: queue.Queue[bytes | None] = queue.Queue(_DEPTH)
        writing = run_in_threadpool(self.program.door.upload, _drain(blocks), f"user:{visit.principal.name}")
        await _feed(start, rest, blocks, writing)
        return JSONResponse({"words": "Taken in. It appears under Studies, or under Held with the reason."})


def _drain(blocks: "queue.Queue[bytes | None]") -> Iterator[bytes]:
    while (block := blocks.get()) is not None:
        yield block

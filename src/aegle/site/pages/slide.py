"""Slides in the browser: their levels, tiles and evidence, and a laboratory's labels."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from starlette.responses import JSONResponse, Response

from aegle import api
from aegle.access import Act
from aegle.dicom.codes import FINDINGS
from aegle.errors import BadMessage, NotFound, TooLarge
from aegle.pages.shell import Page, Shell, Visit
from aegle.records import EvidenceMap, Prediction
from aegle.site.labels import Assertion
from aegle.site.pages import words
from aegle.site.pages.studies import StudyPages
from aegle.site.program import SiteProgram

_LARGEST_LABEL = 10_000
_A_DAY = {"Cache-Control": "private, max-age=86400, immutable"}


@dataclass(frozen=True, kw_only=True)
class SlidePages:
    """The viewer's routes."""

    shell: Shell
    program: SiteProgram
    studies: StudyPages

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/slides/{study}", act=Act.SITE_STUDY_VIEW, answer=self.show_slide, subject="study"),
            Page(
                path="/studies/{study}/tiles/{sop}/{column:int}/{row:int}",
                act=Act.SITE_FRAME_READ,
                answer=self.tile,
                subject="study",
            ),
            Page(
                path="/studies/{study}/evidence/{sop}", act=Act.SITE_FRAME_READ, answer=self.evidence, subject="study"
            ),
            Page(
                path="/studies/{study}/labels",
                act=Act.SITE_LABEL_RECORD,
                answer=self.record,
                method="POST",
                subject="study",
            ),
        )

    def show_slide(self, visit: Visit) -> Response:
        """The viewer, with the person's own labels."""
        study = self.program.state.study(visit.request.path_params["study"])
        slide = self.program.pictures.slide(study.study_uid, "")
        widest = slide["levels"][0]
        may_label = visit.principal.may(Act.SITE_LABEL_RECORD)
        marks = self.program.labels.current(study.study_uid, visit.principal.name) if may_label else []
        return self.shell.show(
            visit,
            "slide.html",
            short=words.short(study.study_uid),
            size=f"{widest['width']:,} by {widest['height']:,} pixels",
            terms=FINDINGS,
            shown={
                "slide": slide,
                "terms": [{"code": it.code, "name": it.name, "key": it.key, "colour": it.colour} for it in FINDINGS],
                "marks": [
                    {
                        "label_id": mark.label_id,
                        "subject": mark.subject.value,
                        "code": mark.code,
                        "shape": mark.shape,
                        "points": mark.points_px,
                    }
                    for mark in marks
                ],
                "may_label": may_label,
            },
        )

    def tile(self, visit: Visit) -> Response:
        """One tile as a picture a browser can show."""
        given = visit.request.path_params
        body, kind = self.program.pictures.tile(given["study"], given["sop"], given["column"], given["row"])
        return Response(body, media_type=kind, headers=_A_DAY)

    def evidence(self, visit: Visit) -> Response:
        """The evidence map of an image as a transparent picture of one hue."""
        given = visit.request.path_params
        wish = self.program.state.latest_wish(given["study"])
        outcome = wish.outcome if wish else None
        found = [it for it in outcome.evidence if it.sop_uid == given["sop"]] if isinstance(outcome, Prediction) else []
        if not found:
            raise NotFound("there is no evidence map of that image")
        return Response(_picture(found[0]), media_type="image/png")

    async def record(self, visit: Visit) -> Response:
        """One label, kept before the answer."""
        body = await visit.request.body()
        if len(body) > _LARGEST_LABEL:
            raise TooLarge("a label is smaller than that")
        study = self.program.state.study(visit.request.path_params["study"])
        said = api.decode(Assertion, body)
        stored = self.program.ports.archive.find(said.sop)
        if stored is None or stored.study_uid != study.study_uid or stored.series_uid != said.series:
            raise BadMessage("the label is on an image that is not in this study")
        label = self.program.labels.record(study.study_uid, visit.principal.name, said)
        self.program.wake("labels")
        return JSONResponse({"event_id": label.event_id})


def _picture(found: EvidenceMap) -> bytes:
    """Red that grows more opaque with the evidence; readable in monochrome as well."""
    strength = np.frombuffer(base64.b64decode(found.values_b64), np.uint8).reshape(found.rows, found.columns)
    pixels = np.zeros((found.rows, found.columns, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, strength
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()

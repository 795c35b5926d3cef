"""The list of studies, and one study with its result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from aegle import access
from aegle.access import Act, Novelty
from aegle.deid import Identity
from aegle.dicom.codes import BY_CODE
from aegle.errors import NotFound
from aegle.pages.shell import Page, Shell, Visit
from aegle.records import Prediction, SiteKind
from aegle.site.pages import words
from aegle.site.program import SiteProgram
from aegle.site.state import Study

_IDENTITY = {"name": 0x00100010, "id": 0x00100020, "born": 0x00100030, "accession": 0x00080050}


@dataclass(frozen=True, kw_only=True)
class StudyPages:
    """The first page and the result page."""

    shell: Shell
    program: SiteProgram
    _looks: Novelty = field(default_factory=Novelty)

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        return (
            Page(path="/", act=Act.SITE_STUDIES_LIST, answer=self.list_studies),
            Page(path="/studies/{study}", act=Act.SITE_STUDY_VIEW, answer=self.show_study, subject="study"),
        )

    def list_studies(self, visit: Visit) -> Response:
        """Every study, latest first."""
        sees_patient = visit.principal.may(Act.SITE_IDENTITY_VIEW)
        opens = visit.principal.may(Act.SITE_STUDY_VIEW)
        held = [entry for entry in self.program.quarantine.entries() if entry.blocks_study]
        blocked = {entry.study_alias for entry in held}
        studies = self.program.state.studies()
        if sees_patient and studies:
            self._tell_look(visit, "", count=len(studies))
        rows = [
            self._row(study, study.study_uid in blocked, sees_patient=sees_patient, opens=opens) for study in studies
        ]
        return self.shell.show(
            visit,
            "studies.html",
            rows=rows,
            held=len(held),
            spooled=len(self.program.spool.waiting()),
            shows_patient=sees_patient,
            sees_held=visit.principal.may(Act.SITE_QUARANTINE_VIEW),
            may_upload=visit.principal.may(Act.SITE_FILE_UPLOAD),
            ae_title=self.program.ae_title,
            door_port=self.program.ports.door_port,
        )

    def show_study(self, visit: Visit) -> Response:
        """A hospital's study with its result, or what keeps it from having one."""
        study = self.program.state.study(visit.request.path_params["study"])
        if self.program.config.kind is SiteKind.LAB:
            raise NotFound("a laboratory's study has no result; its slides are opened from the list")
        wish = self.program.state.latest_wish(study.study_uid)
        outcome = wish.outcome if wish else None
        if isinstance(outcome, Prediction) and "hx-request" in visit.request.headers:
            return Response(headers={"HX-Refresh": "true"})  # the page waits for its result: it is another page now
        told = self._tell(study, self.program.quarantine.blocks(study.study_uid))
        timeline = self.program.state.timeline(study.study_uid)
        values: dict[str, Any] = {
            "short": words.short(study.study_uid),
            "patient": self._patient(visit, study) if visit.principal.may(Act.SITE_IDENTITY_VIEW) else None,
            "model_notice": "Reference model: trained on synthetic pictures, not for clinical use.",
            "state": told.state,
            "tone": told.tone,
            "pending": told.pending,
            "explanation": told.explanation,
            "remedy": told.remedy,
            "deid": self._deid(study),
            "timeline": [(words.STEPS[step], words.moment(at)) for step, at in timeline.items()],
            "prediction": None,
        }
        if isinstance(outcome, Prediction):
            values |= self._result(study, outcome)
        return self.shell.show(visit, "study.html", **values)

    def _deid(self, study: Study) -> dict[str, Any] | None:
        """What the study's page says of its de-identification; None where nothing is written down of it."""
        try:
            told = self.program.report(study.study_uid)
        except NotFound:
            return None
        (found,) = told["studies"].values()
        return {
            "written": found["written"],
            "held": [f"{count} {reason}" for reason, count in found["held"].items()],
            "profiles": [f"{each['profile']}, digest {each['profile_digest'][:16]}…" for each in found["treated_by"]],
            "weaker": ", ".join(
                sorted({what for each in found["treated_by"] for what in each["weaker_than_default_by"]})
            ),
            "address": f"/studies/{study.study_uid}/de-identification.json",
        }

    def _result(self, study: Study, outcome: Prediction) -> dict[str, Any]:
        finding = BY_CODE.get(outcome.finding)
        shown_on = outcome.evidence[0].sop_uid if outcome.evidence else outcome.sources[0].sop_uid
        deliveries = self.program.state.results(study.study_uid)
        slide = self.program.pictures.slide(study.study_uid, shown_on)
        regions = [
            region for region in outcome.regions if region.sop_uid in {level["sop"] for level in slide["levels"]}
        ]
        return {
            "prediction": outcome,
            "finding_name": finding.name if finding else "",
            "abnormal": outcome.score >= outcome.operating_point.threshold,
            "bar": _bar(outcome.score, outcome.operating_point.threshold),
            "decided": words.moment(outcome.decided_at),
            "deliveries": [words.tell_delivery(item) for item in deliveries],
            "pacs_problem": words.tell_pacs(deliveries, has_pacs=self.program.config.pacs is not None),
            "shown": {
                "slide": slide,
                "heat": f"/studies/{study.study_uid}/evidence/{shown_on}" if outcome.evidence else None,
                "regions": [
                    {"polygon": region.polygon_px, "code": region.code, "score": region.score} for region in regions
                ],
            },
        }

    def _row(self, study: Study, held: bool, *, sees_patient: bool, opens: bool) -> dict[str, Any]:
        told = self._tell(study, held)
        wish = self.program.state.latest_wish(study.study_uid)
        outcome = wish.outcome if wish else None
        read = outcome if isinstance(outcome, Prediction) else None
        hospital = self.program.config.kind is SiteKind.HOSPITAL
        address = f"/studies/{study.study_uid}" if hospital else f"/slides/{study.study_uid}"
        return {
            "address": address if opens else "",
            "short": words.short(study.study_uid),
            "patient": self._known(study) if sees_patient else None,
            "came_in": words.moment(study.first_at),
            "images": len(self.program.studies.images(study.study_uid)),
            "state": told.state,
            "tone": told.tone,
            "finding": read.finding if read else "",
            "score": f"{read.score:.2f}" if read else "",
            "labels": self.program.labels.count(study.study_uid),
        }

    def _tell(self, study: Study, held: bool) -> words.Told:
        wish = self.program.state.latest_wish(study.study_uid)
        deliveries = [item for item in self.program.state.results(study.study_uid) if wish and item.key == wish.key]
        return words.tell(study, wish, deliveries, held=held, hospital=self.program.config.kind is SiteKind.HOSPITAL)

    def _patient(self, visit: Visit, study: Study) -> dict[str, str] | None:
        """The patient, for those who treat them."""
        self._tell_look(visit, study.study_uid, count=1)
        return self._known(study)

    def _tell_look(self, visit: Visit, study_uid: str, *, count: int) -> None:
        """Each look at who a patient is is an act of its own; a page that keeps itself fresh is one look in ten minutes."""
        if not self._looks.is_news(visit.session, study_uid):
            return
        who = f"user:{visit.principal.name}"
        self.program.ports.audit.append(
            access.event(Act.SITE_IDENTITY_VIEW, principal=who, site=self.program.name, subject=study_uid, count=count)
        )

    def _known(self, study: Study) -> dict[str, str] | None:
        """Who the patient is, None where the vault does not know the study: nothing of it was admitted yet."""
        try:
            identity: Identity = self.program.vault.identity(study.study_uid)
        except NotFound:
            return None
        return {key: words.plain(identity.text(tag), tag) for key, tag in _IDENTITY.items()}


def _bar(score: float, threshold: float) -> dict[str, str]:
    """Places on the threshold bar in percent; the words stay clear of its ends."""
    places = {"score": score, "threshold": threshold}
    middles = {f"{name}_word": min(max(value, 0.18), 0.8) for name, value in places.items()}
    return {name: f"{100 * value:.1f}" for name, value in (places | middles).items()}

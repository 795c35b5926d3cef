"""The list of studies, and one study with its result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from aegle import access
from aegle.access import Act
from aegle.deid import Identity
from aegle.dicom.codes import BY_CODE
from aegle.errors import NotFound
from aegle.pages.shell import Page, Shell, Visit
from aegle.records import Prediction, SiteKind
from aegle.site.pages import words
from aegle.site.program import SiteProgram
from aegle.site.state import Study

_PATIENT_NAME = 0x00100010


@dataclass(frozen=True, kw_only=True)
class StudyPages:
    """The first page and the result page."""

    shell: Shell
    program: SiteProgram

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
        told = self._tell(study, self.program.quarantine.blocks(study.study_uid))
        timeline = self.program.state.timeline(study.study_uid)
        values: dict[str, Any] = {
            "short": words.short(study.study_uid),
            "patient": self._patient(visit, study) if visit.principal.may(Act.SITE_IDENTITY_VIEW) else "",
            "model_notice": "Reference model: trained on synthetic pictures, not for clinical use.",
            "state": told.state,
            "explanation": told.explanation,
            "remedy": told.remedy,
            "timeline": [(words.STEPS[step], words.moment(at)) for step, at in timeline.items()],
            "prediction": None,
        }
        if isinstance(outcome, Prediction):
            values |= self._result(study, outcome)
        return self.shell.show(visit, "study.html", **values)

    def _result(self, study: Study, outcome: Prediction) -> dict[str, Any]:
        finding = BY_CODE.get(outcome.finding)
        shown_on = outcome.evidence[0].sop_uid if outcome.evidence else outcome.sources[0].sop_uid
        slide = self.program.pictures.slide(study.study_uid, shown_on)
        regions = [
            region for region in outcome.regions if region.sop_uid in {level["sop"] for level in slide["levels"]}
        ]
        return {
            "prediction": outcome,
            "finding_name": finding.name if finding else "",
            "abnormal": outcome.score >= outcome.operating_point.threshold,
            "threshold_at": f"{100 * outcome.operating_point.threshold:.1f}%",
            "decided": words.moment(outcome.decided_at),
            "deliveries": self.program.state.results(study.study_uid),
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
            "patient": self._name(study) if sees_patient else "",
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

    def _patient(self, visit: Visit, study: Study) -> str:
        """The patient's name, for those who treat them; each look is an act of its own."""
        self.program.ports.audit.append(
            access.event(
                Act.SITE_IDENTITY_VIEW,
                principal=f"user:{visit.principal.name}",
                site=self.program.name,
                subject=study.study_uid,
            )
        )
        return self._name(study)

    def _name(self, study: Study) -> str:
        try:
            identity: Identity = self.program.vault.identity(study.study_uid)
        except NotFound:
            return ""
        name = identity.text(_PATIENT_NAME).partition("=")[0]
        return " ".join(part for part in name.replace("^", " ").split() if part)

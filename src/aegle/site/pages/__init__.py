"""The pages of one site: a hospital reads results, a laboratory uploads, views and labels."""

from collections.abc import Sequence
from pathlib import Path

from aegle.access import Act
from aegle.pages.accounts import SignIn
from aegle.pages.people import PeoplePages
from aegle.pages.shell import Page, Place, Shell
from aegle.ports import AuditSink
from aegle.records import SiteKind
from aegle.site.pages.held import HeldPages
from aegle.site.pages.reports import ReportPages
from aegle.site.pages.slide import SlidePages
from aegle.site.pages.studies import StudyPages
from aegle.site.pages.trail import TrailPages
from aegle.site.pages.upload import UploadPages
from aegle.site.pages.values import ValuePages
from aegle.site.program import SiteProgram

_NAVIGATION = (
    ("/", "Studies", Act.SITE_STUDIES_LIST),
    ("/upload", "Upload", Act.SITE_FILE_UPLOAD),
    ("/held", "Held", Act.SITE_QUARANTINE_VIEW),
    ("/values", "Values", Act.SITE_VALUES_VIEW),
    ("/audit", "Audit", Act.SITE_AUDIT_VIEW),
    ("/people", "People", Act.PAGE_ACCOUNT_CHANGE),
)


def site_shell(program: SiteProgram, sign_in: SignIn, audit: AuditSink) -> Shell:
    """The pages of a running site."""
    kind = program.config.kind
    words = "hospital" if kind is SiteKind.HOSPITAL else "laboratory"
    place = Place(site=program.name, title=f"{program.name}, {words}", kind=kind, navigation=_NAVIGATION)

    def pages(shell: Shell) -> Sequence[Page]:
        studies = StudyPages(shell=shell, program=program)
        slides = SlidePages(shell=shell, program=program, studies=studies)
        rooms = (
            studies,
            slides,
            UploadPages(shell=shell, program=program),
            HeldPages(shell=shell, program=program),
            ReportPages(shell=shell, program=program),
            ValuePages(shell=shell, program=program),
            TrailPages(shell=shell, program=program),
            PeoplePages(shell=shell, sign_in=sign_in, audit=audit),
        )
        return [page for room in rooms for page in room.pages()]

    return Shell(place, sign_in, audit, Path(__file__).parent.parent / "templates", pages)

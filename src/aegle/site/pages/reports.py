"""What de-identification did to a study, as JSON: counts, codes, checks and digests, pseudonyms only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from aegle.access import Act
from aegle.pages.shell import Page, Shell, Visit
from aegle.site.program import SiteProgram


@dataclass(frozen=True, kw_only=True)
class ReportPages:
    """The report of each study."""

    shell: Shell
    program: SiteProgram

    def pages(self) -> Sequence[Page]:
        """Their routes."""
        path = "/studies/{study}/de-identification.json"
        return (Page(path=path, act=Act.SITE_REPORT_VIEW, answer=self.show, subject="study"),)

    def show(self, visit: Visit) -> Response:
        """The report, to be read or kept. Raises NotFound."""
        told = self.program.report(visit.request.path_params["study"])
        return Response(json.dumps(told, indent=1), media_type="application/json")

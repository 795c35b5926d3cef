"""Who may read this site's archive over HTTP: whoever holds a grant for the study asked for."""

from collections.abc import Container
from dataclasses import dataclass, field

from aegle import access
from aegle.access import Act, Novelty
from aegle.errors import AegleError
from aegle.ports import AuditSink
from aegle.records import AuditOutcome
from aegle.site import grants

_EACH_TIME = frozenset({Act.ARCHIVE_INSTANCE_STORE, Act.ARCHIVE_INSTANCE_DELETE})


@dataclass(frozen=True, kw_only=True)
class GrantGate:
    """Admits a request by its grant and audits it: each refusal, and each grant's first use of an act in ten minutes
    (a slide is thousands of requests, one act of reading). What changes the archive is audited each time."""

    site: str
    key: bytes
    audit: AuditSink
    revoked: Container[object] = ()
    _novelty: Novelty = field(default_factory=Novelty)

    def __call__(self, authorization: str | None, study_uid: str, act: Act) -> None:
        """Return, or raise Unauthenticated or Forbidden."""
        grant = (authorization or "").removeprefix("Bearer ")
        try:
            grants.admit(self.key, self.site, study_uid, grant, act, self.revoked)
        except AegleError as error:
            self.audit.append(
                access.event(
                    Act.ACCESS_REQUEST_REFUSE,
                    AuditOutcome.REFUSED,
                    principal="nobody",
                    site=self.site,
                    subject=study_uid,
                    reason=error.meaning.code,
                    route=act.value,
                )
            )
            raise
        if act in _EACH_TIME or self._novelty.is_news(grant, study_uid, act):
            self.audit.append(access.event(act, principal="grant", site=self.site, subject=study_uid))

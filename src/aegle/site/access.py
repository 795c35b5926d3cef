"""Who may read this site's archive over HTTP: whoever holds a grant for the study asked for."""

import threading
import time
from dataclasses import dataclass, field

from aegle import access
from aegle.access import Act
from aegle.errors import AegleError
from aegle.ports import AuditSink
from aegle.records import AuditOutcome
from aegle.site import grants

_TOLD_AGAIN_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class GrantGate:
    """Admits a request by its grant and audits it: each refusal, and each grant's first use of an act in ten minutes
    (a slide is thousands of requests, one act of reading)."""

    site: str
    key: bytes
    audit: AuditSink
    _told: dict[tuple[str, Act], float] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, authorization: str | None, study_uid: str, act: Act) -> None:
        """Return, or raise Unauthenticated or Forbidden."""
        grant = (authorization or "").removeprefix("Bearer ")
        try:
            grants.admit(self.key, self.site, study_uid, grant)
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
        if self._is_news(grant, act):
            self.audit.append(access.event(act, principal="grant", site=self.site, subject=study_uid))

    def _is_news(self, grant: str, act: Act) -> bool:
        now = time.monotonic()
        with self._turn:
            for key in [key for key, at in self._told.items() if now - at > _TOLD_AGAIN_SECONDS]:
                del self._told[key]
            news = (grant, act) not in self._told
            if news:
                self._told[grant, act] = now
        return news

"""Who may do what: principals, roles, and the audit vocabulary that names every act.

An act is `source:subject:action`. Every route, command and door names its act; a role is a set of acts; whatever is not
listed is refused. `tests` walk this table against the routes and commands, so an act without a home fails by name.
"""

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from aegle.errors import BadMessage
from aegle.records import AuditEvent, AuditOutcome, SiteKind


class Act(StrEnum):
    """Every act that is audited, with the process that writes it first."""

    # the door: DICOM enters
    DOOR_ASSOCIATION_OPEN = "door:association:open"  #: a DICOM peer asked for an association
    DOOR_ECHO_ANSWER = "door:echo:answer"  #: a C-ECHO was answered
    DOOR_INSTANCE_RECEIVE = "door:instance:receive"  #: an instance was spooled durably and acknowledged
    # intake
    INTAKE_INSTANCE_ADMIT = "intake:instance:admit"  #: an instance was de-identified, checked and archived
    INTAKE_INSTANCE_REPLACE = (
        "intake:instance:replace"  #: a corrected instance took the place of the one admitted before
    )
    INTAKE_INSTANCE_HOLD = "intake:instance:hold"  #: an instance was put into quarantine, with the reason
    INTAKE_INSTANCE_DROP = "intake:instance:drop"  #: our own result, routed back, was left out
    INTAKE_INSTANCE_REPEAT = "intake:instance:repeat"  #: the same source came again and changed nothing
    # archive
    ARCHIVE_STUDY_READ = "archive:study:read"  #: a study was read, with a grant or by a listed DICOM peer
    ARCHIVE_STUDY_FIND = "archive:study:find"  #: the archive was searched
    ARCHIVE_INSTANCE_STORE = (
        "archive:instance:store"  #: instances were stored at the archive's endpoint, or refused there
    )
    ARCHIVE_INSTANCE_DELETE = "archive:instance:delete"  #: instances were deleted at the archive's endpoint
    # site
    SITE_PROCESS_START = "site:process:start"  #: a site's program started
    SITE_REQUEST_SUBMIT = "site:request:submit"  #: the hub was asked to have a study read
    SITE_OUTCOME_COLLECT = "site:outcome:collect"  #: an outcome is held durably at the site
    SITE_IDENTITY_RESTORE = "site:identity:restore"  #: a result was put under its patient's identity
    SITE_RESULT_BUILD = "site:result:build"  #: result objects were built from a prediction
    SITE_RESULT_DELIVER = "site:result:deliver"  #: a result object was accepted by the PACS, or refused
    SITE_LABEL_RECORD = "site:label:record"  #: a person recorded, corrected or took back a label
    SITE_LABEL_SEND = "site:label:send"  #: label events were sent to the hub
    SITE_STUDY_VIEW = "site:study:view"  #: a person opened a study
    SITE_STUDIES_LIST = "site:studies:list"  #: a person looked at the list of studies
    SITE_IDENTITY_VIEW = "site:identity:view"  #: a person saw a patient's name
    SITE_IDENTITY_REVEAL = "site:identity:reveal"  #: a person had an alias undone, with the reason
    SITE_REVEAL_CONFIRM = "site:reveal:confirm"  #: the second person stood by
    SITE_FRAME_READ = "site:frame:read"  #: a person's viewer read pixels of a study
    SITE_FILE_UPLOAD = "site:file:upload"  #: a person uploaded files
    SITE_UPLOAD_PREVIEW = "site:upload:preview"  #: a person saw what would become of a file, without sending it
    SITE_REPORT_VIEW = "site:report:view"  #: a person read what de-identification did to a study
    SITE_QUARANTINE_VIEW = "site:quarantine:view"  #: a person looked at what is held
    SITE_QUARANTINE_SETTLE = "site:quarantine:settle"  #: a person decided about a held instance
    SITE_QUARANTINE_INSPECT = "site:quarantine:inspect"  #: a person looked into a held object
    SITE_QUARANTINE_LOOK = "site:quarantine:look"  #: a person looked at a held picture as it is
    SITE_RULE_ADD = "site:rule:add"  #: a person said what a device burns into its pictures
    SITE_RULE_REMOVE = "site:rule:remove"  #: a person withdrew what was said of a device's pictures, or replaced it
    SITE_VALUES_VIEW = "site:values:view"  #: a person looked at the words that wait for a decision
    SITE_VALUE_DECIDE = "site:value:decide"  #: a person approved or denied a word of a kept attribute
    SITE_PROFILE_PROPOSE = "site:profile:propose"  #: a person proposed a profile that lets more out than the default
    SITE_PROFILE_AGREE = "site:profile:agree"  #: another person agreed to it
    SITE_AUDIT_VIEW = "site:audit:view"  #: a person read the audit trail of a site
    # pages, on either side
    PAGE_SESSION_OPEN = "page:session:open"  #: a person signed in, or was refused
    PAGE_SESSION_CLOSE = "page:session:close"  #: a person signed out
    PAGE_ACCOUNT_CHANGE = "page:account:change"  #: an account was added, changed or removed
    PAGE_OWN_ACCOUNT_CHANGE = "page:own-account:change"  #: a person chose a password of their own
    # hub
    HUB_PROCESS_START = "hub:process:start"  #: the hub's program started
    HUB_SCHEMA_MIGRATE = "hub:schema:migrate"  #: the hub's tables were brought up to date by their owner
    HUB_SITE_HELLO = "hub:site:hello"  #: a site reported its health, with news or after ten minutes
    HUB_REQUEST_ACCEPT = "hub:request:accept"  #: a request was accepted, or its grant renewed
    HUB_OUTCOME_HAND_OVER = "hub:outcome:hand-over"  #: outcomes were handed to a site, or it said that it holds one
    HUB_OUTCOME_SETTLE = "hub:outcome:settle"  #: a request was ended by the hub itself
    HUB_LABELS_STORE = "hub:labels:store"  #: label events were stored
    HUB_LABELS_QUERY = "hub:labels:query"  #: labels were queried
    HUB_AUDIT_EXCHANGE = "hub:audit:exchange"  #: a site lodged new audit heads
    HUB_SITE_ENROLL = "hub:site:enroll"  #: a site was enrolled, or its settings changed
    HUB_CREDENTIAL_ROTATE = "hub:credential:rotate"  #: a site was given a new credential
    HUB_BUNDLE_REGISTER = "hub:bundle:register"  #: a model bundle was registered and promoted
    HUB_POLICY_CHANGE = "hub:policy:change"  #: the model that reads for a site was changed
    HUB_CONSOLE_VIEW = "hub:console:view"  #: a person or command looked at the hub's state
    HUB_REQUEST_REDELIVER = "hub:request:redeliver"  #: a stalled or lost request was put into the queue again
    # worker
    WORKER_PROCESS_START = "worker:process:start"  #: a worker started
    WORKER_STUDY_READ = "worker:study:read"  #: a worker read a study with its grant, or failed to
    WORKER_PREDICTION_COMMIT = "worker:prediction:commit"  #: what came of a study was committed, or refused as late
    # operator's commands
    CLI_CONFIG_CHANGE = "cli:config:change"  #: aegle.yaml was changed by a command
    CLI_CONFIG_APPLY = "cli:config:apply"  #: aegle.yaml was made real
    CLI_AUDIT_VERIFY = "cli:audit:verify"  #: the audit trails were verified
    CLI_AUDIT_SHOW = "cli:audit:show"  #: an audit trail was read by a command
    CLI_FILES_SEND = "cli:files:send"  #: files were sent to a door by a command
    CLI_SITE_BACKUP = "cli:site:backup"  #: a site's memory was copied into a sealed file
    CLI_SITE_RESTORE = "cli:site:restore"  #: a sealed file took the place of a site's memory
    CLI_SITE_UPDATE = "cli:site:update"  #: a machine was given another release, or the one before
    CLI_DELIVERY_RETRY = "cli:delivery:retry"  #: results that wait for the PACS were made due at once
    CLI_VAULT_BACKUP = "cli:vault:backup"  #: a site's vault was copied, without its key
    CLI_VAULT_RESTORE = "cli:vault:restore"  #: a backup took the place of a site's vault
    CLI_VAULT_ROTATE = "cli:vault:rotate"  #: a site's vault was sealed under a new key
    CLI_DOOR_KEY = "cli:door-key:change"  #: a key for sending to a site's STOW-RS door was made, or taken back
    CLI_ARCHIVE_CHECK = "cli:archive:check"  #: every file of an archive was checked
    CLI_ARCHIVE_REBUILD = "cli:archive:rebuild"  #: an archive's index was made anew from its files
    CLI_ARCHIVE_GRANT = "cli:archive:grant"  #: a command gave a grant for a whole archive
    CLI_ARCHIVE_REVOKE = "cli:archive:revoke"  #: a grant for a whole archive was taken back
    CLI_ARCHIVE_EXPORT = "cli:archive:export"  #: a study was copied out of an archive
    # anything that was asked for without leave
    ACCESS_REQUEST_REFUSE = "access:request:refuse"  #: something was asked for without leave


FACTS = frozenset(
    {
        "reason", "door", "peer", "sop_class", "transfer_syntax", "size_bytes", "digest", "count", "state", "attempt",
        "bundle", "policy", "threshold", "status", "route", "method", "role", "seconds", "retryable", "chain", "kind",
        "role_from", "role_to", "profile", "software", "code", "rows", "keyword", "frame", "device", "boxes",
    }
)  # fmt: skip
"""The only keys an audit event's facts may have. None can carry a name, a file name, a query or a DICOM value, but for
`device`: a manufacturer and a model that the site approved as words that say nothing about a person."""


_WITH_REASON = frozenset({Act.SITE_IDENTITY_REVEAL, Act.SITE_REVEAL_CONFIRM, Act.SITE_PROFILE_PROPOSE})
"""What nobody does without saying why."""


class Role(StrEnum):
    """What a person is at a site or at the hub; at most three a side."""

    ADMINISTRATOR = "administrator"  #: accounts, quarantine, audit; at a site and at the hub
    CLINICIAN = "clinician"  #: reads studies and results at a hospital
    CYTOLOGIST = "cytologist"  #: uploads, views and labels at a laboratory
    TECHNICIAN = "technician"  #: uploads and follows what is held, at a site
    OPERATOR = "operator"  #: runs the hub
    ANALYST = "analyst"  #: queries labels at the hub


ROLES_OF: dict[SiteKind | None, tuple[Role, ...]] = {
    SiteKind.HOSPITAL: (Role.ADMINISTRATOR, Role.CLINICIAN, Role.TECHNICIAN),
    SiteKind.LAB: (Role.ADMINISTRATOR, Role.CYTOLOGIST, Role.TECHNICIAN),
    None: (Role.ADMINISTRATOR, Role.OPERATOR, Role.ANALYST),
}
"""The roles a person may have at each kind of site; None is the hub."""

_SESSION = {Act.PAGE_SESSION_OPEN, Act.PAGE_SESSION_CLOSE, Act.PAGE_OWN_ACCOUNT_CHANGE}
_READ_STUDIES = {Act.SITE_STUDIES_LIST, Act.SITE_STUDY_VIEW, Act.SITE_FRAME_READ, Act.SITE_REPORT_VIEW}
_ADMINISTER = {
    Act.SITE_QUARANTINE_SETTLE, Act.SITE_QUARANTINE_INSPECT, Act.SITE_QUARANTINE_LOOK, Act.SITE_RULE_ADD, Act.SITE_RULE_REMOVE,
    Act.SITE_VALUES_VIEW, Act.SITE_VALUE_DECIDE, Act.SITE_PROFILE_PROPOSE, Act.SITE_PROFILE_AGREE, Act.SITE_IDENTITY_REVEAL,
    Act.SITE_REVEAL_CONFIRM, Act.SITE_AUDIT_VIEW, Act.PAGE_ACCOUNT_CHANGE, Act.ARCHIVE_INSTANCE_DELETE,
}  # fmt: skip
_INTAKE = {
    Act.SITE_FILE_UPLOAD,
    Act.SITE_UPLOAD_PREVIEW,
    Act.SITE_QUARANTINE_VIEW,
    Act.SITE_STUDIES_LIST,
    Act.SITE_REPORT_VIEW,
}

ALLOWED: dict[tuple[SiteKind | None, Role], frozenset[Act]] = {
    (SiteKind.HOSPITAL, Role.ADMINISTRATOR): frozenset(_SESSION | _INTAKE | _ADMINISTER),
    (SiteKind.HOSPITAL, Role.CLINICIAN): frozenset(_SESSION | _READ_STUDIES | {Act.SITE_IDENTITY_VIEW}),
    (SiteKind.HOSPITAL, Role.TECHNICIAN): frozenset(_SESSION | _INTAKE),
    (SiteKind.LAB, Role.ADMINISTRATOR): frozenset(_SESSION | _INTAKE | _ADMINISTER),
    (SiteKind.LAB, Role.CYTOLOGIST): frozenset(
        _SESSION
        | _READ_STUDIES
        | {Act.SITE_FILE_UPLOAD, Act.SITE_UPLOAD_PREVIEW, Act.SITE_LABEL_RECORD, Act.SITE_QUARANTINE_VIEW}
    ),
    (SiteKind.LAB, Role.TECHNICIAN): frozenset(_SESSION | _INTAKE),
    (None, Role.ADMINISTRATOR): frozenset(_SESSION | {Act.HUB_CONSOLE_VIEW, Act.PAGE_ACCOUNT_CHANGE}),
    (None, Role.OPERATOR): frozenset(_SESSION | {Act.HUB_CONSOLE_VIEW}),
    (None, Role.ANALYST): frozenset(_SESSION | {Act.HUB_CONSOLE_VIEW, Act.HUB_LABELS_QUERY}),
}
"""What each role may do. An act that is not here is refused."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A person signed in at one site or at the hub."""

    name: str
    role: Role
    kind: SiteKind | None  #: kind of the site, None at the hub

    def may(self, act: Act) -> bool:
        """Whether the role's row in `ALLOWED` lists the act."""
        return act in ALLOWED.get((self.kind, self.role), frozenset())


def event(
    act: Act,
    outcome: AuditOutcome = AuditOutcome.OK,
    *,
    principal: str = "system",
    site: str = "",
    subject: str = "",
    **facts: str | int | float | bool,
) -> AuditEvent:
    """A new audit event, stamped now. Raises BadMessage for an act that is done for a reason and gives none; ValueError on a
    fact key outside `FACTS`: a leak is a bug of ours."""
    if outcome is AuditOutcome.OK and act in _WITH_REASON and not str(facts.get("reason", "")).strip():
        raise BadMessage("say why: the reason is empty, and it is what the audit trail keeps of this")
    unknown = facts.keys() - FACTS
    if unknown:
        raise ValueError(f"audit facts not in the allow-list: {sorted(unknown)}")
    return AuditEvent(
        event_id=str(uuid.uuid4()),
        happened_at=datetime.now(UTC),
        act=act.value,
        outcome=outcome,
        principal=principal,
        site=site,
        subject=subject,
        facts=_bounded(facts),
    )


def _bounded(facts: Mapping[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
    return {key: value[:200] if isinstance(value, str) else value for key, value in facts.items()}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events somebody looks for: each by a part of it, whatever its capitals; empty for any."""

    act: str = ""
    who: str = ""
    subject: str = ""  #: the entry, study, account or site that the act was of

    def fits(self, event: AuditEvent) -> bool:
        """Whether the event holds every part asked for."""
        asked = ((self.act, event.act), (self.who, event.principal), (self.subject, event.subject))
        return all(part.casefold() in whole.casefold() for part, whole in asked)


EVERYTHING = Wanted()


class Novelty:
    """Tells whether something is news: not told in the last ten minutes. A slide is thousands of reads, one act of reading."""

    def __init__(self, seconds: float = 600.0) -> None:
        self._seconds, self._told = seconds, dict[tuple[str, ...], float]()
        self._turn = threading.Lock()

    def is_news(self, *key: str) -> bool:
        """True the first time, and again once the interval has passed."""
        now = time.monotonic()
        with self._turn:
            if len(self._told) > 10_000:
                self._told = {known: at for known, at in self._told.items() if now - at < self._seconds}
            news = now - self._told.get(key, -self._seconds) >= self._seconds
            if news:
                self._told[key] = now
        return news

"""A real site's program with its pages, in this process, beside a hub that answers what a test tells it."""

import base64
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from aegle.access import Role
from aegle.api import Hello, LabelReceipt, Receipt, Submission, Welcome
from aegle.config import Door, Pacs, SiteConfig
from aegle.errors import PeerUnreachable
from aegle.local.accounts import SqliteAccounts
from aegle.local.archive import FileArchive
from aegle.local.audit import ChainedLines
from aegle.local.provisioner import SITE_SECRETS, free_port
from aegle.local.secrets import FileSecrets
from aegle.local.trails import newest_in
from aegle.pages.accounts import SignIn, new_account
from aegle.records import (
    AuditHead,
    BundleRef,
    EvidenceMap,
    Failure,
    InstanceRef,
    Label,
    OperatingPoint,
    Outcome,
    Prediction,
    Quality,
    Region,
    Rejection,
    RejectReason,
    RequestState,
    Score,
    SiteKind,
)
from aegle.site.folder import SiteFolder
from aegle.site.pages import site_shell
from aegle.site.program import SiteProgram
from aegle.site.site_ports import SitePorts

PASSWORD = "a password for tests"
BUNDLE = BundleRef(name="papnet", version="1.0.0", digest="b" * 64)
Reader = Callable[[Submission, str], Outcome]


@dataclass
class ToldHub:
    """The Hub port: takes every request and label, and answers each request as `reader` says, once there is one."""

    reader: Reader | None = None
    away: bool = False
    submissions: dict[str, Submission] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def hello(self, hello: Hello) -> Welcome:
        return Welcome(software="test", bundle=BUNDLE, operating_point=None)

    def submit(self, submission: Submission) -> Receipt:
        self._be_there()
        request_id = str(uuid.uuid5(uuid.NAMESPACE_OID, submission.key))
        self.submissions[request_id] = submission
        return Receipt(request_id=request_id, state=RequestState.WAITING)

    def outcomes(self) -> Sequence[Outcome]:
        if self.reader is None or self.away:
            return ()
        asked = self.submissions.items()
        return [self.reader(submission, name) for name, submission in asked if name not in self.settled]

    def collected(self, request_id: str) -> None:
        self.settled.add(request_id)

    def send_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        self._be_there()
        self.labels += labels
        return LabelReceipt(stored=tuple(label.event_id for label in labels), refused=())

    def exchange_heads(self, heads: Sequence[AuditHead]) -> Sequence[AuditHead]:
        return heads

    def _be_there(self) -> None:
        if self.away:
            raise PeerUnreachable("the hub is away")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One running site."""

    program: SiteProgram
    hub: ToldHub
    accounts: SqliteAccounts
    address: str

    def take_in(self, *paths: Path) -> None:
        """Files through the site's door."""
        for path in paths:
            copy = self.program.spool.incoming / path.name
            copy.write_bytes(path.read_bytes())
            self.program.door.upload(copy, "user:test")

    def until(self, what: Callable[[], object], seconds: float = 20) -> None:
        """Wait for a condition, with a bound."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.02)

    def is_settled(self) -> bool:
        """Whether everything that came in is complete and, at a hospital, its requests are built."""
        state = self.program.state
        return not self.program.spool.waiting() and bool(state.studies()) and not state.studies(fresh=True)

    def add_person(self, name: str, role: Role) -> None:
        """Somebody who may sign in with PASSWORD."""
        self.accounts.put(new_account(name, role, self.program.config.kind, PASSWORD)[0])


@contextmanager
def running(folder: Path, name: str, kind: SiteKind, *, pacs: bool = False, quiet: float = 0.2) -> Iterator[Stage]:
    """A site, up until the block ends. Its PACS, if it has one, does not answer."""
    config = SiteConfig(
        kind=kind,
        door=Door(quiet_seconds=quiet),
        pacs=Pacs(port=free_port(), ae_title="AWAY") if pacs else None,
    )
    place, secrets, hub = SiteFolder(root=folder), FileSecrets(folder / "secrets"), ToldHub()
    for secret in SITE_SECRETS:
        secrets.ensure(secret)
    audit, archive = ChainedLines(place.audit, name, "site"), FileArchive(place.archive)
    accounts = SqliteAccounts(place.accounts)
    ports = SitePorts(
        secrets=secrets, archive=archive, audit=audit, hub=hub, heads=lambda: [audit.head()],
        trail=partial(newest_in, place.audit, name),
        door_port=free_port(), archive_port=free_port(), pages_port=free_port(),
    )  # fmt: skip
    program = SiteProgram(name, config, place, ports)
    shell = site_shell(program, SignIn(accounts, kind, secrets.get("page-key")), audit)
    program.serve(shell.application())
    program.start()
    try:
        yield Stage(program=program, hub=hub, accounts=accounts, address=f"http://{name}.localhost:{ports.pages_port}")
    finally:
        program.stop()
        accounts.close()
        archive.close()
        audit.close()


# --- what the hub may answer


def predicted(submission: Submission, request_id: str) -> Prediction:
    """HSIL in two regions of the first image."""
    image = submission.instances[0]
    strength = np.zeros((12, 16), np.uint8)
    strength[3:6, 4:9], strength[8:10, 11:14] = 220, 140
    corners = [(250.0, 180.0, 560.0, 390.0), (690.0, 500.0, 900.0, 640.0)]
    return Prediction(
        prediction_id=str(uuid.uuid5(uuid.NAMESPACE_OID, request_id)),
        request_id=request_id,
        site="st-anna",
        study_uid=submission.study_uid,
        input_digest=submission.input_digest,
        sources=submission.instances,
        bundle=BUNDLE,
        operating_point=OperatingPoint(threshold=0.42, policy="bundle-default"),
        finding="HSIL",
        score=0.87,
        scores=(Score(code="NILM", value=0.13), Score(code="LSIL", value=0.16), Score(code="HSIL", value=0.71)),
        quality=Quality(accepted=True, focus=0.81, cells=212),
        regions=tuple(_region(image, at, score) for at, score in zip(corners, (0.91, 0.55), strict=True)),
        evidence=(
            EvidenceMap(
                sop_uid=image.sop_uid, code="HSIL", rows=12, columns=16,
                values_b64=base64.b64encode(strength.tobytes()).decode(),
            ),
        ),
        decided_at=datetime.now(UTC),
    )  # fmt: skip


def rejected(submission: Submission, request_id: str) -> Rejection:
    """The input was out of focus."""
    return Rejection(
        request_id=request_id,
        site="st-anna",
        study_uid=submission.study_uid,
        input_digest=submission.input_digest,
        bundle=BUNDLE,
        reason=RejectReason.OUT_OF_FOCUS,
        detail="Relative sharpness 0.08, the model needs 0.35.",
        quality=Quality(accepted=False, focus=0.08, cells=190, reason="OUT_OF_FOCUS"),
        decided_at=datetime.now(UTC),
    )


def failed(submission: Submission, request_id: str) -> Failure:
    """Nothing helped."""
    return Failure(
        request_id=request_id,
        site="st-anna",
        study_uid=submission.study_uid,
        input_digest=submission.input_digest,
        code="PEER_UNREACHABLE",
        detail="the archive did not answer",
        decided_at=datetime.now(UTC),
    )


def _region(image: InstanceRef, at: tuple[float, float, float, float], score: float) -> Region:
    left, top, right, bottom = at
    outline = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Region(sop_uid=image.sop_uid, polygon_px=outline, code="HSIL", score=score)

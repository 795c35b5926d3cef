"""Objects settled beside each other: while some wait for the disk, the next one is de-identified.

One thread judges, in the order in which objects came; others carry out what was decided. What each of them waits for (vault,
index, ledger, trail, spool) is synced once for all who wait together. Order is kept where it matters: two objects under one SOP
Instance UID, and two patients' under one Study Instance UID, so that the one that came first is the one that counts.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from aegle.deid import Deidentified
from aegle.errors import Unavailable
from aegle.intake.admit import Admission, Intake, Judged
from aegle.intake.spool import Spooled
from aegle.records import InstanceRef

AT_ONCE = 16
BYTES_AT_ONCE = (
    256_000_000  #: lie twice on the disk meanwhile, as they came and de-identified; a larger object goes alone
)


class Abreast:
    """Settles many objects through one intake. Peak memory: of one object judged, and a block of 1 MB of each settled."""

    def __init__(self, intake: Intake, at_once: int = AT_ONCE, bytes_at_once: int = BYTES_AT_ONCE) -> None:
        self._intake, self._at_once, self._bytes_at_once = intake, at_once, bytes_at_once
        self._settlers = ThreadPoolExecutor(at_once, thread_name_prefix="settle")
        self._under_way: dict[Future[Admission], Judged] = {}
        self._is_away = False

    def admit(self, items: Sequence[Spooled]) -> list[tuple[Spooled, BaseException | None]]:
        """Settle objects, given in the order they came; returns when none is under way: each with None, or with the error
        for which it stays spooled. After an Unavailable (disk full, archive away) none is begun, and the rest is not told."""
        self._is_away = False
        told: list[tuple[Spooled, Future[Admission]]] = []
        for item in items:
            begun = self._begin(item)
            if begun is None:
                break
            told.append((item, begun))
        self._let_pass(lambda _: True)
        return [(item, future.exception()) for item, future in told]

    def close(self) -> None:
        """End the threads."""
        self._settlers.shutdown()

    def _begin(self, item: Spooled) -> Future[Admission] | None:
        """Judge an object and let it be settled; None, and nothing done, when the disk or the archive is away."""
        try:
            judged = self._judge(item)
        except Exception as failure:  # noqa: BLE001  (the edge of a job: one instance must not stop the others)
            self._is_away |= isinstance(failure, Unavailable)
            failed: Future[Admission] = Future()
            failed.set_exception(failure)
            return failed
        if judged is None:
            return None
        self._let_pass(lambda other: _is_another_patients(other, judged))
        future = self._settlers.submit(self._intake.settle, judged)
        self._under_way[future] = judged
        return future

    def _judge(self, item: Spooled) -> Judged | None:
        if self._is_away:
            return None
        said = self._intake.identify(item)
        self._make_room(item, said)
        return None if self._is_away else self._intake.judge(item, said)

    def _make_room(self, item: Spooled, said: InstanceRef) -> None:
        if said.sop_uid:
            self._let_pass(lambda other: other.said.sop_uid == said.sop_uid)
        size = item.path.stat().st_size
        while self._under_way and not self._is_room_for(size):
            self._collect(wait(self._under_way, return_when=FIRST_COMPLETED).done)

    def _is_room_for(self, size: int) -> bool:
        taken = sum(judged.size_bytes for judged in self._under_way.values())
        return len(self._under_way) < self._at_once and taken + size <= self._bytes_at_once

    def _let_pass(self, concerns: Callable[[Judged], bool]) -> None:
        """Wait until those that it concerns are settled."""
        self._collect(wait([future for future, judged in self._under_way.items() if concerns(judged)]).done)
        self._collect({future for future in self._under_way if future.done()})

    def _collect(self, done: set[Future[Admission]]) -> None:
        for future in done:
            self._under_way.pop(future, None)
            self._is_away |= isinstance(future.exception(), Unavailable)


def _is_another_patients(one: Judged, other: Judged) -> bool:
    """Whether two objects claim one study for two patients."""
    if not (isinstance(one.verdict, Deidentified) and isinstance(other.verdict, Deidentified)):
        return False
    same_study = one.verdict.alias.study_uid == other.verdict.alias.study_uid
    return same_study and one.verdict.patient_alias != other.verdict.patient_alias

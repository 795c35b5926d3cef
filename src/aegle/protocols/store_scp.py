"""C-STORE as its provider: each object into a file of its own, handed over whole, answered once it is durable."""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

from aegle import logs
from aegle.errors import MEANING, AegleError, StorageFull
from aegle.protocols.arriving import Arriving
from aegle.protocols.command import Command, Field, Status
from aegle.protocols.dialogue import Dialogue, Provider
from aegle.protocols.peers import News, Notice, Receive, Sender

Place = Callable[[], Path]
"""A file for the next object. Raises StorageFull."""


class StoreProvider:
    """What a door serves on one association."""

    fields: Collection[int] = (Field.STORE,)

    def __init__(
        self, dialogue: Dialogue, *, place: Place, marks: bool, most_bytes: int, receive: Receive, notice: Notice
    ) -> None:
        self._dialogue, self._place, self._marks, self._most_bytes = dialogue, place, marks, most_bytes
        self._receive, self._notice = receive, notice

    def begin(self, number: int, request: Command) -> "_Storing | int":
        """Begin a file for it, or say why not, whatever its data set is."""
        context = self._dialogue.contexts[number]
        if request.field not in self.fields:
            return Status.UNKNOWN_OPERATION
        if request.sop_class != context.abstract:
            return Status.WRONG_CLASS
        if not 0 < len(request.sop_instance) <= 64:
            return Status.INVALID_INSTANCE
        sender = self._dialogue.sender
        try:
            path = self._place()
        except StorageFull:
            return self._refuse(sender)
        marked = sender.ae_title if self._marks else None
        arriving = Arriving(path, request, context.syntax, self._most_bytes, marked)
        return _Storing(arriving, sender, self._receive, self._notice)

    def _refuse(self, sender: Sender) -> int:
        """There is no room even for its name."""
        with contextlib.suppress(StorageFull):
            self._notice(News.NOT_TAKEN, sender, MEANING[StorageFull].code)
        return MEANING[StorageFull].dimse


def store_provider(
    *, place: Place, marks: bool, most_bytes: int, receive: Receive, notice: Notice
) -> Callable[[Dialogue], Provider]:
    """For a listener. `place` names a file for each object while it arrives; `marks`: it says there who sent it;
    `most_bytes` is of a data set."""
    return lambda dialogue: StoreProvider(
        dialogue, place=place, marks=marks, most_bytes=most_bytes, receive=receive, notice=notice
    )


class _Storing:
    """One object on its way in."""

    def __init__(self, arriving: Arriving, sender: Sender, receive: Receive, notice: Notice) -> None:
        self._arriving, self._sender, self._receive, self._notice = arriving, sender, receive, notice

    @property
    def is_hopeless(self) -> bool:
        return self._arriving.is_hopeless

    def add(self, content: memoryview) -> None:
        self._arriving.add(content)

    def finish(self) -> int:
        """Hand the whole object over; its status. Success means that it is durable."""
        arrived = self._arriving
        arrived.complete()
        if arrived.problem is not None:
            self._tell_not_taken(arrived.problem)
            return arrived.problem.meaning.dimse
        try:
            self._receive(arrived.path, self._sender)
        except AegleError as error:
            logs.warning("instance not taken", code=error.meaning.code)
            return error.meaning.dimse
        except Exception as failure:  # noqa: BLE001  (the edge of an association)
            logs.crash("door failed", failure)
            return Status.OUT_OF_RESOURCES
        finally:
            arrived.discard()
        return Status.SUCCESS

    def give_up(self) -> None:
        """It was cut short."""
        self._tell_not_taken(self._arriving.problem)
        self._arriving.discard()

    def _tell_not_taken(self, problem: AegleError | None) -> None:
        code = problem.meaning.code if problem else "CUT_SHORT"
        try:
            self._notice(News.NOT_TAKEN, self._sender, code)
        except StorageFull:
            logs.warning("instance not taken", code=code)

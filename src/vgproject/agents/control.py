"""What people want of a running task: read from the session's log, so that a crash forgets nothing of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from vgproject.agents.approvals import GRANT_TYPES, SessionGrants
from vgproject.agents.base import TaskInput
from vgproject.errors import StorageError
from vgproject.event_log import EventLog, StoredEvent
from vgproject.schema.base import EventData
from vgproject.schema.events import (
    ApprovalResolved,
    PlanResolved,
    QuestionAnswered,
    RecoveryDecisionResolved,
    SettingsUpdated,
    TaskCancelRequested,
    TaskPauseRequested,
    TaskResumed,
    UserMessage,
)
from vgproject.schema.settings import SessionSettings

Resolution = TypeVar("Resolution", ApprovalResolved, PlanResolved, QuestionAnswered, RecoveryDecisionResolved)

logger = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 1.0

CONTROL_TYPES = GRANT_TYPES | frozenset(
    data.type
    for data in (
        PlanResolved,
        QuestionAnswered,
        RecoveryDecisionResolved,
        SettingsUpdated,
        TaskCancelRequested,
        TaskPauseRequested,
        TaskResumed,
        UserMessage,
    )
)


SPOKEN_TYPES = frozenset((UserMessage.type, QuestionAnswered.type, PlanResolved.type))


class TaskControl:
    """The wishes for one attempt at a task so far, and ways to wait for the next."""

    def __init__(self, event_log: EventLog, task: TaskInput) -> None:
        self._event_log = event_log
        self._task = task
        self._seen = 0
        self._changed = asyncio.Event()
        self._seq = 0
        self._pause_seq = 0
        self._resume_seq = 0
        self._resolutions: dict[str, EventData] = {}
        self._messages: list[tuple[int, UserMessage]] = []
        self._cancel: Callable[[], object] | None = None
        self.cancel_requested: TaskCancelRequested | None = None
        self.settings: SettingsUpdated | None = None
        self.changed = SessionSettings()
        """What people have changed since the task was given: newer than its own settings."""
        self.grants = SessionGrants()

    @property
    def pause_requested(self) -> int | None:
        """The seq of the wish to pause, while it holds."""
        return self._pause_seq if self._pause_seq > self._resume_seq else None

    def begin_at(self, seq: int) -> None:
        """The wishes up to ``seq`` have been taken up."""
        self._seen = max(self._seen, seq)

    def goes_on(self) -> bool:
        """Whether what is cut off here goes on later: nobody has cancelled the task."""
        return self.cancel_requested is None

    def on_cancel(self, cancel: Callable[[], object]) -> None:
        """Call ``cancel`` once somebody has cancelled the task, at once if it was so already."""
        self._cancel = cancel
        if self.cancel_requested:
            cancel()

    async def catch_up(self) -> None:
        """Take up all that is stored so far: a message that was acknowledged before a turn is part of that turn."""
        for event in await self._event_log.read(self._task.session_id, after=self._seen):
            await self.take_whole(event)

    async def take_whole(self, event: StoredEvent) -> None:
        """As `take`, with all that a person has said at length."""
        self.take(await self._event_log.whole(event) if event.type in SPOKEN_TYPES else event)

    def messages_after(self, seq: int) -> list[tuple[int, UserMessage]]:
        return [(at, message) for at, message in self._messages if at > seq]

    async def wait_for(self, resolution_id: str, kind: type[Resolution]) -> Resolution:
        while True:
            if isinstance(found := self._resolutions.get(resolution_id), kind):
                return found
            await self._next_change()

    async def wait_for_resume(self, *, after: int) -> None:
        while self._resume_seq <= after:
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def take(self, event: StoredEvent) -> None:
        """Take up one event of the session's log; one of another task, or one taken before, changes nothing."""
        self._seen = max(self._seen, event.seq)
        if event.type not in CONTROL_TYPES or event.seq <= self._seq:
            return
        self._seq = event.seq
        data = event.data()
        self.grants.take(event)
        if event.frame().task_id in (self._task.task_id, None):
            self._take(event.seq, data)
            self._changed.set()

    def take_settings(self, data: SettingsUpdated) -> None:
        self.settings = data
        self.changed = (data.changed or SessionSettings()).over(self.changed)

    def _take(self, seq: int, data: EventData) -> None:
        match data:
            case TaskCancelRequested():
                self.cancel_requested = data
                if self._cancel:
                    self._cancel()
            case TaskPauseRequested():
                self._pause_seq = seq
            case TaskResumed():
                self._resume_seq = seq
            case UserMessage(delivery="steer"):
                self._messages.append((seq, data))
            case ApprovalResolved() | PlanResolved():
                self._resolutions[data.approval_id] = data
            case QuestionAnswered():
                self._resolutions[data.question_id] = data
            case RecoveryDecisionResolved():
                self._resolutions[data.recovery_id] = data
            case SettingsUpdated():
                self.take_settings(data)


@asynccontextmanager
async def open_control(event_log: EventLog, task: TaskInput, *, queued: int, after: int) -> AsyncIterator[TaskControl]:
    """The control of ``task``, up to date with the log from ``after`` on and following it until closed.

    Changed settings count from the seq ``queued`` on, at which the task was given.
    """
    control = TaskControl(event_log, task)
    head = await event_log.head(task.session_id)
    for event in await event_log.read_types(task.session_id, GRANT_TYPES):
        if event.seq <= after:
            control.grants.take(event)
    for event in await event_log.read_types(task.session_id, {SettingsUpdated.type}, after=queued):
        if event.seq <= after and isinstance(data := event.data(), SettingsUpdated):
            control.take_settings(data)
    for event in await event_log.read_types(task.session_id, CONTROL_TYPES, after=after):
        control.take(event)
    control.begin_at(head.seq)
    follower = asyncio.create_task(_follow(event_log, control, task, head.seq), name=f"control {task.task_id}")
    try:
        yield control
    finally:
        follower.cancel()
        with suppress(asyncio.CancelledError):
            await follower


async def _follow(event_log: EventLog, control: TaskControl, task: TaskInput, after: int) -> None:
    """Also after the database was away: who waits for a word would wait for ever."""
    while True:
        try:
            async for events in event_log.follow(task.session_id, after=after):
                for event in events:
                    await control.take_whole(event)
                after = events[-1].seq
        except StorageError:
            logger.warning("What is wanted of task %s cannot be read now", task.task_id, exc_info=True)
            await asyncio.sleep(READ_AGAIN_SECONDS)

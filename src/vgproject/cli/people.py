"""What people said while a task ran, said again at the same points of a second run."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from vgproject.agents.base import TaskInput
from vgproject.cli.recording import Attempt, RecordedTask, TurnKey
from vgproject.event_log import EventLog, NewEvent
from vgproject.llm.recorded import RecordedBackend
from vgproject.repositories.event_store import ASKS, PAUSES, SETTLES
from vgproject.schema.base import Actor, EventData
from vgproject.schema.events import (
    EVENT_TYPES,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalsRevoked,
    MemberLeft,
    PlanResolved,
    QuestionAnswered,
    RoleChanged,
    SettingsUpdated,
    TaskCancelRequested,
    TaskResumed,
)
from vgproject.schema.frames import EventFrame

NOBODY = Actor(kind="server", id="replay")
QUESTIONS = (*ASKS, *PAUSES)
ANCHORED = (
    SettingsUpdated.type,
    TaskResumed.type,
    TaskCancelRequested.type,
    ApprovalsRevoked.type,
    MemberLeft.type,
    RoleChanged.type,
)


class Labels:
    """Names each event of one attempt so that it has the same name in another run of it."""

    def __init__(self) -> None:
        self._alike: Counter[str] = Counter()

    def label(self, frame: EventFrame) -> str:
        about = next(
            (
                frame.data[name]
                for name in ("approval_id", "question_id", "tool_call_id", "message_id")
                if name in frame.data
            ),
            "",
        )
        name = f"{frame.type}/{frame.phase}/{about}"
        self._alike[name] += 1
        return f"{name}/{self._alike[name]}"


class People:
    """Everybody who took part in one attempt at a task."""

    def __init__(self, event_log: EventLog, task: TaskInput, recording: RecordedTask, backend: RecordedBackend) -> None:
        attempt = recording.attempts[task.attempt - 1]
        self._event_log = event_log
        self._task = task
        self._backend = backend
        self._messages = recording.messages()
        self._answers = {
            frame.data[SETTLES[frame.type]]: frame
            for frame in attempt.frames
            if frame.type in (ApprovalResolved.type, PlanResolved.type, QuestionAnswered.type)
        }
        self._ran = {frame.data["tool_call_id"] for frame in attempt.frames if frame.type == "tool_started"}
        self._after = _after(attempt)
        self._cancel = next((frame for frame in attempt.frames if frame.type == TaskCancelRequested.type), None)
        self._labels = Labels()
        self._began = 0

    async def begin(self) -> None:
        """To be called before the attempt's first event."""
        self._began = (await self._event_log.head(self._task.session_id)).seq

    async def before_model_call(self, key: TurnKey) -> None:
        for message in self._messages.get(key, ()):
            await self._say(message)
        if self._cancel and not self._backend.has_reply(*key):
            await self._say_again(self._cancel)

    async def follow(self) -> None:
        """Answer whatever is said in the second run, until cancelled."""
        async for events in self._event_log.follow(self._task.session_id, after=self._began):
            for event in events:
                await self._answer(event.frame())

    async def _answer(self, frame: EventFrame) -> None:
        said = self._after.get(self._labels.label(frame), [])
        resolved = self._answers.get(frame.data[ASKS[frame.type]]) if frame.type in ASKS else None
        if resolved:
            said = [resolved, *said]
        for again in said:
            await self._say_again(again)
        if frame.type in QUESTIONS and not said:
            await self._say(self._answer_of_nobody(frame))

    def _answer_of_nobody(self, frame: EventFrame) -> EventData:
        """What ran without being asked for may run again; with any other question, the run cannot go on."""
        if frame.type == ApprovalRequested.type and frame.data["tool_call_id"] in self._ran:
            names = ("approval_id", "tool_call_id")
            return ApprovalResolved(decision="approve", resolved_by=NOBODY.id, **{n: frame.data[n] for n in names})
        return TaskCancelRequested(reason="The recording has no answer to what is asked here.")

    async def _say_again(self, frame: EventFrame) -> None:
        data = EVENT_TYPES[frame.type].model_validate(frame.data)
        if isinstance(data, SettingsUpdated):
            data = SettingsUpdated(settings=data.settings.model_copy(update={"model": None, "models": {}}))
        await self._say(data, frame.actor, key=f"replay/{frame.seq}")

    async def _say(self, data: EventData, actor: Actor = NOBODY, *, key: str | None = None) -> None:
        event = NewEvent(data, actor, task_id=self._task.task_id, key=key)
        await self._event_log.append(self._task.session_id, [event])


def _after(attempt: Attempt) -> dict[str, list[EventFrame]]:
    """What people said that is not an answer by its id, by the label of the event that it came after."""
    said: dict[str, list[EventFrame]] = defaultdict(list)
    last = ""
    for label, frame in _labelled(attempt.frames):
        if frame.type in ANCHORED:
            said[last].append(frame)
        elif frame.actor.kind != "user" and frame.type != "task_paused":
            last = label
    return said


def _labelled(frames: Sequence[EventFrame]) -> Iterator[tuple[str, EventFrame]]:
    labels = Labels()
    return ((labels.label(frame), frame) for frame in frames)

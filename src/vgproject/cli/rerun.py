"""A recorded session run again: the same tasks on a scratch copy of the project, with the recorded replies."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vgproject.agents.base import Action, Json, TaskInput
from vgproject.bootstrap import Parts, open_parts
from vgproject.cli.differences import Difference, Normaliser, compare
from vgproject.cli.people import People
from vgproject.cli.recording import Attempt, RecordedSession, RecordedTask, TurnKey
from vgproject.config import Loaded
from vgproject.errors import NotFoundError, WorkspaceError
from vgproject.event_log import NewEvent
from vgproject.knowledge.ledger import row_of
from vgproject.knowledge.namespaces import of_project
from vgproject.llm.recorded import RecordedBackend, RecordedTurn
from vgproject.models.tables import SessionRow
from vgproject.schema.events import EVENT_TYPES
from vgproject.schema.frames import EventFrame
from vgproject.schema.memory import MemoryEntry
from vgproject.schema.settings import SessionSettings
from vgproject.utils.clock import utc_now
from vgproject.workspace.git import run_git

MODEL = "recorded:session"


@dataclass(frozen=True)
class Rerun:
    """``changed`` is the first model call that was asked something else than recorded."""

    task: RecordedTask
    differences: list[Difference]
    changed: RecordedTurn | None


class PlainSteps:
    """Steps of a run that nobody goes on with: each is simply run, a model call after ``before_model_call``."""

    def __init__(self, attempt: int, before_model_call: Callable[[TurnKey], Awaitable[None]]) -> None:
        self._attempt = attempt
        self._before_model_call = before_model_call

    async def run(self, name: str, action: Action) -> Json:
        kind, _, rest = name.partition("/")
        if kind == "model":
            thread_id, _, turn = rest.rpartition("/")
            await self._before_model_call((f"{self._attempt}/{thread_id}", int(turn)))
        return await action()

    def reserve(self, name: str) -> Callable[[Action], Awaitable[Json]]:
        async def run(action: Action) -> Json:
            return await self.run(name, action)

        return run


async def run_again(recording: RecordedSession, loaded: Loaded, directory: Path) -> list[Rerun]:
    """Every task in order, since each goes on with the files of the one before. All is done in ``directory``.

    Raises `NotFoundError` (``project_gone``) where the project, or its commit, is not on this machine.
    """
    project = await _copy_project(recording, directory)
    normaliser = Normaliser(recording.session_id, (recording.project, str(project)))
    reruns: list[Rerun] = []
    for number, task in enumerate(recording.tasks):
        backend = RecordedBackend(task.turns, task.failures(), normaliser.same_request)
        async with open_parts(_scratch(loaded, directory, project), backends={MODEL: backend}) as parts:
            if number == 0:
                await _add_session(parts, recording, project)
            await _add_memory(parts, recording.memory, str(project), before=task.queued_at)
            differences = [
                difference
                for attempt in task.attempts
                for difference in compare(
                    attempt.frames, await _run_attempt(parts, recording, task, attempt, backend), normaliser
                )
            ]
        reruns.append(Rerun(task, differences, backend.first_changed))
    return reruns


async def _run_attempt(
    parts: Parts, recording: RecordedSession, task: RecordedTask, attempt: Attempt, backend: RecordedBackend
) -> list[EventFrame]:
    """The events of the second run."""
    session_id = recording.session_id
    await _set_settings(parts, session_id, attempt.settings or recording.settings)
    again = TaskInput(session_id, task.task_id, attempt.number, attempt.from_phase)
    people = People(parts.event_log, again, task, backend)
    await people.begin()
    began = (await parts.event_log.head(session_id)).seq
    await parts.event_log.append(session_id, [_beginning(task, attempt)])
    answering = asyncio.create_task(people.follow(), name="replayed people")
    try:
        await parts.pipeline.run_task(again, PlainSteps(attempt.number, people.before_model_call))
    finally:
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering
    events = await parts.event_log.read(session_id, after=began, limit=1_000_000)
    return [event.frame() for event in events]


def _beginning(task: RecordedTask, attempt: Attempt) -> NewEvent:
    frame = attempt.frames[0]
    data = EVENT_TYPES[frame.type].model_validate(frame.data)
    if frame.type == "task_queued":
        data = task.request.model_copy(update={"settings": _without_models(task.request.settings)})
    return NewEvent(data, frame.actor, task_id=task.task_id)


def _without_models(settings: SessionSettings) -> SessionSettings:
    return settings.model_copy(update={"model": None, "models": {}})


def _scratch(loaded: Loaded, directory: Path, project: Path) -> Loaded:
    config = loaded.config
    changed = {
        "home": directory / "home",
        "project": project,
        "database_url": None,
        "model": MODEL,
        "models": {"expert": MODEL},
        "mcp": {},
        "phases": {phase: settings.model_copy(update={"model": None}) for phase, settings in config.phases.items()},
        "llm": config.llm.model_copy(update={"attempts": 1}),
    }
    return replace(loaded, config=config.model_copy(update=changed))


async def _copy_project(recording: RecordedSession, directory: Path) -> Path:
    """The project at the session's commit, on a branch of the same name as its own; else as it is now."""
    project = _find_project(recording.project)
    if recording.commit is None:
        return project
    copy = directory / "project"
    top = Path((await run_git("rev-parse", "--show-toplevel", cwd=project)).decode().strip())
    branch = (await run_git("branch", "--show-current", cwd=project)).decode().strip() or "main"
    await run_git("clone", "--quiet", "--shared", "--no-checkout", str(top), str(copy), cwd=directory)
    try:
        await run_git("checkout", "--quiet", "-B", branch, recording.commit, cwd=copy)
    except WorkspaceError as error:
        raise NotFoundError(
            f"The commit {recording.commit}, at which the session began, is not in {recording.project} any more.",
            code="project_gone",
        ) from error
    return copy / project.relative_to(top)


def _find_project(path: str) -> Path:
    project = Path(path)
    if not project.is_dir():
        raise NotFoundError(f"The project {path} is not on this machine.", code="project_gone")
    return project.resolve()


async def _add_session(parts: Parts, recording: RecordedSession, project: Path) -> None:
    now = utc_now()
    row = SessionRow(
        id=recording.session_id,
        project=str(project),
        title=recording.title,
        owner=recording.owner,
        settings={},
        epoch="replay",
        created_at=now,
        updated_at=now,
    )
    async with parts.database.unit_of_work() as work:
        work.sessions.add(row)
        await work.commit()


async def _set_settings(parts: Parts, session_id: str, settings: SessionSettings) -> None:
    async with parts.database.unit_of_work() as work:
        (await work.sessions.get(session_id)).settings = _without_models(settings).model_dump()
        await work.commit()


async def _add_memory(parts: Parts, entries: list[MemoryEntry], project: str, *, before: str) -> None:
    """What other sessions had put into the project's memory when the task began, as it reads now."""
    async with parts.database.unit_of_work() as work:
        for entry in entries:
            if entry.created_at < before and await work.memory.get(entry.memory_id) is None:
                work.memory.add(row_of(entry, of_project(project)))
        await work.commit()

"""How a running task says what happens: each fact once, under a key, in the session's log."""

from vgproject.agents.base import TaskInput
from vgproject.event_log import EventLog, NewEvent, StoredEvent
from vgproject.schema.base import Actor, EventData, Phase
from vgproject.schema.events import ProgressUpdate

SERVER = Actor(kind="server", id="server")


class Reporter:
    """Says the events of one attempt at a task.

    Every event has a key made of the attempt and what it tells, so that a step that is repeated after a crash
    says nothing twice.
    """

    def __init__(self, event_log: EventLog, task: TaskInput, *, percent: float = 0.0, agent: str | None = None) -> None:
        self._event_log = event_log
        self.task = task
        self._percent = percent
        self.phase: Phase | None = None
        self._agent = agent

    def as_agent(self, agent: str, phase: Phase | None = None) -> "Reporter":
        """One that speaks in the name of another agent, by default of the same phase."""
        reporter = Reporter(self._event_log, self.task, agent=agent)
        reporter.phase = phase or self.phase
        return reporter

    async def send_update(self, data: EventData, key: str, *, actor: Actor | None = None) -> StoredEvent:
        """``key`` is unique within the attempt; an event that was said before comes back with ``inserted=False``."""
        [stored] = await self.send_updates([(data, key)], actor=actor)
        return stored

    async def send_updates(
        self, updates: list[tuple[EventData, str]], *, actor: Actor | None = None
    ) -> list[StoredEvent]:
        agent = self._agent or self.phase
        actor = actor or (Actor(kind="agent", id=agent) if agent else SERVER)
        return await self._event_log.append(
            self.task.session_id,
            [
                NewEvent(data, actor, task_id=self.task.task_id, phase=self.phase, key=f"{self.task.key}/{key}")
                for data, key in updates
            ],
        )

    async def send_progress(
        self, percent: float, label: str, key: str, *, step: int | None = None, steps: int | None = None
    ) -> StoredEvent:
        """Progress never falls: a smaller ``percent`` is told as the greatest so far."""
        self._percent = max(self._percent, min(percent, 100.0))
        update = ProgressUpdate(
            phase=self.phase or "", percent=round(self._percent, 1), label=label, step=step, steps=steps
        )
        return await self.send_update(update, f"progress/{key}")

"""What is known of a session from its frames: what stands in the status line, and what waits for an answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from vgproject.cli.follow import question_id
from vgproject.cli.live import ENDS
from vgproject.repositories.event_store import ASKS, BUDGET, PAUSES, SETTLES, TASK_STATUS

Frame = dict[str, Any]
Connection = Literal["connecting", "catching up", "live", "lost"]
OPEN = ("queued", "running", "paused")
MAX_CHECKPOINTS = 200


@dataclass
class TaskState:
    task_id: str
    status: str = "queued"
    phases: list[str] = field(default_factory=list)
    phase: str = ""
    percent: float = 0.0
    label: str = ""
    step: str = ""
    started_at: str | None = None
    ended_at: str | None = None
    tokens: int = 0
    cost_usd: float | None = 0.0

    def seconds(self, now: datetime) -> float:
        """Since it began, or from there to its end."""
        if self.started_at is None:
            return 0.0
        end = datetime.fromisoformat(self.ended_at) if self.ended_at else now
        return max((end - datetime.fromisoformat(self.started_at)).total_seconds(), 0.0)


@dataclass
class Checkpoint:
    seq: int
    checkpoint_id: str
    time: str
    files: list[str]


@dataclass
class SessionState:
    """Changed by `take` and `lose` alone."""

    session_id: str
    title: str = ""
    project: str = ""
    settings: Frame = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    questions: dict[str, Frame] = field(default_factory=dict)
    """The events that ask and have no answer, by what they ask; the oldest first."""
    plan: Frame | None = None
    checkpoints: list[Checkpoint] = field(default_factory=list)
    connection: Connection = "connecting"
    seq: int = 0
    head_seq: int = 0

    @property
    def task(self) -> TaskState | None:
        """The one that runs, else the first that waits, else the last."""
        tasks = list(self.tasks.values())
        for status in (("running", "paused"), ("queued",)):
            if found := next((task for task in tasks if task.status in status), None):
                return found
        return tasks[-1] if tasks else None

    @property
    def is_busy(self) -> bool:
        return any(task.status in OPEN for task in self.tasks.values())

    @property
    def status(self) -> str:
        if self.questions:
            return "needs you"
        return self.task.status if self.task else "idle"

    @property
    def missing(self) -> int:
        """Events that are still to come until it is as the server has it."""
        return max(self.head_seq - self.seq, 0)

    def asked(self, *types: str) -> list[tuple[str, Frame]]:
        return [(asked_id, frame) for asked_id, frame in self.questions.items() if frame["type"] in types]

    def lose(self) -> None:
        self.connection = "lost"

    def take(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "subscribed":
            if not frame["recovered"]:
                self._forget()
            self.head_seq = frame["head_seq"]
            self.connection = "catching up" if self.missing else "live"
        elif "seq" in frame:
            self.seq = frame["seq"]
            self._take_event(kind, frame, frame["data"])
            if self.connection == "catching up" and not self.missing:
                self.connection = "live"

    def _forget(self) -> None:
        """The log is another one than before: its events follow from the first."""
        self.seq, self.plan = 0, None
        self.tasks, self.questions, self.checkpoints = {}, {}, []

    def _take_event(self, kind: str, frame: Frame, data: Frame) -> None:
        self._take_question(kind, frame)
        if kind in ("session_created", "settings_updated"):
            self.settings = data["settings"]
            self.title, self.project = data.get("title", self.title), data.get("project", self.project)
        elif kind == "checkpoint_created":
            made = Checkpoint(frame["seq"], data["checkpoint_id"], frame["time"], data["files"])
            self.checkpoints = [*self.checkpoints[1 - MAX_CHECKPOINTS :], made]
        elif kind in ("planning_complete", "plan_proposed"):
            self.plan = data["plan"]
        if task_id := frame.get("task_id"):
            self._take_task(self.tasks.setdefault(task_id, TaskState(task_id)), kind, frame, data)

    def _take_question(self, kind: str, frame: Frame) -> None:
        if kind in ASKS or kind in PAUSES:
            self.questions[question_id(frame)] = frame
        elif kind in SETTLES or kind == "task_resumed":
            self.questions.pop(question_id(frame) if kind in SETTLES else BUDGET, None)
        elif kind in ENDS:
            ended = frame.get("task_id")
            self.questions = {asked: other for asked, other in self.questions.items() if other.get("task_id") != ended}

    def _take_task(self, task: TaskState, kind: str, frame: Frame, data: Frame) -> None:
        task.status = TASK_STATUS.get(kind, task.status)
        if kind == "task_started":
            task.phases, task.started_at, task.ended_at = data["phases"], task.started_at or frame["time"], None
        elif kind == "phase_started":
            task.phase = data["phase"]
        elif kind == "progress_update":
            task.percent, task.label = max(task.percent, data["percent"]), data["label"]
            task.step = f"{data['step']}/{data['steps']}" if data.get("steps") else ""
        elif kind == "usage_updated":
            usage = data["task_usage"]
            task.tokens, task.cost_usd = usage["input_tokens"] + usage["output_tokens"], usage["cost_usd"]
        elif kind in ENDS:
            task.ended_at = frame["time"]

"""All that a phase's strategy may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vgproject.agents.approvals import ApprovalPolicy, ApprovalRules
from vgproject.agents.base import Handover, PhaseSettings, Steps, TaskInput
from vgproject.agents.control import TaskControl
from vgproject.agents.meter import Meter
from vgproject.agents.phase_clock import PhaseClock
from vgproject.agents.reporter import Reporter
from vgproject.broker.base import Broker
from vgproject.event_log import EventLog
from vgproject.llm.llm import Llm
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Phase
from vgproject.schema.events import TaskQueued
from vgproject.schema.settings import SessionSettings
from vgproject.telemetry.spans import NO_SPANS, Spans
from vgproject.tools.registry import Toolbox
from vgproject.utils.clock import Clock, utc_now
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.background import BackgroundCommands
from vgproject.workspace.workspace import Workspace

EXPERT, DELEGATE, MEMORY = "expert", "delegate", "memory"
"""Roles beside the phases, for which a model can be chosen in the same way."""
ROLES = (EXPERT, DELEGATE, MEMORY)


@dataclass(frozen=True)
class AgentServices:
    """What all tasks of the process share."""

    database: Database
    event_log: EventLog
    broker: Broker
    llm: Llm
    sandboxed: bool
    tools: Toolbox
    secrets: SecretMask = field(default_factory=SecretMask)
    approval_rules: ApprovalRules = field(default_factory=ApprovalRules)
    now: Clock = utc_now
    spans: Spans = NO_SPANS


@dataclass(frozen=True)
class ProgressSpan:
    """The part of the task's progress that is this phase's, in percent."""

    start: float
    end: float

    def at(self, share: float) -> float:
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


@dataclass
class PhaseContext:
    """What one attempt at one phase may use, beside what its strategy is called with."""

    phase: Phase
    task: TaskInput
    request: TaskQueued
    settings: SessionSettings
    phase_settings: PhaseSettings
    span: ProgressSpan
    clock: PhaseClock
    services: AgentServices
    steps: Steps
    control: TaskControl
    reporter: Reporter
    meter: Meter
    handover: Handover
    workspace: Workspace
    background: BackgroundCommands
    role_models: Mapping[str, str]
    """The models of those who work beside the phases, where they have their own."""

    def offered(self, default: list[str], *, only_read: bool = True) -> list[str]:
        """The phase's tools: those of its settings, else ``default`` and the tools of MCP servers; with ``only_read``
        those that change nothing. An expert is asked only where there is one."""
        tools = self.services.tools
        names = self.phase_settings.tools or [*default, *tools.of_servers(only_read=only_read)]
        there = [name for name in names if tools.find(name)]
        return [name for name in there if name != "ask_expert" or EXPERT in self.role_models]

    def approval_policy(self) -> ApprovalPolicy:
        return ApprovalPolicy(
            self.current_settings().approvals or "on_request",
            self.services.sandboxed,
            self.control.grants.to(self.task.task_id),
            self.services.approval_rules,
        )

    def current_settings(self) -> SessionSettings:
        """What was changed since the task was given, over its own settings, over the session's as they are now."""
        if self.control.settings is None:
            return self.settings
        own = self.control.changed.over(self.request.settings)
        return own.over(self.control.settings.settings).over(self.settings)

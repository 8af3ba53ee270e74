"""Builds all that lives as long as the server, in order, and closes it in reverse."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from vgproject import __version__
from vgproject.access.allowances import Allowances
from vgproject.access.live_access import LiveAccess, open_live_access
from vgproject.access.members import Members
from vgproject.access.open_tasks import OpenTasks
from vgproject.access.token_bucket import Rate
from vgproject.access.tokens import Tokens
from vgproject.agents.context import AgentServices
from vgproject.audit import AuditTrail, open_audit_trail
from vgproject.broker.base import Broker
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import Limits, Loaded, make_home
from vgproject.engine import Engine
from vgproject.event_log import EventLog, StoredEvent, open_event_log
from vgproject.knowledge.care import Caretaker, run_caretaker
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.recall import Recall, VectorSearch
from vgproject.knowledge.vectors import run_vectors
from vgproject.llm.base import Backend
from vgproject.llm.embeddings.choice import create_embedder
from vgproject.llm.llm import Llm
from vgproject.memory_commands import MemoryCommands
from vgproject.pipeline import Pipeline
from vgproject.repositories.unit_of_work import Database
from vgproject.session_files import SessionFiles
from vgproject.sessions import SessionService
from vgproject.telemetry.instruments import NO_INSTRUMENTS, Instruments
from vgproject.tools.mcp import create_mcp_server, run_mcp_servers
from vgproject.tools.registry import Toolbox
from vgproject.utils.clock import Clock, utc_now
from vgproject.utils.ids import new_id
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.boxes import Boxes
from vgproject.workspace.sandbox.cgroup import Groups
from vgproject.workspace.sandbox.probe import Choice, choose_sandbox
from vgproject.workspace.workspaces import Workspaces


@dataclass(frozen=True)
class Parts:
    """What running a task takes, without the engine that makes it durable."""

    secrets: SecretMask
    database: Database
    event_log: EventLog
    broker: Broker
    memory: Memory
    recall: Recall
    llm: Llm
    sandbox: Choice
    workspaces: Workspaces
    tools: Toolbox
    pipeline: Pipeline
    instruments: Instruments


@dataclass(frozen=True)
class Services(Parts):
    """All that a server has."""

    loaded: Loaded
    audit: AuditTrail
    engine: Engine
    sessions: SessionService
    memory_commands: MemoryCommands
    tokens: Tokens
    members: Members
    allowances: Allowances
    live_access: LiveAccess

    def essential_parts(self) -> Mapping[str, Callable[[], bool]]:
        """By name, whether it lives. What is dead of them comes back only with a new start."""
        return {
            "event writer": self.event_log.is_writing,
            "queue": self.engine.is_polling,
            "engine mending": self.engine.is_kept,
        }


@asynccontextmanager
async def open_parts(
    loaded: Loaded,
    *,
    backends: Mapping[str, Backend] = MappingProxyType({}),
    now: Clock = utc_now,
    instruments: Instruments = NO_INSTRUMENTS,
) -> AsyncIterator[Parts]:
    """``backends`` are models that are not a provider's.

    Raises `ConfigError` where the data directory cannot be used, or a phase cannot be done, and `UnavailableError`
    where no sandbox works.
    """
    config = loaded.config
    settings = config.pipeline_settings()
    servers = [
        create_mcp_server(name, chosen, environ=loaded.environ, directory=config.home)
        for name, chosen in config.mcp.items()
    ]
    tools = Toolbox(config.web.tools(), servers)
    settings.check(tools)
    make_home(config.home)
    async with AsyncExitStack() as stack:
        database = Database(config.database())
        stack.push_async_callback(database.close)
        await database.upgrade()
        broker = InProcessBroker(instruments.on_delta)
        secrets = SecretMask(loaded.own_secrets())
        event_log = await stack.enter_async_context(
            open_event_log(database.url, broker, settings=config.event_log, now=now, new_id=new_id, secrets=secrets)
        )
        event_log.observe_commits(instruments.on_commit)
        memory = Memory(database, broker, now=now, new_id=new_id, secrets=secrets, settings=config.memory)
        recall = Recall(memory, await _open_vectors(stack, loaded, database, memory), instruments.spans)
        llm = Llm(config.llm, loaded.provider_environment, backends=backends, spans=instruments.spans)
        sandbox = await choose_sandbox(
            config.sandbox,
            accepted=config.accept_no_isolation,
            settings=config.sandbox_limits,
            directory=config.home / "workspaces",
        )
        groups = Groups()
        stack.callback(groups.close)
        boxes = Boxes(sandbox.sandbox, config.sandbox_limits, groups)
        workspaces = Workspaces(config.home, loaded.environ, boxes, config.workspace)
        sandboxed = sandbox.sandbox.level != "none"
        await stack.enter_async_context(run_mcp_servers(servers))
        agent_services = AgentServices(
            database,
            event_log,
            broker,
            llm,
            sandboxed=sandboxed,
            tools=tools,
            secrets=secrets,
            approval_rules=config.approval_rules,
            now=now,
            spans=instruments.spans,
        )
        pipeline = Pipeline(settings, agent_services, workspaces, memory, recall)
        yield Parts(
            secrets,
            database,
            event_log,
            broker,
            memory,
            recall,
            llm,
            sandbox,
            workspaces,
            tools,
            pipeline,
            instruments,
        )


async def _open_vectors(
    stack: AsyncExitStack, loaded: Loaded, database: Database, memory: Memory
) -> VectorSearch | None:
    """Raises `ConfigError` for embeddings that cannot be had."""
    config = loaded.config
    embedder = create_embedder(config.memory.embeddings, loaded.provider_environment, config.llm)
    if embedder is None:
        return None
    return await stack.enter_async_context(run_vectors(database, embedder, memory))


def _create_allowances(limits: Limits) -> Allowances:
    return Allowances(
        commands=Rate(limits.commands_per_second, limits.command_burst),
        handshakes=Rate(limits.handshakes_per_second, limits.handshake_burst),
        sessions=Rate(limits.sessions_per_hour / 3600, limits.sessions_per_hour),
    )


@asynccontextmanager
async def open_services(
    loaded: Loaded,
    *,
    observe: Callable[[StoredEvent], None] = lambda event: None,
    instruments: Instruments = NO_INSTRUMENTS,
) -> AsyncIterator[Services]:
    """``observe`` is called for every event that is stored. Raises what `open_parts` raises."""
    config = loaded.config
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(loaded, instruments=instruments))
        parts.event_log.observe(observe)
        audit = await stack.enter_async_context(
            open_audit_trail(
                parts.database,
                server=new_id("srv"),
                now=utc_now,
                secrets=parts.secrets,
                started={"version": __version__, "configuration": config.digest()},
            )
        )
        engine = Engine(config.engine_database(), config.engine, parts.pipeline.run_task, secrets=parts.secrets)
        files = SessionFiles(parts.event_log, parts.workspaces)
        caretaker = Caretaker(parts.memory, config.memory.care, new_id=new_id)
        memory_commands = MemoryCommands(parts.memory, parts.recall, caretaker, project=config.project, now=utc_now)
        members = Members(parts.database)
        allowances = _create_allowances(config.limits)
        sessions = SessionService(
            database=parts.database,
            members=members,
            allowances=allowances,
            open_tasks=OpenTasks(parts.database, config.limits.running_tasks_per_user),
            audit=audit,
            event_log=parts.event_log,
            memory=memory_commands,
            llm=parts.llm,
            files=files,
            engine=engine,
            tools=parts.tools,
            settings=config.pipeline_settings(),
            project=config.project,
            sandbox=parts.sandbox.text,
            secrets=parts.secrets,
            now=utc_now,
            new_id=new_id,
            spans=instruments.spans,
        )
        tokens = Tokens(parts.database, now=utc_now, new_id=new_id)
        live_access = await stack.enter_async_context(open_live_access(tokens, now=utc_now))
        await engine.launch()
        stack.push_async_callback(engine.close)
        await files.finish_interrupted()
        await sessions.submit_open_tasks()
        await stack.enter_async_context(run_caretaker(caretaker, parts.memory, config.memory.care, utc_now))
        yield Services(
            **vars(parts),
            loaded=loaded,
            audit=audit,
            engine=engine,
            sessions=sessions,
            memory_commands=memory_commands,
            tokens=tokens,
            members=members,
            allowances=allowances,
            live_access=live_access,
        )

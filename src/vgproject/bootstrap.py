"""Builds all that lives as long as the server, in order, and closes it in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from vgproject.agents.context import AgentServices
from vgproject.broker.base import Broker
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import Loaded, make_home
from vgproject.engine import Engine
from vgproject.event_log import EventLog, StoredEvent, open_event_log
from vgproject.llm.llm import Llm
from vgproject.memory import Memory
from vgproject.pipeline import Pipeline
from vgproject.repositories.unit_of_work import Database
from vgproject.sessions import SessionService
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id
from vgproject.workspace.workspace import Workspaces


@dataclass(frozen=True)
class Services:
    loaded: Loaded
    database: Database
    event_log: EventLog
    broker: Broker
    memory: Memory
    llm: Llm
    workspaces: Workspaces
    engine: Engine
    sessions: SessionService


@asynccontextmanager
async def open_services(
    loaded: Loaded, *, observe: Callable[[StoredEvent], None] = lambda event: None
) -> AsyncIterator[Services]:
    """``observe`` is called for every event that is stored. Raises `ConfigError` where the data directory cannot be used."""
    config = loaded.config
    make_home(config.home)
    settings = config.pipeline_settings()
    async with AsyncExitStack() as stack:
        database = Database(config.database())
        stack.push_async_callback(database.close)
        await database.upgrade()
        broker = InProcessBroker()
        event_log = await stack.enter_async_context(
            open_event_log(database.url, broker, settings=config.event_log, now=utc_now, new_id=new_id)
        )
        event_log.observe(observe)
        memory = Memory(database, now=utc_now, new_id=new_id)
        llm = Llm(config.llm, loaded.provider_environment)
        workspaces = Workspaces(config.home, loaded.environ)
        agent_services = AgentServices(database, event_log, broker, llm, sandboxed=False)
        pipeline = Pipeline(settings, agent_services, workspaces, memory)
        engine = Engine(config.engine_database(), config.engine, pipeline.run_task)
        sessions = SessionService(
            database=database,
            event_log=event_log,
            memory=memory,
            llm=llm,
            workspaces=workspaces,
            engine=engine,
            settings=settings,
            project=config.project,
            now=utc_now,
            new_id=new_id,
        )
        await engine.launch()
        stack.push_async_callback(engine.close)
        await sessions.submit_open_tasks()
        yield Services(loaded, database, event_log, broker, memory, llm, workspaces, engine, sessions)

"""Durable execution: tasks wait in a queue, run as workflows of recorded steps, and go on after a crash.

DBOS keeps the workflows in a SQLite file of their own, or in the schema ``dbos`` of a PostgreSQL database. Only this
module and `engine_queue` know it.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, Queue, Serializer, SetEnqueueOptions, SetWorkflowID, _serialization
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from vgproject.agents.base import Action, Json, Steps, TaskInput
from vgproject.engine_queue import QueuePoller
from vgproject.errors import StorageError, UnavailableError, VgprojectError
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.failures import is_outage, unavailable
from vgproject.repositories.writability import SECONDS, check_writable
from vgproject.utils.clock import utc_now
from vgproject.utils.secrets import SecretMask

logger = logging.getLogger(__name__)

APPLICATION_VERSION = "2"
"""A change of the order of steps is a new version. Left to DBOS, any change of the source would be one, and waiting
tasks would wait for ever."""

APPLICATION = "vgproject"
QUEUE = "tasks"


class EngineSettings(BaseModel):
    """``[engine]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    running_tasks: int = Field(default=20, ge=1)
    """Tasks that run at once in this process; one session runs one at a time."""
    polling_seconds: float = Field(default=2, gt=0)
    """How often the queue is looked at for tasks of other processes; its own are taken at once."""
    mend_seconds: float = Field(default=5, gt=0)
    """How long after a failure of the database tasks are tried again, until they go on."""
    keep_days: float = Field(default=7, gt=0)
    """How long the recorded steps of ended tasks are kept. The transcript in the database is not touched."""


class JsonSerializer(Serializer):
    """DBOS pickles by default: who can write the database could run code."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_as_json)

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805  (named so by DBOS)
        return json.loads(serialized_data)

    def name(self) -> str:
        return "json"


def _as_json(value: object) -> Json:
    if isinstance(value, StorageError) or (isinstance(value, Exception) and is_outage(value)):
        # Recorded as the end of a step, which may just fit where its result did not, it would end the task, too.
        raise value
    return {"error": repr(value)}


class _NoPickle(JsonSerializer):
    """Takes the place of the library's pickle, which it uses for every row that says to be one."""

    def name(self) -> str:
        return "py_pickle"

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805
        raise TypeError("A pickle in the engine's database is not loaded: it could run code.")


class Engine:
    """``run_task`` is what a workflow does; it may be run again from its start, with finished steps answering."""

    def __init__(
        self,
        url: DatabaseUrl,
        settings: EngineSettings,
        run_task: Callable[[TaskInput, Steps], Awaitable[None]],
        *,
        secrets: SecretMask | None = None,
    ) -> None:
        self._secrets = secrets or SecretMask()
        self._url = url
        self._settings = settings
        self._run_task = run_task
        self._running: dict[str, asyncio.Task[None]] = {}
        self._unqueued: dict[str, TaskInput] = {}
        self._left: set[str] = set()
        self._to_mend = asyncio.Event()
        self._idle = asyncio.Event()
        self._draining = asyncio.Event()
        self._in_steps = 0
        self._keepers: list[asyncio.Task[None]] = []
        self._poller = QueuePoller()

        async def execute(session_id: str, task_id: str, attempt: int, from_phase: str | None) -> None:
            await self._execute(TaskInput(session_id, task_id, attempt, from_phase))

        self._workflow = DBOS.workflow(name="task", max_recovery_attempts=None)(execute)

    async def launch(self) -> None:
        """Begin to run tasks, with those that an earlier process left unfinished. Raises `StorageError`."""
        _serialization.DBOSDefaultSerializer = _NoPickle()
        dbos = DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": self._url.for_driver,
                "system_database_engine": _sqlite_engine(self._url) if self._url.path else None,
                "run_migrations": False,
                "application_version": APPLICATION_VERSION,
                "executor_id": "local",
                "serializer": JsonSerializer(),
                "log_level": "ERROR",
                "scheduler_polling_interval_sec": 3600.0,
                # Of messages between workflows, which there are none of; its end waits for as long.
                "notification_listener_polling_interval_sec": 0.05,
            }
        )
        with _outages_told():
            queue = await asyncio.to_thread(_keep_queue, self._url, self._settings)
            DBOS.listen_queues([])
            DBOS.launch()
        self._poller.start(dbos, queue)
        self._keepers = [
            asyncio.create_task(self._forget_daily(), name="engine retention"),
            asyncio.create_task(self._mend_always(), name="engine mending"),
        ]

    async def forget_ended(self, before: datetime) -> int:
        """Delete the recorded steps of tasks that ended before ``before``; how many tasks."""
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([workflow.workflow_id for workflow in ended])
        return len(ended)

    async def _forget_daily(self) -> None:
        while True:
            try:
                await self.forget_ended(utc_now() - timedelta(days=self._settings.keep_days))
            except sa.exc.SQLAlchemyError:
                logger.exception("The steps of ended tasks were not deleted; it is tried again in a day")
            await asyncio.sleep(timedelta(days=1).total_seconds())

    def expect_open(self) -> None:
        """Raises `UnavailableError` (``draining``) where no new task is taken."""
        if self._draining.is_set():
            raise UnavailableError("The server is stopping and takes no new tasks.", code="draining")

    async def submit(self, task: TaskInput) -> None:
        """Queue ``task`` behind the others of its session. Submitted twice it is queued once.

        While the server drains it is left for the next start, which submits what the log has open. Where the queue
        takes nothing now, it is queued once it does.
        """
        if self._draining.is_set():
            return
        try:
            await self._enqueue(task)
        except StorageError as error:
            logger.warning("Task %s is queued as soon as the queue takes it: %s", task.task_id, error)
            self._unqueued[task.key] = task
            self._to_mend.set()

    async def _enqueue(self, task: TaskInput) -> None:
        with _outages_told(), SetWorkflowID(task.key), SetEnqueueOptions(queue_partition_key=task.session_id):
            await DBOS.enqueue_workflow_async(
                QUEUE, self._workflow, task.session_id, task.task_id, task.attempt, task.from_phase
            )
        self._poller.look()

    async def cancel_queued(self, task: TaskInput) -> None:
        """Take a task that has not begun, and whose end is in the log, out of the queue."""
        if self._unqueued.pop(task.key, None):
            return
        try:
            with _outages_told():
                await DBOS.cancel_workflow_async(task.key)
        except StorageError as error:
            logger.warning("Task %s stays in the queue until it is found to have ended: %s", task.task_id, error)

    async def drain(self, grace_seconds: float) -> None:
        """Begin no step more, wait for those that run, then let go of the tasks: they go on after the next start."""
        self._draining.set()
        if self._in_steps:
            self._idle.clear()
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
            except TimeoutError:
                pass
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def check(self, seconds: float = SECONDS) -> None:
        """Raises `UnavailableError` where the queue takes nothing or cannot be read within so long."""
        await asyncio.to_thread(check_writable, self._url, seconds)
        try:
            with _outages_told():
                async with asyncio.timeout(seconds):
                    await DBOS.list_queued_workflows_async(limit=1)
        except TimeoutError as error:
            sentence = f"The queue does not answer within {seconds:g} seconds."
            raise UnavailableError(sentence, code="queue_unavailable") from error

    def is_polling(self) -> bool:
        return self._poller.is_polling()

    def is_kept(self) -> bool:
        """False once what mends and tidies the queue has ended."""
        return not any(keeper.done() for keeper in self._keepers)

    async def close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self.drain(0)
        await asyncio.to_thread(self._poller.stop)
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        # DBOS leaves its own executor, now shut, as the loop's.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    async def _execute(self, task: TaskInput) -> None:
        if workflow := asyncio.current_task():
            # Once its end is recorded, the next of its session can begin.
            workflow.add_done_callback(lambda _: self._poller.look())
        running = asyncio.ensure_future(self._run_task(task, DurableSteps(self)))
        self._running[task.key] = running
        try:
            await running
        except StorageError as error:
            logger.warning("Task %s goes on once the database works again: %s", task.task_id, error)
            # What ends by being cancelled is not recorded as ended.
            raise asyncio.CancelledError from error
        finally:
            del self._running[task.key]
            # Whether its end is recorded is known only later: a disk may be full for that, too.
            self._left.add(task.key)
            self._to_mend.set()

    async def _mend_always(self) -> None:
        """Queue again what a failing database kept from being queued, from going on, or from being recorded as ended.

        The last would else keep its session's next tasks waiting; run again, it finds its end in the log.
        """
        while True:
            await self._to_mend.wait()
            await asyncio.sleep(self._settings.mend_seconds)
            if self._draining.is_set():
                return
            self._to_mend.clear()
            try:
                await self._mend()
            except StorageError:
                self._to_mend.set()
            except Exception:
                logger.exception("Tasks that wait for the database cannot be queued; it is tried again")
                self._to_mend.set()

    async def _mend(self) -> None:
        # Asked first: DBOS itself waits for a lost connection, up to a minute at a time.
        await asyncio.to_thread(check_writable, self._url)
        for task in tuple(self._unqueued.values()):
            await self._enqueue(task)
            self._unqueued.pop(task.key, None)
        if left := self._left - self._running.keys():
            await self._resume_pending(left)
            self._left -= left

    async def _resume_pending(self, keys: set[str]) -> None:
        with _outages_told():
            pending = await DBOS.list_workflows_async(
                workflow_ids=sorted(keys), status="PENDING", load_input=False, load_output=False
            )
            for workflow in pending:
                await DBOS.resume_workflow_async(workflow.workflow_id, queue_name=QUEUE)
        self._poller.look()

    async def run_step(self, action: Action) -> Json:
        """What a step returns or how it failed, both as JSON without secrets, because it is stored.

        That nothing can be stored now is neither.
        """
        try:
            return {"value": self._secrets.mask_json(await action())}
        except StorageError:
            raise
        except VgprojectError as error:
            message = self._secrets.mask(error.message)
            return {"error": {"code": error.code, "message": message, "retryable": error.retryable}}

    @asynccontextmanager
    async def counted_step(self) -> AsyncIterator[None]:
        """A step runs until its result is recorded; `drain` waits for that, else it would be made again."""
        await self._wait_while_draining()
        self._in_steps += 1
        try:
            yield
        finally:
            self._in_steps -= 1
            if not self._in_steps:
                self._idle.set()

    async def _wait_while_draining(self) -> None:
        """A step that would begin while the process stops waits for the end of the process instead."""
        if self._draining.is_set():
            await asyncio.Event().wait()


class DurableSteps:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, name: str, action: Action) -> Json:
        return await self.reserve(name)(action)

    def reserve(self, name: str) -> Callable[[Action], Awaitable[Json]]:
        reservation = DBOS.reserve_step()

        async def run(action: Action) -> Json:
            async with self._engine.counted_step():
                with _outages_told():
                    recorded = await reservation.run_async({"name": name}, self._engine.run_step, action)
            return _value(recorded)

        return run


@contextmanager
def _outages_told() -> Iterator[None]:
    """A failure of the engine's database is one of ours."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        if not is_outage(error):
            raise
        raise unavailable(error) from error


def _keep_queue(url: DatabaseUrl, settings: EngineSettings) -> Queue:
    """An older program that starts beside a newer one leaves the queue's limits as they are."""
    DBOS.migrate(url.for_driver)
    client = DBOSClient(
        system_database_url=url.for_driver, application_name=APPLICATION, lazy=True, retry_connection_errors=False
    )
    try:
        newest_first = [version["version_name"] for version in client.list_application_versions()]
        return client.register_queue(
            QUEUE,
            partition_concurrency=1,
            worker_concurrency=settings.running_tasks,
            polling_interval_sec=settings.polling_seconds,
            on_conflict="never_update" if APPLICATION_VERSION in newest_first[1:] else "always_update",
        )
    finally:
        client.destroy()


def _value(recorded: Json) -> Json:
    if error := recorded.get("error"):
        raise VgprojectError(error["message"], code=error["code"], retryable=error["retryable"])
    return recorded["value"]


def _sqlite_engine(url: DatabaseUrl) -> sa.Engine:
    engine = sa.create_engine(url.url)
    sa.event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = "IMMEDIATE"
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

"""The audit trail: who did what, when, from where, and what came of it; written in order, each record chained to the last.

What changes something is written down before it is done, and its outcome after that: so a crash loses neither.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from vgproject.access.permissions import Caller
from vgproject.errors import ForbiddenError, NotFoundError, StorageError, UnauthenticatedError, VgprojectError
from vgproject.repositories.audit_store import AuditStore, open_audit_store
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.audit import AuditPage, Outcome
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.secrets import SecretMask
from vgproject.utils.text import shorten, without_controls

logger = logging.getLogger(__name__)

MOST_HELD = 10_000
"""Records that nobody waits for, while the database stores none. More are given up, and the log says so."""
NOTE_SECONDS = 0.1
"""What nobody waits for is stored with what somebody does, or after this time: half as many commits."""
MOST_CHARACTERS = 500
IDS = (
    *("session_id", "task_id", "message_id", "approval_id", "question_id", "recovery_id"),
    *("memory_id", "conflict_id", "clean_up_id", "token_id", "comment_id", "step_id"),
)
DECISIONS = (
    *("decision", "settlement", "user", "role", "to_seq", "phase", "version", "to_version"),
    *("delivery", "scope", "approvals", "plan_gate", "force"),
)
ABOUT = frozenset({*IDS, *DECISIONS})
"""What is kept of a command or answer: ids and decisions. Text that people write may be or hold anything."""


Waiting = tuple[dict[str, Any], asyncio.Future[int] | None]
"""A record's fields, and who waits for its number."""


@dataclass(frozen=True)
class Entry:
    """A record before it has its place. The fields are those of `AuditRecord`."""

    action: str
    outcome: Outcome = "ok"
    begun: int | None = None
    code: str | None = None
    user: str = ""
    role: str | None = None
    token_id: str | None = None
    client: str = ""
    address: str = ""
    session_id: str | None = None
    command_id: str | None = None
    digest: str | None = None
    count: int = 1
    about: Mapping[str, str | int] = field(default_factory=dict)


def entry_by(caller: Caller, action: str, **fields: Any) -> Entry:
    who = {name: getattr(caller, name) for name in ("role", "token_id", "client", "address")}
    return Entry(action, user=caller.user_id, **{**who, **fields})


def about(fields: Mapping[str, Any]) -> dict[str, str | int]:
    """Of ``fields`` those that are kept, also of settings in them."""
    fields = {**(fields.get("settings") or {}), **fields} if isinstance(fields.get("settings"), dict) else fields
    return {name: value for name, value in fields.items() if name in ABOUT and isinstance(value, str | int)}


class AuditTrail:
    """One for each process; of several on one database the records go into one chain."""

    def __init__(self, database: Database, store: AuditStore, server: str, *, now: Clock, secrets: SecretMask) -> None:
        """``server`` is the process's own id. To be closed in the end."""
        self._database = database
        self._store = store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="audit-writer")
        self._timer: asyncio.TimerHandle | None = None
        self._server = server
        self._now = now
        self._secrets = secrets
        self._pending: list[Waiting] = []
        self._committing: asyncio.Task[None] | None = None

    async def store(self, entry: Entry) -> int:
        """The record's number, once it is stored. Raises `StorageError`."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._add(entry, future)
        return await future

    def note(self, entry: Entry) -> None:
        """Store it with the next group, or soon; nobody waits for it."""
        self._add(entry, None)

    @asynccontextmanager
    async def acting(
        self, entry: Entry, *, code_of: Callable[[Exception], str] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Store that it is begun before it is, and how it ended. What is put into the dict is kept with the end.

        ``code_of`` has the codes of errors that are none of ours. Raises `StorageError` where nothing can be stored: then
        nothing is done.
        """
        begun = await self.store(replace(entry, outcome="begun"))
        made: dict[str, Any] = {}
        end = replace(entry, outcome="interrupted", begun=begun)
        try:
            yield made
            end = replace(end, outcome="ok")
        except VgprojectError as error:
            end = replace(end, outcome=_outcome_of(error), code=error.code)
            raise
        except Exception as error:
            end = replace(end, outcome="failed", code=code_of(error) if code_of else VgprojectError.code)
            raise
        finally:
            kept = {**entry.about, **about(made)}
            session_id = entry.session_id or made.get("session_id")
            self.note(replace(end, session_id=session_id, about=kept))

    @asynccontextmanager
    async def admitting(self, entry: Entry) -> AsyncIterator[None]:
        """Store it where the caller is refused. A session of others looks as if it were not there."""
        try:
            yield
        except (ForbiddenError, NotFoundError) as error:
            await self.store(replace(entry, outcome="refused", code=error.code))
            raise

    def _add(self, entry: Entry, future: asyncio.Future[int] | None) -> None:
        known = ("session_id", entry.session_id)
        told = dict(item for item in entry.about.items() if item != known)
        fields = {**asdict(entry), "about": told, "time": to_wire(self._now()), "server": self._server}
        self._pending.append((self._clean(fields), future))
        if future is not None:
            self._begin_commit()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(NOTE_SECONDS, self._begin_commit)

    def _begin_commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._committing is None and self._pending:
            self._committing = asyncio.create_task(self._commit_pending(), name="audit commit")

    def _clean(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Of what clients say nothing is kept that is long, secret, or not text."""
        cleaned = {name: _clean(value) for name, value in fields.items()}
        if self._secrets.may_hold("\n".join(str(value) for value in cleaned.values())):
            masked: dict[str, Any] = self._secrets.mask_json(cleaned)
            return masked
        return cleaned

    async def _commit_pending(self) -> None:
        """Group commit: the next group is whatever came while the last was being committed."""
        try:
            while self._pending:
                waiting, self._pending = self._pending, []
                if not await self._commit(waiting):
                    return
        finally:
            self._committing = None

    async def _commit(self, waiting: list[Waiting]) -> bool:
        """Whether the database stores. A record that cannot be stored by a mistake of ours keeps no other from it."""
        try:
            entries = [fields for fields, _ in waiting]
            numbers = await asyncio.get_running_loop().run_in_executor(self._writer, self._store.append, entries)
        except StorageError as error:
            self._hold(waiting, error)
            return False
        except Exception as error:
            if len(waiting) > 1:
                return all([await self._commit([one]) for one in waiting])
            logger.exception("A record of %s cannot be stored in the audit trail", waiting[0][0]["action"])
            _refuse(waiting, VgprojectError(f"The server has a bug ({type(error).__name__}); its log has the details."))
            return True
        for number, (_, future) in zip(numbers, waiting, strict=True):
            if future is not None and not future.done():
                future.set_result(number)
        return True

    def _hold(self, waiting: list[Waiting], error: StorageError) -> None:
        """What nobody waits for is tried again before the next record; who waits is told."""
        _refuse([*waiting, *self._pending], error)
        held: list[Waiting] = [one for one in (*waiting, *self._pending) if one[1] is None]
        if lost := held[MOST_HELD:]:
            logger.error("%d records of the audit trail are given up: %s", len(lost), error.message)
        self._pending = held[:MOST_HELD]

    async def read(self, *, after: int, since: datetime | None, limit: int) -> AuditPage:
        """The records after ``after``, and of no earlier time than the first one of ``since`` or later."""
        async with self._database.unit_of_work() as work:
            if since is not None:
                after = max(after, await work.audit.seq_before(to_wire(since)))
            return await work.audit.read(after=after, limit=limit)

    async def close(self) -> None:
        """Store what waits, where the database stores anything."""
        self._begin_commit()
        if self._committing is not None:
            await self._committing
        if self._pending:
            logger.error("%d records of the audit trail are not stored", len(self._pending))
        await asyncio.get_running_loop().run_in_executor(self._writer, self._store.close)
        self._writer.shutdown()


@asynccontextmanager
async def open_audit_trail(
    database: Database, *, server: str, now: Clock, secrets: SecretMask, started: Mapping[str, str | int]
) -> AsyncIterator[AuditTrail]:
    """``started`` is told of the process; its end is written down too, unless it is killed."""
    trail = AuditTrail(database, open_audit_store(database.url), server, now=now, secrets=secrets)
    trail.note(Entry("server_started", about=started))
    try:
        yield trail
    finally:
        trail.note(Entry("server_stopped"))
        await trail.close()


def _outcome_of(error: VgprojectError) -> Outcome:
    return "refused" if isinstance(error, ForbiddenError | UnauthenticatedError) else "failed"


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return shorten(without_controls(value.encode(errors="replace").decode()), MOST_CHARACTERS)
    if isinstance(value, Mapping):
        return {name: _clean(part) for name, part in value.items()}
    return int(value) if isinstance(value, bool) else value


def _refuse(waiting: list[Waiting], error: VgprojectError) -> None:
    for _, future in waiting:
        if future is not None and not future.done():
            future.set_exception(error)

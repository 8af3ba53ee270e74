"""The audit trail, on a real database of either kind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vgproject.access.permissions import Caller
from vgproject.audit import MOST_CHARACTERS, AuditTrail, Entry, entry_by
from vgproject.errors import ConflictError, ForbiddenError, StorageError
from vgproject.repositories.audit_store import AuditStore, open_audit_store
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.audit import AuditRecord
from vgproject.utils.clock import utc_now
from vgproject.utils.hash_chain import ChainCheck
from vgproject.utils.secrets import SecretMask

ADA = Caller("ada", "editor", client="her page", token_id="tok_1", address="10.0.0.1")


class Outage(AuditStore):
    """A store that is away while ``is_away``."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self.is_away = False

    def append(self, entries: Sequence[Any]) -> list[int]:
        if self.is_away:
            raise StorageError("The database does not answer.")
        return self._store.append(entries)

    def close(self) -> None:
        self._store.close()


@asynccontextmanager
async def open_trail(
    url: DatabaseUrl, server: str = "srv_1", store: AuditStore | None = None
) -> AsyncIterator[AuditTrail]:
    database = Database(url)
    await database.upgrade()
    secrets = SecretMask({"token": "a-token-for-tests"})
    trail = AuditTrail(database, store or open_audit_store(url), server, now=utc_now, secrets=secrets)
    try:
        yield trail
    finally:
        await trail.close()
        await database.close()


async def records_of(url: DatabaseUrl) -> list[AuditRecord]:
    """All, of which the chain is right."""
    async with open_trail(url) as trail:
        page = await trail.read(after=0, since=None, limit=10_000)
    chain = ChainCheck("audit_seq", known={page.head_seq: page.head_hash} if page.head_seq else {})
    for record in page.records:
        chain.take(record.model_dump())
    chain.finish()
    assert chain.last == page.head_seq
    return page.records


async def test_what_is_done_is_stored_before_and_its_outcome_after(database_url: DatabaseUrl) -> None:
    entry = entry_by(ADA, "resolve_approval", session_id="ses_1", command_id="c1", about={"decision": "deny"})
    async with open_trail(database_url) as trail:
        async with trail.acting(entry) as made:
            [begun] = (await trail.read(after=0, since=None, limit=10)).records
            made |= {"task_id": "tsk_1", "text": "what nobody is to read here"}
        for error in (ConflictError("no", code="already_resolved"), ForbiddenError("no"), ValueError("no")):
            with pytest.raises(type(error)):
                async with trail.acting(entry):
                    raise error
        with pytest.raises(ForbiddenError):
            async with trail.admitting(entry):
                raise ForbiddenError("no")
    who = {"user": "ada", "role": "editor", "client": "her page", "token_id": "tok_1", "address": "10.0.0.1"}
    where = {"server": "srv_1", "session_id": "ses_1", "command_id": "c1", "action": "resolve_approval"}
    assert {**begun.model_dump(), **who, **where} == begun.model_dump()
    records = await records_of(database_url)
    assert [(record.outcome, record.begun, record.code) for record in records] == [
        ("begun", None, None),
        ("ok", 1, None),
        ("begun", None, None),
        ("failed", 3, "already_resolved"),
        ("begun", None, None),
        ("refused", 5, "forbidden"),
        ("begun", None, None),
        ("failed", 7, "internal_error"),
        ("refused", None, "forbidden"),
    ]
    assert records[1].about == {"decision": "deny", "task_id": "tsk_1"}


async def test_the_records_of_several_processes_are_one_chain(database_url: DatabaseUrl) -> None:
    async with open_trail(database_url, "srv_1") as first, open_trail(database_url, "srv_2") as second:
        trails = [first, second] * 20
        numbers = await asyncio.gather(*(trail.store(Entry(f"number {i}")) for i, trail in enumerate(trails)))
    records = await records_of(database_url)
    assert sorted(numbers) == list(range(1, 41))
    assert [records[number - 1].action for number in numbers] == [f"number {i}" for i in range(40)]
    assert {record.server for record in records} == {"srv_1", "srv_2"}


async def test_where_nothing_can_be_stored_nothing_is_done_and_what_was_noted_comes_later(
    database_url: DatabaseUrl,
) -> None:
    store = Outage(open_audit_store(database_url))
    async with open_trail(database_url, store=store) as trail:
        async with trail.acting(Entry("first")):
            store.is_away = True
        with pytest.raises(StorageError):
            async with trail.acting(Entry("second")):
                raise AssertionError
        store.is_away = False
        await trail.store(Entry("third"))
    found = [(record.action, record.outcome, record.begun) for record in await records_of(database_url)]
    assert found == [("first", "begun", None), ("first", "ok", 1), ("third", "ok", None)]


async def test_what_clients_say_is_kept_short_plain_and_without_secrets(database_url: DatabaseUrl) -> None:
    said = "a\0b\x1b[31m \ud800 a-token-for-tests " + "x" * 10_000
    async with open_trail(database_url) as trail:
        await trail.store(Entry("task", client=said, command_id=said, about={"phase": said}))
    [record] = await records_of(database_url)
    for kept in (record.client, record.command_id or "", str(record.about["phase"])):
        assert (kept[:8], "token-for" in kept) == ("ab[31m ?", False)
        assert len(kept) <= MOST_CHARACTERS + 50


async def test_a_record_that_cannot_be_stored_keeps_no_other_from_it(
    database_url: DatabaseUrl, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_trail(database_url) as trail:
        good = asyncio.create_task(trail.store(Entry("good")))
        bad = asyncio.create_task(trail.store(Entry("bad", about={"to_seq": object()})))  # type: ignore[dict-item]
        done = await asyncio.gather(good, bad, return_exceptions=True)
    assert (done[0], str(done[1])) == (1, "The server has a bug (TypeError); its log has the details.")
    assert [record.action for record in await records_of(database_url)] == ["good"]


async def test_reading_begins_with_the_first_record_of_a_time(tmp_path: Any) -> None:
    url = sqlite_file(tmp_path / "vgproject.db")
    async with open_trail(url) as trail:
        await trail.store(Entry("early"))
        await asyncio.to_thread(_wait_for_the_next_millisecond)
        moment = utc_now()
        await trail.store(Entry("late"))
        page = await trail.read(after=0, since=moment, limit=10)
        assert ([record.action for record in page.records], page.head_seq) == (["late"], 2)
        assert (await trail.read(after=0, since=utc_now(), limit=10)).records == []


def _wait_for_the_next_millisecond() -> None:
    before = utc_now()
    while utc_now().microsecond // 1000 == before.microsecond // 1000:
        pass

"""Whatever order tasks and people change a memory in, at once and from two processes: nothing is lost, nothing is half."""

import asyncio
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import ConflictError, NotFoundError
from vgproject.knowledge.memory import Edit, Memory
from vgproject.knowledge.namespaces import Namespace, of_project
from vgproject.knowledge.notes import Note, digest_of
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryChange, MemoryOrigin, Place
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

ANN = Actor(kind="user", id="ann")
AGENT = Actor(kind="agent", id="research")

SUBJECTS = ("The server listens on port", "The tests of the parser run with", "Dates are stored as")
NOTES = [
    *(Note(content=f"{subject} {value}.") for subject in SUBJECTS for value in ("8080", "9090", "text_v1")),
    Note(content="The  server LISTENS on port 8080."),
    Note(content="The server does not listen on port 8080."),
    Note(kind="related_file", content="app/server.py"),
    *(
        Note(kind="key_snippet", content=f"port = {port}", place=Place(path="app/server.py", start_line=port % 3 + 1))
        for port in (80, 81, 82)
    ),
]

merges = st.tuples(st.just("merge"), st.lists(st.sampled_from(NOTES), min_size=1, max_size=5))
by_hand = st.tuples(st.sampled_from(["edit", "forget", "restore", "settle"]), st.integers(0, 20))
writers = st.lists(st.lists(st.one_of(merges, merges, by_hand), min_size=1, max_size=4), min_size=2, max_size=4)


@given(writers=writers)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_in_any_order(database_url: DatabaseUrl, writers: list[list[Any]]) -> None:
    asyncio.run(check(database_url, writers))


async def check(url: DatabaseUrl, writers: list[list[Any]]) -> None:
    namespace = of_project(new_id("project"))
    databases = [Database(url), Database(url)]
    await databases[0].upgrade()
    memories = [Memory(database, InProcessBroker(), now=utc_now, new_id=new_id) for database in databases]
    try:
        await asyncio.gather(
            *(write(memories[number % 2], namespace, number, steps) for number, steps in enumerate(writers))
        )
        await check_whole(memories[0], namespace, writers)
    finally:
        for database in databases:
            await database.close()


async def write(memory: Memory, namespace: Namespace, number: int, steps: list[Any]) -> None:
    origin = MemoryOrigin(session_id=f"ses {number}", actor="research")
    for step, (action, what) in enumerate(steps):
        if action == "merge":
            await memory.merge({namespace: what}, origin, actor=AGENT, scope=f"{namespace.owner} {number} {step}")
        else:
            await change(memory, namespace, action, what)


async def change(memory: Memory, namespace: Namespace, action: str, choice: int) -> None:
    """Somebody else may have been first: that is an answer, too."""
    entries = await memory.list_entries(namespace, statuses=("active", "forgotten", "superseded"))
    conflicts = await memory.conflicts(namespace)
    if not entries:
        return
    entry = entries[choice % len(entries)]
    try:
        match action:
            case "edit":
                edit = Edit(content=f"Edited {choice}: {entry.content[:200]}")
                await memory.update(entry.memory_id, edit, actor=ANN, version=entry.version)
            case "forget":
                await memory.forget(entry.memory_id, actor=ANN)
            case "restore":
                await memory.restore(entry.memory_id, actor=ANN)
            case "settle" if conflicts:
                conflict = conflicts[choice % len(conflicts)]
                decision = ("keep_first", "keep_second", "keep_both")[choice % 3]
                await memory.settle(conflict.conflict_id, decision, actor=ANN)  # type: ignore[arg-type]  # One of three.
    except (ConflictError, NotFoundError):
        pass


async def check_whole(memory: Memory, namespace: Namespace, writers: list[list[Any]]) -> None:
    changes = await memory.changes_after(namespace, 0, limit=10_000)
    head = await memory.head(namespace)
    assert [change.memory_seq for change in changes] == list(range(1, head.memory_seq + 1))

    versions: dict[str, list[MemoryChange]] = defaultdict(list)
    for told in changes:
        versions[told.entry.memory_id].append(told)
    entries = await memory.list_entries(namespace, statuses=("active", "forgotten", "superseded"))
    assert {entry.memory_id for entry in entries} == set(versions)
    for entry in entries:
        history = versions[entry.memory_id]
        assert [told.entry.version for told in history] == list(range(1, entry.version + 1))
        assert history[-1].entry == entry

    said = {digest_of(told.entry.kind, told.entry.content) for told in changes}
    for number, steps in enumerate(writers):
        for note in {note for action, what in steps if action == "merge" for note in what}:
            assert note.digest in said, f"{note.content!r} of writer {number} is nowhere"
            assert any(origin.session_id == f"ses {number}" for entry in entries for origin in entry.origins), (
                f"nobody knows that writer {number} said anything"
            )

    active = {entry.memory_id: entry for entry in entries if entry.status == "active"}
    opened = {
        frozenset((conflict.first.memory_id, conflict.second.memory_id))
        for conflict in await memory.conflicts(namespace)
    }
    told_of = {frozenset((entry.memory_id, other)) for entry in entries for other in entry.conflicts_with}
    assert opened == told_of
    assert all(pair <= set(active) for pair in opened), "an open conflict is between entries that are known"
    digests = [digest_of(entry.kind, entry.content) for entry in active.values() if entry.version == 1]
    assert len(digests) == len(set(digests)), "the same is known twice"

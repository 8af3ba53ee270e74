"""Logs of every released version: each must load, and be stored again as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.event_log import NewEvent, StoredEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.events import EVENT_TYPES, TaskCompleted, UnknownEvent
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

LOGS = sorted((Path(__file__).parent.parent / "data" / "event_logs").glob("*/*.jsonl"))


def load(path: Path) -> list[StoredEvent]:
    return [stored(json.loads(line)) for line in path.read_text().splitlines()]


def stored(frame: dict[str, Any]) -> StoredEvent:
    return StoredEvent(frame["session_id"], frame["seq"], frame["type"], json.dumps(frame).encode())


def test_there_are_logs_of_a_job_of_failures_and_of_retries() -> None:
    types = {event.type for path in LOGS for event in load(path)}
    assert {"workspace_applied", "approval_resolved", "task_retried", "model_fell_back", "budget_warning"} <= types


def holds(new: Any, old: Any) -> bool:
    """Whether all of ``old`` is in ``new``, which may have fields of later releases."""
    match old:
        case dict():
            return all(key in new and holds(new[key], value) for key, value in old.items())
        case list():
            return len(new) == len(old) and all(map(holds, new, old))
        case _:
            return bool(new == old)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_recorded_log_loads_and_is_stored_again_as_it_was(path: Path, tmp_path: Path) -> None:
    recorded = load(path)
    database = Database(sqlite_file(tmp_path / "vgproject.db"))
    await database.upgrade()
    now = utc_now()
    row = SessionRow(
        id="again", project="/p", title="", owner="o", settings={}, epoch="e", created_at=now, updated_at=now
    )
    async with database.unit_of_work() as work:
        work.sessions.add(row)
        await work.commit()
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        frames = [event.frame() for event in recorded]
        events = [
            NewEvent(event.data(), frame.actor, task_id=frame.task_id, phase=frame.phase)
            for event, frame in zip(recorded, frames, strict=True)
        ]
        await event_log.append("again", events)
        again = await event_log.read("again", after=0)
    await database.close()
    assert [event.seq for event in recorded] == list(range(1, len(recorded) + 1))
    assert [event.data() for event in again] == [event.data() for event in recorded]
    for old, new in zip(frames, (event.frame() for event in again), strict=True):
        assert holds(new.data, old.data)
        assert (new.type, new.actor, new.task_id, new.phase) == (old.type, old.actor, old.task_id, old.phase)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_later_release_adds_does_not_keep_a_log_from_loading(path: Path) -> None:
    for event in load(path):
        frame = json.loads(event.payload)
        later = stored(_with_more(frame) | {"data": _with_more(frame["data"])})
        assert later.data() == event.data()
        assert later.frame().seq == event.seq
        unknown = stored(frame | {"type": "invented_later"})
        assert unknown.data() == UnknownEvent(kind="invented_later", fields=frame["data"])


def _with_more(value: Any) -> Any:
    """``value`` with one more field in each object, but for those whose fields are free."""
    match value:
        case dict():
            free = value.keys() & {"models", "arguments", "details"}
            fields = {key: item if key in free else _with_more(item) for key, item in value.items()}
            return fields | {"invented_later": 1}
        case list():
            return [_with_more(item) for item in value]
        case _:
            return value


def test_an_event_of_a_later_release_is_not_one_of_ours() -> None:
    assert UnknownEvent.type not in EVENT_TYPES
    assert TaskCompleted.type in EVENT_TYPES

"""Records the event logs in ``tests/data/event_logs``: run once for each release, and never changed afterwards.

    PYTHONPATH=src:tests .venv/bin/python tests/data/record_logs.py

The main job; a job whose command is denied, whose model fails for good and which is then retried; and one whose model
breaks off, falls back and has no price.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from integration.test_models import FIRST, HALF, NUDGED, SECOND, asked, submit
from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import TEST_COMMAND, script, write_script
from vgproject import __version__
from vgproject.bootstrap import Services
from vgproject.schema import commands as c
from vgproject.schema.settings import SessionSettings

LOGS = Path(__file__).parent / "event_logs" / __version__


async def record_main_job(home: Path) -> None:
    model = write_script(home, script())
    async with services_for(home, model=model, approvals="never", test_command=TEST_COMMAND) as services:
        session_id = await start(services)
        await wait_for(services, session_id, *ENDS)
        await services.sessions.apply(session_id, OWNER)
        await write(services, session_id, "main_job")


async def record_failure_and_retry(home: Path) -> None:
    implementation = script()["phases"]["implementation"]
    model = write_script(home, script(implementation=implementation[:2]))
    async with services_for(home, model=model) as services:
        session_id = await start(services)
        asked_for = (await wait_for(services, session_id, "approval_requested"))[-1]
        answer = c.ResolveApproval(
            session_id=session_id, approval_id=asked_for.data["approval_id"], decision="deny", reason="Not now."
        )
        await services.sessions.execute(answer, OWNER)
        failed = (await wait_for(services, session_id, *ENDS))[-1]
        settings = SessionSettings(model=write_script(home / "better", script()), approvals="never")
        await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=settings), OWNER)
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        await wait_for(services, session_id, *ENDS, after=failed.seq)
        await write(services, session_id, "failure_approval_retry")


async def record_models_that_fail(home: Path) -> None:
    async with asked(home, HALF, HALF, HALF, NUDGED, HALF, HALF, submit(), model=f"{FIRST},{SECOND}") as (services, _):
        session_id = await start(services, max_cost_usd=1.0)
        await wait_for(services, session_id, *ENDS)
        await write(services, session_id, "models_that_fail")


async def write(services: Services, session_id: str, name: str) -> None:
    events = await services.event_log.read(session_id, after=0, limit=10_000)
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.jsonl").write_bytes(b"".join(event.payload + b"\n" for event in events))


async def record_all() -> None:
    for record in (record_main_job, record_failure_and_retry, record_models_that_fail):
        with tempfile.TemporaryDirectory() as home:
            await record(Path(home))


if __name__ == "__main__":
    sys.exit(asyncio.run(record_all()))

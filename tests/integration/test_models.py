"""A task whose model is asked over HTTP: what a client sees of its failures, and what is never kept of them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from provider_formats import KEY
from provider_server import Answer, ProviderServer, chat, echo, failure, open_provider_server, stream
from vgproject.bootstrap import Services
from vgproject.broker.base import Delta
from vgproject.schema import commands as c

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
SUBMIT = '{"notes": "It is a calculator.", "needs_implementation": false}'
FIRST, SECOND = "openai-compatible:first", "openai-compatible:second"


def submit(text: str = "Done.") -> bytes:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "submit_research", "arguments": SUBMIT}}
    return stream(
        chat({"role": "assistant", "content": text}),
        chat({"tool_calls": [call]}),
        chat({}, finish="tool_calls", usage=USAGE),
    )


NUDGED = stream(chat({"role": "assistant", "content": "Hm."}), chat({}, finish="stop", usage=USAGE))
HALF = stream(chat({"role": "assistant", "content": "Withdrawn text"}), cut=True)


class Client:
    """What a client of one session is told, in order."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []

    def on_wake(self, seq: int) -> None:
        pass

    def on_delta(self, delta: Delta) -> None:
        self.deltas.append(dict(delta))


@asynccontextmanager
async def asked(tmp_path: Path, *answers: Answer, **options: Any) -> AsyncIterator[tuple[Services, ProviderServer]]:
    environ = {"OPENAI_API_KEY": KEY}
    llm = {"first_delay_seconds": 0, "attempts": 2}
    async with open_provider_server(*answers) as server:
        environ["OPENAI_BASE_URL"] = server.url
        given = {"model": FIRST, "llm": llm, "phases": {"research": {"retries": 0}}, **options}
        async with services_for(tmp_path, environ=environ, **given) as services:
            yield services, server


async def test_the_text_of_a_reply_that_broke_off_is_withdrawn_and_never_kept(tmp_path: Path) -> None:
    client = Client()
    async with asked(tmp_path, HALF, submit()) as (services, _):
        session_id = await create_session(services)
        services.event_log.listen(session_id, client)
        await services.sessions.execute(c.TaskCommand(session_id=session_id, content="Look"), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        assert services.broker.partial(session_id) == []
    [retried] = [frame for frame in frames if frame.type == "model_retried"]
    texts = [(d["message_id"], d["offset"], d["text"]) for d in client.deltas if d["type"] == "text_delta"]
    assert texts == [(retried.data["message_id"], 0, "Withdrawn text"), (retried.data["message_id"], 0, "Done.")]
    assert [frame.data["text"] for frame in frames if frame.type == "agent_message"] == ["Done."]
    assert "Withdrawn text" not in str(frames)
    [arguments] = [delta for delta in client.deltas if delta["type"] == "tool_arguments_delta"]
    assert (arguments["tool"], arguments["text"]) == ("submit_research", SUBMIT)
    assert frames[-1].type == "task_completed"


async def test_the_text_of_a_model_that_was_given_up_is_withdrawn_too(tmp_path: Path) -> None:
    client = Client()
    model = f"{FIRST},{SECOND}"
    async with asked(tmp_path, HALF, HALF, HALF, submit(), model=model) as (services, _):
        session_id = await create_session(services)
        services.event_log.listen(session_id, client)
        await services.sessions.execute(c.TaskCommand(session_id=session_id, content="Look"), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    [fell_back] = [frame.data for frame in frames if frame.type == "model_fell_back"]
    assert (fell_back["from_model"], fell_back["to_model"]) == (FIRST, SECOND)
    assert len([frame for frame in frames if frame.type == "model_retried"]) == 2
    texts = [(d["message_id"], d["offset"]) for d in client.deltas if d["type"] == "text_delta"]
    assert texts == [(fell_back["message_id"], 0)] * 4
    assert "Withdrawn text" not in str(frames)
    assert frames[-1].type == "task_completed"


async def test_a_model_that_stays_away_fails_the_phase_and_a_retry_goes_on_when_it_is_back(tmp_path: Path) -> None:
    async with asked(tmp_path, HALF, failure(503), submit()) as (services, _):
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        assert services.broker.partial(session_id) == []
        [failed] = [frame.data["error"] for frame in frames if frame.type == "phase_failed"]
        assert failed["code"] == "model_unreachable"
        assert "Withdrawn text" not in str(frames)
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=frames[-1].seq)
    assert frames[-1].type == "task_completed"


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_no_key_is_in_a_sessions_log_or_the_servers(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="vgproject")
    caplog.set_level(logging.INFO)
    async with asked(tmp_path, echo(status), echo(status)) as (services, server):
        frames = await wait_for(services, await start(services), *ENDS)
    assert KEY in server.requests[0]
    assert frames[-1].type == "task_failed"
    assert str(status) in frames[-1].data["error"]["message"]
    assert KEY not in str(frames) + caplog.text
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


async def test_a_budget_that_cannot_be_kept_is_said_once(tmp_path: Path) -> None:
    async with asked(tmp_path, NUDGED, NUDGED, submit()) as (services, _):
        frames = await wait_for(services, await start(services, max_cost_usd=1.0), *ENDS)
    [warning] = [frame.data for frame in frames if frame.type == "budget_warning"]
    assert f"What {FIRST} costs is not known" in warning["message"]
    assert [frame.data["cost_usd"] for frame in frames if frame.type == "usage_updated"] == [None] * 3
    assert frames[-1].type == "task_completed"


async def create_session(services: Services) -> str:
    return str((await services.sessions.execute(c.CreateSession(), OWNER))["session_id"])

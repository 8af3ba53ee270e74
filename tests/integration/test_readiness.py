"""`/readyz` while a part of the server fails, and what clients see of it."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from databases import Postgres
from live_server import ENDS, HEADERS, TOKEN, open_websocket, receive, running_server, send
from sample import make_project, script, write_script
from stalls import Stalls
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.errors import UnavailableError


async def ready(client: httpx.AsyncClient) -> tuple[int, str | None]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json().get("failing")


@pytest.mark.parametrize(("file", "part"), [("vgproject.db", "database"), ("engine.db", "queue")])
async def test_a_file_that_is_gone_or_taken_is_named_until_it_is_back(tmp_path: Path, file: str, part: str) -> None:
    path = tmp_path / "home" / file
    limits = {"ready_seconds": 1}
    async with (
        running_server(tmp_path, limits=limits) as url,
        httpx.AsyncClient(base_url=url, timeout=100) as client,
    ):
        assert await ready(client) == (200, None)
        path.rename(tmp_path / "elsewhere")
        assert await ready(client) == (503, part)
        (tmp_path / "elsewhere").rename(path)
        assert await ready(client) == (200, None)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await ready(client) == (503, part)
            assert (await client.get("/livez")).status_code == 200
        assert await ready(client) == (200, None)


async def test_a_database_server_that_stops_is_told_and_its_tasks_go_on_when_it_is_back(tmp_path: Path) -> None:
    slow = script()
    slow["phases"]["planning"][0] |= {"text": "I think about it. " * 8, "token_delay_ms": 30}
    postgres = Postgres()
    try:
        options = {
            "database_url": postgres.create_database().for_driver,
            "model": write_script(tmp_path, slow),
            "engine": {"mend_seconds": 0.1},
        }
        async with (
            running_server(tmp_path, **options) as url,
            httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=100) as client,
        ):
            async with open_websocket(url) as websocket:
                await send(websocket, type="task", content="Make the failing test pass")
                log = await receive(websocket, "research_complete")
                session_id = log[1]["data"]["session_id"]
                postgres.stop()
                assert await ready(client) == (503, "database")
                assert (await client.get("/livez")).status_code == 200
                await send(websocket, type="task", id="lost", session_id=session_id, content="Another")
                error = (await receive(websocket, "error"))[-1]
                assert (error["id"], error["data"]["code"]) == ("lost", "database_unavailable")
                refused = await client.post("/v1/sessions", json={})
                assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
                assert "secret" not in refused.text
                assert refused.headers["content-type"] == "application/problem+json"
            postgres.start()
            assert await ready(client) == (200, None)
            async with open_websocket(url) as websocket:
                await send(websocket, type="subscribe", session_id=session_id)
                log = await receive(websocket, *ENDS)
            sessions = (await client.get("/v1/sessions")).json()
    finally:
        postgres.close()
    assert log[-1]["type"] == "task_completed"
    assert [[task["status"] for task in session["tasks"]] for session in sessions] == [["completed"]]


async def test_a_loop_that_was_blocked_for_too_long_fails_the_liveness_probe(tmp_path: Path) -> None:
    limits = {"loop_blocked_seconds": 0.05, "loop_delay_seconds": 0.05}
    async with running_server(tmp_path, limits=limits) as url, httpx.AsyncClient(base_url=url) as client:
        with Stalls() as stalls:
            asyncio.get_running_loop().call_soon(stalls.block)
            answer = await client.get("/livez")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_live")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "The event loop was blocked for " in answer.json()["detail"]


async def test_a_task_of_the_server_that_has_ended_fails_the_liveness_probe(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).text == "ok"
        [mending] = [task for task in asyncio.all_tasks() if task.get_name() == "engine mending"]
        mending.cancel()
        answer = await client.get("/livez")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "An essential part of the server has ended: engine mending."


class BrokerOfAnotherHost(InProcessBroker):
    """As one that needs a server which is away."""

    async def check(self) -> None:
        raise UnavailableError("The broker does not answer.", code="broker_unavailable")


async def test_a_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    options = {"home": tmp_path / "home", "project": make_project(tmp_path / "project"), "token": TOKEN}
    app = EnhancedRAServer(load_config(options, {"PATH": "/usr/local/bin:/usr/bin:/bin"})).app
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(base_url="http://127.0.0.1", transport=httpx.ASGITransport(app)) as client,
    ):
        assert await ready(client) == (200, None)
        app.state.services = replace(app.state.services, broker=BrokerOfAnotherHost())
        assert await ready(client) == (503, "broker")

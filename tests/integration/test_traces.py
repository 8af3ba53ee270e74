"""What a trace collector is sent of a task."""

import json
import socket
from pathlib import Path
from typing import Any

from collector import collecting
from live_server import ENDS, open_websocket, receive, running_server, send
from sample import script, write_script

TASK = "Make the failing test pass"


async def run_task(url: str) -> dict[str, Any]:
    async with open_websocket(url) as websocket:
        await send(websocket, type="task", content=TASK)
        return (await receive(websocket, *ENDS))[-1]


async def test_a_task_is_one_tree_from_its_command_to_its_tool_calls_without_what_was_said(tmp_path: Path) -> None:
    counted = script()
    counted["phases"]["planning"][0] |= {"input_tokens": 11, "output_tokens": 7, "cost_usd": 0.5}
    model = write_script(tmp_path, counted)
    with collecting() as collector:
        async with running_server(tmp_path, model=model, telemetry={"otlp_endpoint": collector.url}) as url:
            ended = await run_task(url)
    spans = [span for span in collector.spans if span["attributes"].get("vgproject.task_id") or span["parent"]]
    chat = f"chat {model.partition(':')[2]}"
    assert collector.tree() >= {
        ("command task", None),
        ("task", "command task"),
        ("phase research", "task"),
        ("phase planning", "task"),
        ("phase implementation", "task"),
        ("turn", "phase planning"),
        (chat, "turn"),
        ("execute_tool read_file", "turn"),
        ("execute_tool edit_file", "turn"),
        ("memory recall", "phase research"),
    }
    assert len({span["trace"] for span in spans}) == 1
    [task] = [span for span in spans if span["name"] == "task"]
    ids = {"session.id": ended["session_id"], "vgproject.task_id": ended["task_id"]}
    assert task["attributes"] == {**ids, "vgproject.attempt": 1, "vgproject.outcome": "completed"}
    assert task["service"] == "vgproject"
    assert task["seconds"] > 0
    [planned] = [span["attributes"] for span in spans if span["attributes"].get("vgproject.cost_usd") == 0.5]
    assert (planned["gen_ai.usage.input_tokens"], planned["gen_ai.usage.output_tokens"]) == (11, 7)
    assert planned["gen_ai.provider.name"] == "scripted"
    said = json.dumps(collector.spans)
    for content in (TASK, "I look around", "subtracts", "calc.py"):
        assert content not in said


async def test_a_task_that_goes_on_after_a_restart_stays_one_tree_and_an_error_is_named(tmp_path: Path) -> None:
    broken = script()
    broken["phases"]["planning"][0] |= {"text": "I think about it. " * 40, "token_delay_ms": 20}
    del broken["phases"]["implementation"][-1]
    model = write_script(tmp_path, broken)
    with collecting() as collector:
        options: dict[str, Any] = {"model": model, "telemetry": {"otlp_endpoint": collector.url}}
        async with (
            running_server(tmp_path, **options, limits={"grace_seconds": 0}) as url,
            open_websocket(url) as first,
        ):
            await send(first, type="task", content=TASK)
            session_id = (await receive(first, "text_delta"))[-1]["session_id"]
            await receive(first, "research_complete")
            await receive(first, "phase_started")
        before = {span["name"] for span in collector.spans}
        write_script(tmp_path, {"phases": {**broken["phases"], "planning": script()["phases"]["planning"]}})
        async with running_server(tmp_path, **options) as url, open_websocket(url) as second:
            await send(second, type="subscribe", session_id=session_id)
            ended = (await receive(second, *ENDS))[-1]
    assert ended["type"] == "task_failed"
    assert "task" not in before
    assert "phase research" in before
    of_task = [span for span in collector.spans if not span["name"].startswith("command subscribe")]
    assert len({span["trace"] for span in of_task}) == 1
    ids = [span["id"] for span in of_task]
    assert [span for span in of_task if ids.count(span["id"]) > 1] == []
    assert {("task", "command task"), ("phase research", "task"), ("phase planning", "task")} < collector.tree()
    [task] = [span for span in of_task if span["name"] == "task"]
    assert task["status"] == 2
    assert task["attributes"]["error.type"] == ended["data"]["error"]["code"]


async def test_a_collector_that_is_away_neither_fails_nor_holds_up_a_task_or_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with running_server(tmp_path, telemetry={"otlp_endpoint": endpoint}) as url:
            assert (await run_task(url))["type"] == "task_completed"

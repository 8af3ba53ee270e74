"""`/metrics` of a server that has really worked."""

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from live_server import ENDS, HEADERS, open_websocket, receive, running_server, send
from sample import call, script, write_script
from vgproject.metrics import MAX_NAMES, Metrics
from vgproject.telemetry.spans import Spans

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(text: str) -> Samples:
    """By name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"vgproject_{name}", frozenset(labels.items())]


async def test_a_task_is_counted_by_what_it_did_and_nobody_is_named(tmp_path: Path) -> None:
    counted = script()
    counted["phases"]["planning"][0] |= {"output_tokens": 7, "cost_usd": 0.5}
    async with (
        running_server(tmp_path, model=write_script(tmp_path, counted)) as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as client,
        open_websocket(url) as watching,
    ):
        async with open_websocket(url) as websocket:
            await send(websocket, type="task", content="Make the failing test pass")
            session_id = (await receive(websocket, *ENDS))[-1]["session_id"]
            await send(websocket, type="subscribe", session_id="nowhere")
            await receive(websocket, "error")
        await client.get(f"/v1/sessions/{session_id}")
        await client.get("/v1/sessions/nowhere")
        await client.get("/no/such/address")
        text = (await client.get("/metrics")).text
        await send(watching, type="ping")
        await receive(watching, "pong")
    found = samples_of(text)
    model = next(dict(labels)["model"] for name, labels in found if name == "vgproject_model_calls_total")
    by_model = {"provider": "scripted", "model": model}
    session = "/v1/sessions/{session_id}"
    for name, labels, expected in [
        ("tasks_total", {"end": "completed"}, 1),
        ("task_duration_seconds_count", {"end": "completed"}, 1),
        ("phase_duration_seconds_count", {"phase": "planning", "outcome": "ok"}, 1),
        ("model_calls_total", {**by_model, "outcome": "ok"}, 6),
        ("model_call_duration_seconds_count", {**by_model, "outcome": "ok"}, 6),
        ("tool_call_duration_seconds_count", {"tool": "read_file", "outcome": "ok"}, 1),
        ("command_duration_seconds_count", {"type": "task", "outcome": "ok"}, 1),
        ("command_duration_seconds_count", {"type": "subscribe", "outcome": "no_such_session"}, 1),
        ("http_request_duration_seconds_count", {"method": "GET", "route": session, "status": "200"}, 1),
        ("http_request_duration_seconds_count", {"method": "GET", "route": session, "status": "404"}, 1),
        ("http_request_duration_seconds_count", {"method": "GET", "route": "unknown", "status": "404"}, 1),
        ("events_total", {"type": "task_completed"}, 1),
        ("connections_closed_total", {"code": "1000"}, 1),
        ("open_connections", {}, 1),
        ("open_tasks", {"status": "running"}, 0),
        ("events_behind", {}, 0),
    ]:
        assert value(found, name, **labels) == expected, name
    assert value(found, "model_tokens_total", **by_model, direction="output") == 7
    assert value(found, "model_cost_usd_total", **by_model) == 0.5
    assert value(found, "deltas_total", type="text_delta") > 0
    assert value(found, "commit_events_sum") >= sum(
        count for (name, _), count in found.items() if name == "vgproject_events_total"
    )
    assert value(found, "commit_seconds_count") > 0
    assert value(found, "memory_recall_seconds_count") > 0
    assert found["process_resident_memory_bytes", frozenset()] > 0
    assert session_id not in text
    assert "owner" not in text


async def test_what_waits_for_people_is_counted_until_it_waits_no_more(tmp_path: Path) -> None:
    implementation = [{"tool_calls": [call("run_command", command="true")]}, *script()["phases"]["implementation"]]
    model = write_script(tmp_path, script(implementation=implementation))
    async with (
        running_server(tmp_path, model=model, approvals="always") as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as client,
        open_websocket(url) as websocket,
    ):
        await send(websocket, type="task", content="Make the failing test pass")
        asked = (await receive(websocket, "approval_requested"))[-1]
        waiting = samples_of((await client.get("/metrics")).text)
        await send(websocket, type="cancel", session_id=asked["session_id"])
        await receive(websocket, "task_cancelled")
        ended = samples_of((await client.get("/metrics")).text)
    assert value(waiting, "waiting_for_people", kind="approval") == 1
    assert value(waiting, "open_tasks", status="running") == 1
    assert value(ended, "open_tasks", status="running") == 0
    assert ("vgproject_waiting_for_people", frozenset({("kind", "approval")})) not in ended


def test_names_that_people_make_up_do_not_make_more_and_more_series() -> None:
    metrics = Metrics()
    spans = Spans(metrics.count_span)
    for number in range(MAX_NAMES + 5):
        with spans.open("model call", {"provider": "openai", "model": f"made-up-{number}", "attempt": 1}):
            pass
    found = samples_of(metrics.render(None).decode())
    assert value(found, "model_calls_total", provider="openai", model="other", outcome="ok") == 5
    assert len([name for name, _ in found if name == "vgproject_model_calls_total"]) == MAX_NAMES + 1

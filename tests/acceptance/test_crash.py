"""The installed program as processes: killed at any moment, started again, and looked at as a client sees it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sample import TEST_COMMAND, call, make_project, model_calls, script, write_script

TOKEN = "a-token-for-tests"
ENDS = {"task_completed", "task_failed", "task_cancelled"}


class Server:
    """A server process, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def events(self, session_id: str) -> list[dict[str, Any]]:
        page = self.client.get(f"/v1/sessions/{session_id}/events", params={"limit": 5000}).json()
        return list(page["events"])

    def wait_for(self, session_id: str, *types: str, after: int = 0) -> list[dict[str, Any]]:
        """The log up to the first event of one of ``types`` after ``after``."""
        received: list[dict[str, Any]] = []
        tail = {"Accept": "text/event-stream"}
        with self.client.stream("GET", f"/v1/sessions/{session_id}/events", headers=tail) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    received.append(json.loads(line.removeprefix("data: ")))
                    if received[-1]["type"] in types and received[-1]["seq"] > after:
                        return received
        raise AssertionError(f"the stream ended before {types}")

    def command(self, session_id: str, **command: Any) -> httpx.Response:
        return self.client.post(f"/v1/sessions/{session_id}/commands", json=command)

    def start_task(self, content: str = "Make the failing test pass") -> str:
        session_id = str(self.client.post("/v1/sessions", json={}).json()["session_id"])
        self.client.post(f"/v1/sessions/{session_id}/tasks", json={"content": content}).raise_for_status()
        return session_id

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(tmp_path: Path, **options: str) -> Iterator[Server]:
    project = tmp_path / "project"
    if not project.exists():
        make_project(project)
    words = {"port": "0", "project": str(project), "approvals": "never", **options}
    flags = [word for name, value in words.items() for word in (f"--{name}", value)]
    environment = {**os.environ, "VGPROJECT_HOME": str(tmp_path / "home"), "VGPROJECT_TOKEN": TOKEN}
    with (tmp_path / "server.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vgproject.main", "serve", *flags],
            env=environment | {"VGPROJECT_TEST_COMMAND": TEST_COMMAND},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        assert "ready at" in line, (tmp_path / "server.log").read_text()
        server = Server(process, line.partition("ready at ")[2].partition("/sign-in")[0])
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            server.client.close()


def slow_script(**changes: Any) -> dict[str, Any]:
    """The main job, spoken slowly enough that a kill can fall anywhere."""
    content = script(**changes)
    for replies in content["phases"].values():
        for reply in replies:
            reply |= {"reasoning": "I think about it. " * 8, "token_delay_ms": 8}
    return content


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_server_goes_on_by_itself_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    model = write_script(tmp_path, slow_script())
    moments = random.Random(seed)
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        seen = server.wait_for(session_id, moments.choice(["phase_started", "agent_message", "planning_complete"]))
        time.sleep(moments.random() * 0.4)  # The kill must fall at no particular moment.
        seen = server.events(session_id)
        server.kill()
    began = time.monotonic()
    with serving(tmp_path, model=model) as server:
        if seen[-1]["type"] not in ENDS:
            log = server.wait_for(session_id, "task_recovered", *ENDS)
            assert time.monotonic() - began < 20
        log = server.wait_for(session_id, *ENDS, "recovery_decision_requested")
        if log[-1]["type"] == "recovery_decision_requested":
            recovery_id = log[-1]["data"]["recovery_id"]
            server.command(session_id, type="resolve_recovery", recovery_id=recovery_id, decision="run_again")
            log = server.wait_for(session_id, *ENDS)
        diff = server.client.get(f"/v1/sessions/{session_id}/diff").text

    assert log[: len(seen)] == seen
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert log[-1]["type"] == "task_completed"
    assert "+    return a + b" in diff
    calls = [(made["phase"], made["turn"]) for made in model_calls(model)]
    assert len(calls) <= len(set(calls)) + 1, "only the call that was interrupted may be made again"
    assert len(set(calls)) == 6


def test_an_interrupted_command_is_not_repeated_unasked(tmp_path: Path) -> None:
    command = "echo ran >> $HOME/runs.txt; sleep 30"
    implementation = script()["phases"]["implementation"]
    implementation[1] = {"tool_calls": [call("run_command", command=command)]}
    model = write_script(tmp_path, script(implementation=implementation))
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, "plan_step_updated", "tool_started")
        runs = tmp_path / "home" / "workspaces" / session_id / "home" / "runs.txt"
        deadline = time.monotonic() + 20
        while not runs.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.kill()
    with serving(tmp_path, model=model) as server:
        asked = server.wait_for(session_id, "recovery_decision_requested")[-1]
        assert asked["data"]["arguments"]["command"] == command
        answer = {"type": "resolve_recovery", "recovery_id": asked["data"]["recovery_id"], "decision": "mark_done"}
        assert server.command(session_id, **answer).status_code == 200
        assert server.command(session_id, **answer).json()["code"] == "already_resolved"
        assert server.wait_for(session_id, *ENDS)[-1]["type"] == "task_completed"
    assert runs.read_text() == "ran\n"


def test_approvals_survive_a_kill_and_may_be_answered_out_of_order(tmp_path: Path) -> None:
    implementation = script()["phases"]["implementation"]
    implementation[1] = {
        "tool_calls": [call("run_command", command="echo first"), call("run_command", command="echo second")]
    }
    model = write_script(tmp_path, script(implementation=implementation))

    def approvals(log: list[dict[str, Any]]) -> list[str]:
        return [event["data"]["approval_id"] for event in log if event["type"] == "approval_requested"]

    with serving(tmp_path, model=model, approvals="untrusted") as server:
        session_id = server.start_task()
        log = server.wait_for(session_id, "approval_requested")
        while len(approvals(log)) < 2:
            log = server.wait_for(session_id, "approval_requested", after=log[-1]["seq"])
        first, second = approvals(log)
        server.command(session_id, type="resolve_approval", approval_id=second, decision="approve")
        server.kill()
    with serving(tmp_path, model=model, approvals="untrusted") as server:
        server.wait_for(session_id, "task_recovered")
        server.command(session_id, type="resolve_approval", approval_id=first, decision="approve")
        log = server.wait_for(session_id, *ENDS)
    results = [event["data"]["result"] for event in log if event["type"] == "tool_completed"]
    assert [result.split("\n")[0] for result in results if "Exit code" in result] == ["first", "second"]
    assert log[-1]["type"] == "task_completed"


def test_sigterm_stops_at_a_durable_point_and_the_task_goes_on_after_the_next_start(tmp_path: Path) -> None:
    model = write_script(tmp_path, slow_script())
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, "research_complete")
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0
    with serving(tmp_path, model=model) as server:
        log = server.wait_for(session_id, *ENDS)
    assert log[-1]["type"] == "task_completed"
    calls = [(made["phase"], made["turn"]) for made in model_calls(model)]
    assert len(calls) == len(set(calls)) == 6

"""The installed program as processes: killed at any moment, started again, and looked at as a client sees it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

import mcp_desk
from programs import Program
from sample import TEST_COMMAND, call, make_project, model_calls, script, write_script
from vgproject.repositories.database_url import DatabaseUrl

TOKEN = "a-token-for-tests"
ENDS = {"task_completed", "task_failed", "task_cancelled"}
MAX_KILLS = 3


class Server:
    """A server process, and a client of it."""

    def __init__(self, process: Program, url: str, began: float) -> None:
        self.process = process
        self.url = url
        self.began = began
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=100)

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

    @contextmanager
    def websocket(self) -> Iterator[ClientConnection]:
        url = f"{self.url.replace('http', 'ws')}/v1/ws"
        with connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}, open_timeout=100) as websocket:
            yield websocket

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
    homes = {"VGPROJECT_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environment = {**os.environ, **homes, "VGPROJECT_TOKEN": TOKEN, "VGPROJECT_MEMORY__EMBEDDINGS": "none"}
    began = time.monotonic()
    with (tmp_path / "server.log").open("a") as log:
        process = Program(
            "serve",
            *flags,
            env=environment | {"VGPROJECT_TEST_COMMAND": TEST_COMMAND},
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        assert "ready at" in line, (tmp_path / "server.log").read_text()
        server = Server(process, line.partition("ready at ")[2].partition("/sign-in")[0], began)
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            server.client.close()


class Client:
    """Holds the log it was sent, and comes back with its cursor; it never sees an event twice or misses one."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.log: list[dict[str, Any]] = []

    def follow(self, websocket: ClientConnection) -> Iterator[dict[str, Any]]:
        """The events after those it has."""
        after, epoch = (self.log[-1]["seq"], self.log[-1]["epoch"]) if self.log else (0, None)
        subscribe = {"type": "subscribe", "session_id": self.session_id, "after": after, "epoch": epoch}
        websocket.send(json.dumps(subscribe))
        while True:
            message = json.loads(websocket.recv(timeout=100))
            for frame in message if isinstance(message, list) else [message]:
                assert frame["type"] != "error" or "seq" in frame, frame
                if "seq" in frame:
                    assert frame["seq"] == len(self.log) + 1
                    self.log.append(frame)
                    yield frame


def slow_script(**changes: Any) -> dict[str, Any]:
    """The main job, spoken slowly enough that a kill can fall anywhere."""
    content = script(**changes)
    for replies in content["phases"].values():
        for reply in replies:
            reply |= {"reasoning": "I think about it. " * 8, "token_delay_ms": 8}
    return content


@pytest.mark.parametrize("seed", range(3))
def test_a_server_killed_again_and_again_goes_on_by_itself_and_repeats_nothing(
    tmp_path: Path, database_url: DatabaseUrl, seed: int, record_property: Callable[[str, object], None]
) -> None:
    options = {"model": write_script(tmp_path, slow_script()), "database-url": database_url.for_driver}
    moments = random.Random(seed)
    recoveries: list[float] = []
    client: Client | None = None
    for life in range(MAX_KILLS + 1):
        with serving(tmp_path, **options) as server:
            client = client or Client(server.start_task())
            if watch_until(server, client, moments, recoveries, to_the_end=life == MAX_KILLS):
                log = server.events(client.session_id)
                diff = server.client.get(f"/v1/sessions/{client.session_id}/diff").text
                break

    assert client
    assert client.log == log
    assert log[-1]["type"] == "task_completed"
    assert "+    return a + b" in diff
    record_property("seconds_from_start_to_task_recovered", recoveries)
    assert recoveries
    assert max(recoveries) < 10, "a machine of its own needs under 3 seconds"
    calls = [(made["phase"], made["turn"]) for made in model_calls(options["model"])]
    assert len(set(calls)) == 6
    assert len(calls) <= 6 + life, "only the calls that were interrupted may be made again"
    for kind in ("research_complete", "planning_complete", "implementation_complete"):
        assert len([event for event in log if event["type"] == kind]) == 1
    merged = [event["phase"] for event in log if event["type"] == "memory_merged"]
    assert merged == ["research", "implementation"]
    asked = [event["data"]["tool_call_id"] for event in log if event["type"] == "tool_requested"]
    ended_calls = [event["data"]["tool_call_id"] for event in log if event["type"] in ("tool_completed", "tool_failed")]
    assert sorted(asked) == sorted(ended_calls)
    changes = [event["data"]["path"] for event in log if event["type"] == "file_changed"]
    assert changes == ["calc.py"]


def watch_until(
    server: Server,
    client: Client,
    moments: random.Random,
    recoveries: list[float],
    *,
    to_the_end: bool,
) -> bool:
    """Follow the task for some events and kill the server, if it is not ``to_the_end``; whether the task ended."""
    left = moments.randint(2, 14)
    with server.websocket() as websocket:
        for event in client.follow(websocket):
            match event["type"]:
                case "task_recovered":
                    recoveries.append(time.monotonic() - server.began)
                case "recovery_decision_requested":
                    recovery_id = event["data"]["recovery_id"]
                    server.command(
                        client.session_id, type="resolve_recovery", recovery_id=recovery_id, decision="run_again"
                    )
                case kind if kind in ENDS:
                    return True
            left -= 1
            if left <= 0 and not to_the_end:
                break
        time.sleep(moments.random() * 0.2)  # The kill must fall at no particular moment.
        server.kill()
    return False


def test_a_command_is_not_repeated_unasked_however_often_it_is_interrupted(tmp_path: Path) -> None:
    command = "echo ran >> $HOME/runs.txt; sleep 30"
    implementation = script()["phases"]["implementation"]
    implementation[1] = {"tool_calls": [call("run_command", command=command)]}
    model = write_script(tmp_path, script(implementation=implementation))
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        runs = tmp_path / "home" / "workspaces" / session_id / "home" / "runs.txt"
        wait_until(lambda: runs.exists())
        server.kill()
    with serving(tmp_path, model=model) as server:
        asked = server.wait_for(session_id, "recovery_decision_requested")[-1]
        assert asked["data"]["arguments"]["command"] == command
        assert server.client.get(f"/v1/sessions/{session_id}").json()["status"] == "needs_you"
        decide(server, session_id, asked, "run_again")
        wait_until(lambda: runs.read_text() == "ran\nran\n")
        server.kill()
    with serving(tmp_path, model=model) as server:
        again = server.wait_for(session_id, "recovery_decision_requested", after=asked["seq"])[-1]
        decide(server, session_id, again, "mark_done")
        answer = {"type": "resolve_recovery", "recovery_id": again["data"]["recovery_id"], "decision": "skip"}
        assert server.command(session_id, **answer).json()["code"] == "already_resolved"
        assert server.wait_for(session_id, *ENDS)[-1]["type"] == "task_completed"
    assert runs.read_text() == "ran\nran\n"


def test_a_call_of_an_mcp_server_is_not_repeated_unasked_and_steps_stay_in_order_without_the_server(
    tmp_path: Path,
) -> None:
    waiting = [call("mcp__desk__look_up", word="moon"), call("mcp__desk__wait_for_ever")]
    implementation = [{"tool_calls": waiting}, *script()["phases"]["implementation"]]
    model = write_script(tmp_path, script(implementation=implementation))
    settings = tmp_path / "config" / "vgproject" / "config.toml"
    settings.parent.mkdir(parents=True)
    words = f"[mcp.desk]\ncommand = [{sys.executable!r}, {mcp_desk.__file__!r}]\nenv = {{DESK = {str(tmp_path)!r}}}\n"
    settings.write_text(words)
    calls = tmp_path / "calls"
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        wait_until(lambda: calls.exists() and calls.read_text().endswith("wait_for_ever\n"))
        server.kill()
    with serving(tmp_path, model=model) as server:
        asked = server.wait_for(session_id, "recovery_decision_requested")[-1]
        assert asked["data"]["tool"] == "mcp__desk__wait_for_ever"
        server.kill()
    settings.write_text("")
    with serving(tmp_path, model=model) as server:
        log = server.wait_for(session_id, *ENDS)
        server.process.terminate()
        assert server.process.wait(timeout=100) == 0
    assert calls.read_text() == "look_up moon\nwait_for_ever\n"
    failed = [event["data"]["code"] for event in log if event["type"] == "tool_failed"]
    assert failed == ["outcome_unknown"]
    assert log[-1]["type"] == "task_completed"
    for pid in (tmp_path / "pids").read_text().split():
        wait_until(lambda pid=pid: not Path("/proc", pid).exists())  # type: ignore[misc]


def decide(server: Server, session_id: str, asked: dict[str, Any], decision: str) -> None:
    recovery_id = asked["data"]["recovery_id"]
    server.command(session_id, type="resolve_recovery", recovery_id=recovery_id, decision=decision).raise_for_status()


def wait_until(holds: Callable[[], bool]) -> None:
    """For what nobody tells of: files that a command writes, processes that end."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write: what would be stored next is not."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=100)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_a_kill_before_the_memory_is_merged_and_one_before_that_is_noted_merge_it_once(tmp_path: Path) -> None:
    phases = slow_script()["phases"]
    phases["planning"][0]["token_delay_ms"] = 200
    model = write_script(tmp_path, script(**phases))
    home = tmp_path / "home"
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, "research_complete")
        with locked(home / "vgproject.db"):
            server.kill()
    with serving(tmp_path, model=model) as server:
        merged = server.wait_for(session_id, "memory_merged")[-1]
        server.wait_for(session_id, "phase_started", after=merged["seq"])
        server.kill()
    forget_steps(home, "merge/research")
    phases["planning"][0]["token_delay_ms"] = 0
    write_script(tmp_path, script(**phases))
    with serving(tmp_path, model=model) as server:
        log = server.wait_for(session_id, *ENDS)
        entries = server.client.get("/v1/memory").json()
    assert log[-1]["type"] == "task_completed"
    first, last = [event for event in log if event["type"] == "memory_merged"]
    assert first == merged
    assert [entry["memory_id"] for entry in entries] == [*first["data"]["added"], *last["data"]["added"]]
    assert sorted((entry["kind"], entry["content"].partition(":")[0]) for entry in entries) == [
        ("key_fact", "calc.add is wrong"),
        ("related_file", "calc.py"),
        ("research_note", "`add` subtracts."),
        ("work_log", "Make the failing test pass"),
    ]


def forget_steps(home: Path, first: str) -> None:
    """As if the process had been killed after the first of these steps and before it was noted."""
    with closing(sqlite3.connect(home / "engine.db")) as database, database:
        [(number,)] = database.execute(
            "SELECT min(function_id) FROM operation_outputs WHERE function_name LIKE ?", (first,)
        )
        assert database.execute("DELETE FROM operation_outputs WHERE function_id >= ?", (number,)).rowcount


MENDED = "def add(a, b):\n    return a + b\n"
PATCH = f"""\
--- /dev/null
+++ b/adding.py
@@ -0,0 +1,2 @@
+{MENDED.replace("    ", "+    ")}--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,1 @@
-def add(a, b):
-    return a - b
+from adding import add as add
"""
EDITS: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "edit_file": ({"path": "calc.py", "old": "a - b", "new": "a + b"}, "Edited calc.py", ["calc.py"]),
    "write_file": ({"path": "calc.py", "content": MENDED}, "Wrote calc.py", ["calc.py"]),
    "apply_patch": ({"patch": PATCH}, "Added adding.py.", ["adding.py", "calc.py"]),
}


@pytest.mark.parametrize("tool", EDITS)
def test_an_edit_that_was_made_and_not_noted_is_made_and_told_once(tmp_path: Path, tool: str) -> None:
    arguments, said, changed = EDITS[tool]
    phases = slow_script()["phases"]
    phases["implementation"][0]["tool_calls"] = [call(tool, **arguments)]
    phases["implementation"][1]["token_delay_ms"] = 200
    model = write_script(tmp_path, script(**phases))
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, "file_changed")
        server.kill()
    forget_steps(tmp_path / "home", "tool/implementation/%")
    phases["implementation"][1]["token_delay_ms"] = 0
    write_script(tmp_path, script(**phases))
    with serving(tmp_path, model=model) as server:
        log = server.wait_for(session_id, *ENDS)
        diff = server.client.get(f"/v1/sessions/{session_id}/diff").text
    assert log[-1]["type"] == "task_completed"
    assert diff.count("+    return a + b\n") == 1
    edit = next(event["data"]["tool_call_id"] for event in log if event["data"].get("tool") == tool)
    with closing(sqlite3.connect(tmp_path / "home" / "vgproject.db")) as database:
        [[answer]] = database.execute("SELECT request FROM turns WHERE phase = 'implementation' AND turn = 1")
    assert said in answer
    about = [event["type"] for event in log if event["data"].get("tool_call_id") == edit]
    told = ["file_changed"] * len(changed)
    assert about == ["tool_requested", "tool_started", "tool_completed", *told, "checkpoint_created"]
    assert [event["data"]["path"] for event in log if event["type"] == "file_changed"] == changed


def test_a_task_that_was_admitted_and_not_queued_goes_on_after_the_next_start(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    with serving(tmp_path, model=model) as server:
        session_id = str(server.client.post("/v1/sessions", json={}).json()["session_id"])
        task = {"type": "task", "id": "c1", "content": "Make the failing test pass"}
        with locked(tmp_path / "home" / "engine.db"), server.websocket() as websocket:
            websocket.send(json.dumps({**task, "session_id": session_id}))
            queued = server.wait_for(session_id, "task_queued")[-1]
            server.kill()
    with serving(tmp_path, model=model) as server:
        with server.websocket() as websocket:
            websocket.send(json.dumps({**task, "session_id": session_id}))
            answer = next(frame for frame in map(json.loads, websocket) if frame["type"] == "ack")
        log = server.wait_for(session_id, *ENDS)
    assert (answer["duplicate"], answer["data"]["task_id"]) == (True, queued["task_id"])
    assert log[-1]["type"] == "task_completed"
    assert [event["task_id"] for event in log if event["type"] == "task_queued"] == [queued["task_id"]]
    assert len(model_calls(model)) == 6


def apply_until_killed(server: Server, session_id: str) -> None:
    with suppress(httpx.TransportError):
        server.client.post(f"/v1/sessions/{session_id}/apply")


def test_a_kill_while_changes_are_applied_leaves_them_applied_once(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    mended = "def add(a, b):\n    return a + b\n"
    source = tmp_path / "project" / "calc.py"
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, *ENDS)
        applying = threading.Thread(target=apply_until_killed, args=(server, session_id))
        applying.start()
        wait_until(lambda: source.read_text() == mended)
        server.kill()
        applying.join()
    with serving(tmp_path, model=model) as server:
        server.client.post(f"/v1/sessions/{session_id}/apply").raise_for_status()
        applied = [event for event in server.events(session_id) if event["type"] == "workspace_applied"]
    assert source.read_text() == mended
    assert len(applied) == 1


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


def test_a_kill_while_colleagues_work_and_a_question_waits_repeats_no_finished_call(tmp_path: Path) -> None:
    looks = {"tool_calls": [call("read_file", path="calc.py")]}
    found = {
        "text": "I think about it. " * 40,
        "tool_calls": [call("submit_answer", answer="Done.")],
        "token_delay_ms": 8,
    }
    asks = [call("delegate", task="the first"), call("delegate", task="the second"), call("ask_user", question="Well?")]
    submit = call("submit_research", notes="Nothing.", needs_implementation=False)
    content = {
        "calls_log": "calls.jsonl",
        "phases": {"research": [{"tool_calls": asks}, {"tool_calls": [submit]}], "delegate": [looks, found]},
    }
    model = write_script(tmp_path, content)
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        log = server.wait_for(session_id, "tool_completed")
        question = next(frame["data"] for frame in log if frame["type"] == "question_asked")
        server.kill()
    before = len(model_calls(model))
    with serving(tmp_path, model=model) as server:
        answer = {"type": "answer", "question_id": question["question_id"], "content": "Well."}
        server.command(session_id, **answer).raise_for_status()
        log = server.wait_for(session_id, *ENDS)
    assert [frame["seq"] for frame in log] == list(range(1, len(log) + 1))
    done = {frame["data"]["tool"]: frame["data"]["result"] for frame in log if frame["type"] == "tool_completed"}
    assert (done["delegate"], done["ask_user"]) == ("Done.", "Well.")
    assert log[-1]["type"] == "task_completed"
    # A call is counted in the log once it has ended; only those that the kill cut off are made again.
    counted = [frame for frame in log if frame["type"] == "usage_updated"]
    assert len(counted) == 6
    cut_off = before - sum(
        frame["seq"] < next(f["seq"] for f in log if f["type"] == "task_recovered") for frame in counted
    )
    assert len(model_calls(model)) <= 6 + cut_off


def test_sigterm_stops_at_a_durable_point_and_the_task_goes_on_after_the_next_start(tmp_path: Path) -> None:
    model = write_script(tmp_path, slow_script())
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        server.wait_for(session_id, "research_complete")
        server.process.terminate()
        assert server.process.wait(timeout=100) == 0
    with serving(tmp_path, model=model) as server:
        log = server.wait_for(session_id, *ENDS)
    assert log[-1]["type"] == "task_completed"
    calls = [(made["phase"], made["turn"]) for made in model_calls(model)]
    assert len(calls) == len(set(calls)) == 6


def test_a_command_longer_than_the_grace_time_ends_with_the_server_and_asks_after_the_next_start_and_is_cancelled_at_once(
    tmp_path: Path,
) -> None:
    settings = tmp_path / "config" / "vgproject" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[limits]\ngrace_seconds = 1\n")
    model = write_waiting_script(tmp_path)
    with serving(tmp_path, model=model) as server:
        session_id = start_waiting_command(server, tmp_path)
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(timeout=100) == 0
        assert time.monotonic() - began < 8
        assert count_running(tmp_path) == 0
    with serving(tmp_path, model=model) as server:
        asked = server.wait_for(session_id, "recovery_decision_requested")[-1]
        decide(server, session_id, asked, "run_again")
        wait_until(lambda: count_running(tmp_path) == 2)
        began = time.monotonic()
        server.command(session_id, type="cancel").raise_for_status()
        assert server.wait_for(session_id, *ENDS)[-1]["type"] == "task_cancelled"
        assert time.monotonic() - began < 3, "a machine of its own needs under 1 second"
        assert count_running(tmp_path) == 0


def write_background_script(tmp_path: Path, *after: dict[str, Any]) -> str:
    """A command in the background with two processes, one of which leaves its group, then the turns ``after``."""
    command = f"setsid sleep {duration(tmp_path)} & echo on; exec sleep {duration(tmp_path)}"
    start = {"tool_calls": [call("run_command", command=command, background=True)]}
    submit = {"tool_calls": [call("submit_implementation", summary="Done.")]}
    edit = script()["phases"]["implementation"][0]
    return write_script(tmp_path, script(implementation=[start, *after, edit, submit]))


def test_a_killed_server_leaves_no_background_command_and_says_so_after_the_next_start(tmp_path: Path) -> None:
    """The start is not repeated: it is answered from its record, and only a look at the command tells of its end."""
    waiting = {"tool_calls": [call("run_command", command="sleep 600", timeout_seconds=600)]}
    model = write_background_script(tmp_path, waiting)
    with serving(tmp_path, model=model) as server:
        session_id = server.start_task()
        log = server.wait_for(session_id, "tool_completed", after=phase_began(server, session_id))
        command_id = log[-1]["data"]["details"]["command_id"]
        wait_until(lambda: count_running(tmp_path) == 2)
        server.wait_for(session_id, "tool_started", after=log[-1]["seq"])
        server.kill()
        wait_until(lambda: count_running(tmp_path) == 0)
    looks = [{"tool_calls": [call(tool, command_id=command_id)]} for tool in ("read_output", "stop_command")]
    write_background_script(tmp_path, waiting, *looks)
    with serving(tmp_path, model=model) as server:
        asked = server.wait_for(session_id, "recovery_decision_requested")[-1]
        assert asked["data"]["arguments"]["command"] == "sleep 600"
        assert count_running(tmp_path) == 0
        decide(server, session_id, asked, "skip")
        log = server.wait_for(session_id, *ENDS)
    assert log[-1]["type"] == "task_completed"
    results = [event["data"] for event in log if event["type"] == "tool_completed"]
    looked = [data for data in results if data["tool"] in ("read_output", "stop_command")]
    assert [data["details"]["reason"] for data in looked] == ["interrupted", "interrupted"]
    assert all("was ended with the server" in data["result"] for data in looked)


def phase_began(server: Server, session_id: str) -> int:
    """The seq at which implementation began."""
    log = server.wait_for(session_id, "planning_complete")
    return int(server.wait_for(session_id, "phase_started", after=log[-1]["seq"])[-1]["seq"])


@pytest.mark.parametrize("how", ["completed", "cancelled", "terminated"])
def test_background_commands_end_with_their_phase_and_on_cancel_and_with_the_server(tmp_path: Path, how: str) -> None:
    waiting = {"tool_calls": [call("run_command", command="while ! test -e $HOME/go; do sleep 0.05; done")]}
    model = write_background_script(tmp_path, waiting)
    settings = tmp_path / "settings.toml"
    settings.write_text("[limits]\ngrace_seconds = 1\n")
    with serving(tmp_path, model=model, config=str(settings)) as server:
        session_id = server.start_task()
        wait_until(lambda: count_running(tmp_path) == 2)
        if how == "terminated":
            server.process.terminate()
            assert server.process.wait(timeout=100) == 0
        elif how == "cancelled":
            server.command(session_id, type="cancel").raise_for_status()
            assert server.wait_for(session_id, *ENDS)[-1]["type"] == "task_cancelled"
        else:
            (tmp_path / "home" / "workspaces" / session_id / "home" / "go").touch()
            server.wait_for(session_id, "implementation_complete")
        assert count_running(tmp_path) == 0


def test_a_second_sigterm_ends_the_server_at_once_with_what_it_runs(tmp_path: Path) -> None:
    with serving(tmp_path, model=write_waiting_script(tmp_path)) as server:
        start_waiting_command(server, tmp_path)
        with server.websocket() as websocket:
            frames = (frame for message in map(json.loads, websocket) for frame in listed(message))
            server.process.terminate()
            next(frame for frame in frames if frame["type"] == "server_draining")
            began = time.monotonic()
            server.process.terminate()
            server.process.wait(timeout=100)
            assert time.monotonic() - began < 5, "without the second signal the grace time is 10 seconds"
        wait_until(lambda: count_running(tmp_path) == 0)


def listed(message: Any) -> list[dict[str, Any]]:
    return message if isinstance(message, list) else [message]


def write_waiting_script(tmp_path: Path) -> str:
    """One of the command's two processes leaves its process group. In its box they have other ids than outside."""
    implementation = script()["phases"]["implementation"]
    command = f"setsid sleep {duration(tmp_path)} & sleep {duration(tmp_path)} & wait"
    implementation[1] = {"tool_calls": [call("run_command", command=command, timeout_seconds=600)]}
    return write_script(tmp_path, script(implementation=implementation))


def duration(tmp_path: Path) -> str:
    """A number of seconds that no other test's processes have among their words."""
    return f"300.{zlib.crc32(bytes(tmp_path)):010}"


def start_waiting_command(server: Server, tmp_path: Path) -> str:
    """Returns once the command's two processes run."""
    session_id = server.start_task()
    wait_until(lambda: count_running(tmp_path) == 2)
    return session_id


def count_running(tmp_path: Path) -> int:
    wanted = b"\0".join((b"sleep", duration(tmp_path).encode(), b""))
    found = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += process.read_bytes() == wanted
    return found

"""The log of a server process, as its operator reads it."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from programs import Program
from sample import TEST_COMMAND, make_project, script, write_script

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
REFUSED_CODE = "a-code-that-is-wrong"


def lines_of(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_each_line_names_its_request_session_and_task_and_none_has_a_token_or_code(tmp_path: Path) -> None:
    broken = script()
    # A reply that no model gives makes the pipeline say something of a task.
    broken["phases"]["planning"] = []
    options = ["--port", "0", "--project", str(make_project(tmp_path / "project")), "--log-format", "json"]
    words = [*options, "--model", write_script(tmp_path, broken), "--approvals", "never"]
    settings = {"VGPROJECT_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path), "VGPROJECT_TOKEN": TOKEN}
    environ = {**os.environ, **settings, "VGPROJECT_MEMORY__EMBEDDINGS": "none"}
    log = tmp_path / "server.log"
    with (
        log.open("w") as written,
        Program(
            "serve",
            *words,
            env=environ | {"VGPROJECT_TEST_COMMAND": TEST_COMMAND},
            stdout=subprocess.PIPE,
            stderr=written,
        ) as process,
    ):
        assert process.stdout
        url, _, code = process.stdout.readline().partition("ready at ")[2].strip().partition("/sign-in?code=")
        with httpx.Client(base_url=url, headers=HEADERS) as client:
            given = client.get("/v1/sessions/nowhere", headers={"X-Request-Id": "from-the-proxy.1"})
            made = client.get("/readyz", headers={"X-Request-Id": "not sane\t!"})
            client.get("/sign-in", params={"code": REFUSED_CODE})
            client.get("/sign-in", params={"code": code})
        address = f"{url.replace('http', 'ws')}/v1/ws?token={TOKEN}"
        with connect(address, additional_headers=HEADERS) as websocket:
            websocket.send(json.dumps({"type": "task", "content": "Make the failing test pass"}))
            frames = _frames_until_the_end(websocket)
        process.terminate()
        assert process.wait(timeout=100) == 0
    lines = lines_of(log)
    for secret in (TOKEN, code, REFUSED_CODE):
        assert secret not in log.read_text()
    assert given.headers["X-Request-Id"] == given.json()["request_id"] == "from-the-proxy.1"
    assert re.fullmatch(r"req_\w{26}", made.headers["X-Request-Id"])
    visits = [line for line in lines if line["logger"] == "vgproject.visits"]
    assert [(line["method"], line["path"], line["status"], line["user"]) for line in visits] == [
        ("GET", "/v1/sessions/nowhere", 404, "owner"),
        ("GET", "/readyz", 200, ""),
        ("GET", "/sign-in?…", 401, ""),
        ("GET", "/sign-in?…", 303, ""),
        ("WEBSOCKET", "/v1/ws?…", 1000, "owner"),
    ]
    first = visits[0]
    assert (first["request_id"], first["session_id"]) == ("from-the-proxy.1", "nowhere")
    assert visits[1]["request_id"] == made.headers["X-Request-Id"]
    assert visits[-1]["bytes_in"] > 0
    assert visits[-1]["bytes_out"] > first["bytes_out"] > 0
    assert first["duration_ms"] > 0
    ended = frames[-1]
    [told] = [line for line in lines if line["logger"] == "vgproject.pipeline"]
    assert (told["session_id"], told["task_id"]) == (ended["session_id"], ended["task_id"])
    assert "failed" in told["message"]


def _frames_until_the_end(websocket: Any) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    for message in websocket:
        received = json.loads(message)
        frames += received if isinstance(received, list) else [received]
        if frames[-1]["type"] == "task_failed":
            return frames
    raise AssertionError(frames)

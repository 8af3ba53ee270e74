"""`run` and `attach` in a real terminal, against a real server: what is seen, and what is typed."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from programs import Program, run_program
from sample import call, make_project, script, write_script
from terminals import Terminal, open_terminal

pytestmark = pytest.mark.timeout(300)  # Several programs start in each, which takes long on a busy machine.
PLAN = {"summary": "Add instead of subtracting.", "steps": [{"id": "1", "title": "Mend add", "files": ["calc.py"]}]}
HOSTILE = (
    "import sys\n"
    "print('\\033]0;EVIL\\007\\033[2J\\033[H\\033[?1049h\\033[10Aafter all', end='')\n"
    "print('\\033]52;c;RVZJTA==\\033\\\\ \\033[31mred\\033[0m \\U0001f600 漢字 \\u202Eback', end='\\n')\n"
    "print('10%\\r20%\\r100%')\n"
)


class House:
    """A project, a server of its own data directory, and terminals beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = make_project(directory / "project")
        self.home = directory / "home"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "VGPROJECT_HOME": str(self.home),
            "VGPROJECT_MEMORY__EMBEDDINGS": "none",
            "VGPROJECT_SANDBOX": "none",
            "VGPROJECT_ACCEPT_NO_ISOLATION": "true",
        }
        self.server = self.serve()

    def serve(self) -> Program:
        server = Program(
            "serve",
            "--port",
            "0",
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert server.stdout
        assert "ready at" in server.stdout.readline()
        return server

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait(60)
        assert self.server.stdout
        self.server.stdout.close()

    def model(self, name: str, **phases: Any) -> str:
        return write_script(self.directory / name, script(**phases))

    def open(
        self, *words: str, columns: int = 100, rows: int = 40, **environment: str
    ) -> AbstractContextManager[Terminal]:
        environment = self.environment | environment
        return open_terminal(words, cwd=self.project, environment=environment, columns=columns, rows=rows)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    yield house
    house.stop()


def implementation(command: str = "true # not harmless", **delays: Any) -> list[dict[str, Any]]:
    return [
        {"tool_calls": [call("write_file", path="calc.py", content="def add(a, b):\n    return a + b\n")]},
        {"tool_calls": [call("run_command", command=command)]},
        {
            "text": "All is **green**.",
            "tool_calls": [call("submit_implementation", summary="`add` adds now.")],
            **delays,
        },
    ]


def session_of(house: House) -> str:
    """The newest."""
    listed = run_program("sessions", "--json", cwd=house.project, env=house.environment)
    return str(json.loads(listed.stdout)[0]["session_id"])


def test_the_main_job_is_done_with_a_plan_that_is_sent_back_a_word_on_the_way_and_an_edited_call(
    house: House, tmp_path: Path
) -> None:
    plans = [{"tool_calls": [call("submit_plan", **{**PLAN, "summary": text})]} for text in ("First.", "Second.")]
    model = house.model("job", planning=plans, implementation=implementation("echo asked # for"))
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\nif [ -e {tmp_path}/once ]; then echo \'{{"command": "echo edited"}}\' > "$1"\n')
    editor.write_text(editor.read_text() + f'else touch {tmp_path}/once; echo "no JSON" > "$1"; fi\n')
    editor.chmod(0o755)
    words = ["run", "Mend add", "--approvals", "untrusted", "--plan-gate", "--model", model]
    with house.open(*words, EDITOR=str(editor)) as terminal:
        terminal.wait_for("Follow this plan? First.", "research ▸ [planning] ▸ implementation", "needs you")
        terminal.type("/plan revise Another one\r")
        terminal.wait_for("Follow this plan? Second.")
        terminal.type("y\r")
        terminal.wait_for("Approve?", "echo asked # for", "y yes · n no")
        terminal.type("Be careful\r")
        terminal.wait_for("The running task is told.", "owner: Be careful")
        terminal.type("/approve edit\r")
        terminal.wait_for("That is not JSON", "it is kept")
        terminal.type("/approve edit\r")
        assert terminal.wait_for_end() == 0
        shown = terminal.shown
    assert [line for line in shown.splitlines() if line.strip() == "edited"] != []
    assert "All is green." in shown
    assert "see `vgproject diff" in shown.replace("\n", "")
    assert "steer›" not in shown, "nothing is left of the prompt"


def test_a_question_is_answered_by_its_number_and_ctrl_c_asks_before_it_stops_the_task(house: House) -> None:
    asks = {"tool_calls": [call("ask_user", question="Which way?", choices=["left", "right"])]}
    model = house.model("question", implementation=[asks, *implementation()])
    with house.open("run", "Mend add", "--approvals", "untrusted", "--model", model) as terminal:
        terminal.wait_for("? Which way?", "2. right", "answer›")
        terminal.type("2\r")
        terminal.wait_for("owner: right", "Approve?")
        terminal.type("\x03")
        terminal.wait_for("Leave?")
        terminal.type("g")
        terminal.wait_without("Leave?")
        terminal.program.send_signal(signal.SIGINT)
        terminal.wait_for("Leave?")
        terminal.type("s")
        assert terminal.wait_for_end() == 1
        assert "Cancelled." in terminal.shown


def test_who_leaves_with_ctrl_c_twice_finds_the_task_again_and_a_server_that_was_away_costs_no_line(
    house: House,
) -> None:
    model = house.model("restart", implementation=implementation())
    with house.open("run", "Mend add", "--approvals", "untrusted", "--model", model) as terminal:
        terminal.wait_for("Approve?")
        terminal.type("\x03\x03")
        assert terminal.wait_for_end() == 3
        assert "goes on at the server" in terminal.shown
    with house.open("attach", session_of(house)) as terminal:
        terminal.wait_for("Approve?", "steer›")
        terminal.type("/appr")
        house.stop()
        terminal.wait_for("connection lost, trying again", "steer› /appr")
        house.server = house.serve()
        terminal.wait_without("connection lost")
        terminal.type("ove\r")
        terminal.wait_for("approve by owner", "All is green.", "Completed", "task›")
        terminal.type("/quit\r")
        assert terminal.wait_for_end() == 0
        lines = terminal.shown.splitlines()
    for once in ("━━ Implementation", "Needs approval", "approve by owner", "All is green.", "Completed"):
        assert len([line for line in lines if line.startswith(once)]) == 1, once


def test_a_session_without_a_task_takes_one_and_orders_show_and_apply_what_it_did(house: House) -> None:
    session = subprocess.run(
        [sys.executable, "-c", NEW_SESSION, str(house.home), house.model("orders", implementation=implementation())],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with house.open("attach", session, columns=60, rows=30) as terminal:
        terminal.wait_for("task›")
        terminal.type("/nonsense\r")
        terminal.wait_for("There is no /nonsense. There are /approve")
        terminal.type("Mend add\r")
        terminal.wait_for("That is a new task.", "Completed", "task›")
        terminal.type("/diff\r/apply\r/memory subtracts\r/rewind\r/model\r/help\r")
        shown = terminal.wait_for(
            "+    return a + b", " modified calc.py +1 -1", "`add` subtracts.", "the next turn on"
        )
        terminal.wait_for("a second time, leaves")
        assert re.search(r"^ +\d+  \d\d:\d\d:\d\d  calc.py$", shown, re.MULTILINE)
        terminal.type("/re\t")
        terminal.wait_for("/resume", "/retry", "/rewind")
        terminal.resize(40, 20)
        terminal.wait_for("completed ·")
        assert all(len(line) <= 40 for line in terminal.last_lines)
        terminal.type("\x15\x04")
        assert terminal.wait_for_end() == 0
    history = house.home / "history"
    assert "+/nonsense" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_what_a_command_prints_moves_nothing_on_the_screen(house: House) -> None:
    (house.project / "hostile.py").write_text(HOSTILE)
    model = house.model("hostile", implementation=implementation("python3 hostile.py"))
    words = ["run", "Mend add", "--yes", "--take-uncommitted", "--model", model]
    with house.open(*words, columns=40) as terminal:
        assert terminal.wait_for_end() == 0
        lines = terminal.shown.splitlines()
    assert "after all red 😀漢字back" in [re.sub(r"(?<=[😀漢字]) ", "", line) for line in lines]
    assert "100%" in lines
    assert lines[0] == "Task Mend add"
    assert b"EVIL" not in terminal.raw
    assert re.findall(rb"\x1b\][^\n]*|\x1b\[2J|\x1b\[\?1049h|\x1b\[10A", terminal.raw) == []
    assert b"\x1b[31mred\x1b[0m" in terminal.raw


def test_a_dumb_terminal_gets_plain_lines_and_is_asked_all_the_same(house: House) -> None:
    model = house.model("dumb", implementation=implementation())
    with house.open("run", "Mend add", "--approvals", "untrusted", "--model", model, TERM="dumb") as terminal:
        terminal.wait_for("[a]lways this:")
        terminal.type("y\n")
        assert terminal.wait_for_end() == 0
        assert b"\x1b" not in terminal.raw


NEW_SESSION = """
import asyncio, sys
from pathlib import Path
from vgproject.cli.client import Client
from vgproject.cli.home import find_server
client = Client(find_server(Path(sys.argv[1])))
settings = {"model": sys.argv[2], "approvals": "never", "test_command": ""}
print(asyncio.run(client.send(type="create_session", settings=settings))["session_id"])
"""

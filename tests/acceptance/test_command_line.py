"""The command line as a user meets it: what it prints, and how it ends."""

import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from programs import Program, run_program
from sample import call, make_project, script, write_script
from small_disk import small_disk


class Terminal:
    """A shell in a project, with a data directory of its own and no key."""

    def __init__(self, tmp_path: Path) -> None:
        self.project = tmp_path / "project"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "VGPROJECT_HOME": str(tmp_path / "home"),
            "VGPROJECT_MEMORY__EMBEDDINGS": "none",
        }

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return run_program(*words, cwd=self.project, env=self.environment | environment)

    def start(self, *words: str) -> Program:
        return Program(
            *words,
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The commands find the server through the data directory."""
        with self.start("serve", "--port", "0") as server:
            try:
                assert server.stdout
                assert "ready at" in server.stdout.readline()
                yield
            finally:
                server.terminate()

    def ask(self, *words: str) -> Any:
        done = self.run("memory", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def count_sessions(self) -> int:
        path = Path(self.environment["VGPROJECT_HOME"]) / "vgproject.db"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(path)) as database:
            [(count,)] = database.execute("SELECT count(*) FROM sessions")
        return int(count)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    make_project(tmp_path / "project")
    return Terminal(tmp_path)


@pytest.mark.parametrize(
    ("words", "environment", "code", "sentence"),
    [
        (["run", "x"], {}, 2, "none of ANTHROPIC_API_KEY"),
        (["run", "x", "--model", "openai:gpt"], {}, 2, "OPENAI_API_KEY"),
        (["run", "x", "--model", "mine:best"], {}, 2, "one of anthropic"),
        (["run", "x", "--project", "nowhere"], {}, 2, "is not a directory"),
        (["run", "x", "--project", "calc.py"], {}, 2, "is not a directory"),
        (["serve", "--project", "nowhere"], {}, 2, "(command line) is 'nowhere': it must be a directory"),
        (["serve"], {"VGPROJECT_PROJECT": "calc.py"}, 2, "(environment VGPROJECT_PROJECT) is 'calc.py'"),
        (["run", "x", "--approvals", "sometimes"], {}, 2, "'untrusted'"),
        (["run", "x", "--config", "nowhere.toml"], {}, 2, "nowhere.toml"),
        (["run", "x"], {"VGPROJECT_PORT": "99999"}, 2, "environment VGPROJECT_PORT"),
        (["diff", "nosuch"], {}, 1, "no session 'nosuch'"),
        (["events", "nosuch"], {}, 1, "no session 'nosuch'"),
        (["events", "nosuch", "--follow"], {}, 1, "no session 'nosuch'"),
        (["attach", "nosuch"], {}, 1, "no session 'nosuch'"),
        (["diff"], {}, 1, "No session of the project"),
        (["sessions", "--server", "http://127.0.0.1:9"], {}, 1, "does not answer"),
        (["sessions"], {"VGPROJECT_HOME": "calc.py/home"}, 2, "data directory calc.py/home"),
        (["db", "upgrade", "--database-url", "mysql://x/y"], {}, 2, "postgresql://"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    terminal: Terminal, words: list[str], environment: dict[str, str], code: int, sentence: str
) -> None:
    done = terminal.run(*words, **environment)
    assert (done.returncode, sentence in done.stderr.replace("\n│", "")) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.splitlines()) == 1
    assert terminal.count_sessions() == 0, "nothing half-done is left"


def test_a_data_directory_that_cannot_be_written_stops_the_start(terminal: Terminal, tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", megabytes=8) as disk:
        disk.make_read_only()
        refused = terminal.run("serve", "--port", "0")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert refused.stderr.endswith("home cannot be written: Read-only file system.\n")
        disk.make_writable()
        disk.fill()
        assert_full(terminal.run("serve", "--port", "0"))
        disk.free()
        assert json.loads(terminal.run("sessions", "--json").stdout) == []
        disk.fill()
        assert_full(terminal.run("serve", "--port", "0"))
        disk.free()
        assert json.loads(terminal.run("sessions", "--json").stdout) == []


def assert_full(refused: "subprocess.CompletedProcess[str]") -> None:
    assert (refused.returncode, "full" in refused.stderr, "Traceback" in refused.stderr) == (1, True, False), refused
    assert refused.stdout == ""


def test_a_broken_configuration_file_and_a_taken_port_stop_the_start(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = terminal.run("serve", "--port", port)
    assert (refused.returncode, f"127.0.0.1:{port} cannot be used" in refused.stderr) == (2, True)
    (terminal.project / "vgproject.toml").write_text("model = ")
    broken = terminal.run("run", "x")
    assert (broken.returncode, "vgproject.toml is not TOML" in broken.stderr) == (2, True)


def test_an_unreachable_model_fails_the_task_and_says_where(terminal: Terminal, tmp_path: Path) -> None:
    settings = tmp_path / "once.toml"
    settings.write_text("[llm]\nattempts = 1\n[phases.research]\nretries = 0\n")
    done = terminal.run(
        "run", "x", "--model", "openai-compatible:m", "--config", str(settings), OPENAI_BASE_URL="http://127.0.0.1:9/v1"
    )
    assert done.returncode == 1
    assert "openai-compatible:m" in done.stdout
    assert terminal.count_sessions() == 1


@pytest.mark.parametrize("kind", ["no repository", "empty repository", "dirty repository"])
def test_a_task_runs_in_any_directory_and_its_changes_are_applied(tmp_path: Path, kind: str) -> None:
    terminal = Terminal(tmp_path)
    terminal.project.mkdir()
    for words in {"no repository": [], "empty repository": ["init"], "dirty repository": ["init"]}[kind]:
        subprocess.run(["git", words, "-q"], cwd=terminal.project, check=True)
    (terminal.project / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    if kind == "dirty repository":
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
        subprocess.run(["git", "add", "."], cwd=terminal.project, check=True)
        subprocess.run(["git", *identity, "commit", "-qm", "1"], cwd=terminal.project, check=True)
        (terminal.project / "mine.txt").write_text("not committed\n")
    implementation = script()["phases"]["implementation"]
    implementation[1] = {"tool_calls": [call("run_command", command="true")]}
    model = write_script(tmp_path, script(implementation=implementation))
    done = terminal.run("run", "Mend add", "--yes", "--json", "--model", model)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "+    return a + b" in terminal.run("diff").stdout
    assert terminal.run("apply").returncode == 0
    assert (terminal.project / "calc.py").read_text() == "def add(a, b):\n    return a + b\n"
    if kind == "dirty repository":
        assert (terminal.project / "mine.txt").read_text() == "not committed\n"


def test_an_answer_that_nobody_can_give_ends_with_3_and_a_wrong_token_is_refused(
    terminal: Terminal, tmp_path: Path
) -> None:
    model = write_script(tmp_path, script())
    asked = terminal.run("run", "Mend add", "--approvals", "untrusted", "--model", model)
    assert asked.returncode == 3
    assert "vgproject attach ses_" in asked.stderr
    [session] = json.loads(terminal.run("sessions", "--json").stdout)
    assert session["status"] == "needs_you"
    assert terminal.run("attach", session["session_id"]).returncode == 3


def test_an_interrupted_run_ends_with_130_and_attach_goes_on_with_it(terminal: Terminal, tmp_path: Path) -> None:
    content = script()
    content["phases"]["planning"][0] |= {"text": "I think about it. " * 6, "token_delay_ms": 100}
    model = write_script(tmp_path, content)
    words = ["run", "Mend add", "--yes", "--json", "--model", model]
    running = Program(
        *words,
        cwd=terminal.project,
        env=terminal.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    with running.stdout, running.stderr:
        session_id = next(
            event["session_id"]
            for event in map(json.loads, running.stdout)
            if event["type"] == "planning_complete" or event["type"] == "research_complete"
        )
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=100) == 130
        assert "Traceback" not in running.stderr.read()
    write_script(tmp_path, script())
    assert terminal.run("attach", session_id).returncode == 0


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        pytest.param(b"maybe\ny\n", 0, id="an answer after one that is none"),
        pytest.param(b"\x04", 3, id="Ctrl-D"),
        pytest.param(None, 130, id="Ctrl-C"),
    ],
)
def test_a_question_goes_to_the_terminal_not_into_a_pipe_and_can_be_left_at_once(
    terminal: Terminal, tmp_path: Path, keys: bytes | None, code: int
) -> None:
    person, program = pty.openpty()
    content = script()
    content["phases"]["implementation"][1] = {"tool_calls": [call("run_command", command="python3 -c 'pass'")]}
    words = ["run", "Mend add", "--approvals", "untrusted", "--json", "--model", write_script(tmp_path, content)]
    with (
        Program(
            *words,
            cwd=terminal.project,
            env=terminal.environment,
            stdin=program,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running,
        os.fdopen(person, "rb+", buffering=0) as screen,
    ):
        os.close(program)
        asked = b""
        while b"[a]lways this: " not in asked:
            asked += screen.read(4096)
        if keys:
            screen.write(keys)
        else:
            running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=100)
    assert (running.returncode, "Traceback" in errors) == (code, False), errors
    assert "python3 -c" in asked.decode()
    events = [json.loads(line) for line in output.splitlines()]
    assert "approval_requested" in {event["type"] for event in events}


def test_memory_is_watched_from_what_is_known_on(terminal: Terminal) -> None:
    with terminal.serving():
        entry = terminal.ask("add", "Water is wet.")["memory_id"]
        with terminal.start("memory", "watch") as watching:
            assert watching.stdout
            assert watching.stdout.readline() == f"{entry}  v1  Water is wet.\n"
            terminal.ask("edit", entry, "Water is very wet.")
            changed = watching.stdout.readline()
            watching.send_signal(signal.SIGINT)
            assert watching.wait(timeout=100) == 130
    assert changed.startswith(f"{entry}  v2  updated by owner at ")
    assert changed.endswith(": Water is very wet.\n")


def test_a_token_is_made_listed_used_and_revoked(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    make_project(terminal.project)
    made = terminal.run("token", "create", "ada", "--role", "viewer", "--expires", "12h", "--name", "her screen")
    assert made.returncode == 0, made.stderr
    token, [token_id] = made.stdout.strip(), re.findall(r"tok_\w+", made.stderr)
    assert re.fullmatch(r"vgp_[\w-]{43}", token)
    [listed] = json.loads(terminal.run("token", "list", "--json").stdout)
    assert (listed["token_id"], listed["user"], listed["role"]) == (token_id, "ada", "viewer")
    assert token_id in terminal.run("token", "list").stdout
    assert terminal.run("token", "revoke", token_id).stdout == f"Revoked {token_id} of ada.\n"
    assert 'revoked_at": null' not in terminal.run("token", "list", "--json").stdout
    wrong = terminal.run("token", "create", "ada", "--expires", "soon")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "'soon'" in wrong.stderr


def test_a_server_that_others_reach_without_tls_says_so_and_what_cannot_be_served_stops_the_start(
    tmp_path: Path,
) -> None:
    terminal = Terminal(tmp_path)
    make_project(terminal.project)
    warned = terminal.run("serve", "--host", "0.0.0.0", "--port", "0", "--auth", "jwt")
    assert warned.returncode == 2
    assert [line[:32] for line in warned.stderr.splitlines()] == [
        "0.0.0.0 is not loopback and ther",
        'With `auth = "jwt"`, \'jwt.issuer',
    ]
    refused = terminal.run("serve", "--port", "0", "--tls-cert", "nowhere.pem")
    assert (refused.returncode, refused.stderr) == (2, "TLS needs both --tls-cert and --tls-key.\n")

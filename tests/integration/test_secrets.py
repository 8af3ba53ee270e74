"""No secret is stored, sent or said to a model; the files that hold one stay as they are."""

import logging
from pathlib import Path
from typing import Any

import pytest

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import call, make_project, script, write_script
from vgproject.cli.logs import MaskingFormatter
from vgproject.config import load_config
from vgproject.knowledge.namespaces import of_project
from vgproject.schema import commands as c
from vgproject.utils.secrets import SecretMask

KEY = "sk-ant-api03-0123456789abcdefghij"
OWN = "the-key-of-this-server"
PASSWORD = "hunter2hunter2"
SECRETS = (KEY, OWN, PASSWORD)
CONFIGURATION = f"name = calc\npassword={PASSWORD}\nkey = {KEY}\nlevel = 1\n"
PRINT = "import sys,time; [(sys.stdout.write(c), sys.stdout.flush()) for c in open('settings.ini').read()]"


class Ear:
    def __init__(self) -> None:
        self.deltas: list[dict[str, Any]] = []

    def on_wake(self, seq: int) -> None: ...

    def on_delta(self, delta: dict[str, Any]) -> None:
        self.deltas.append(delta)


def secrets_in(directory: Path) -> list[str]:
    content = b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())
    return [secret for secret in SECRETS if secret.encode() in content]


async def test_a_secret_is_nowhere_but_in_its_file(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / "settings.ini").write_text(CONFIGURATION)
    implementation = [
        {"text": f"I found {KEY}.", "tool_calls": [call("read_file", path="settings.ini"), call("git_diff")]},
        {"tool_calls": [call("run_command", command=f'python3 -c "{PRINT}"; for i in 1 2 3; do echo {OWN}; done')]},
        {"tool_calls": [call("run_command", command="head -c 200000 /dev/zero | tr '\\0' x; cat settings.ini")]},
        {"tool_calls": [call("write_file", path="made_up.py", content=f"KEY = '{KEY}'\n")]},
        {"tool_calls": [call("edit_file", path="settings.ini", old="level = 1", new="level = 2")]},
        {"tool_calls": [call("remember", kind="key_fact", content=f"The key is {KEY}")]},
        {"tool_calls": [call("submit_implementation", summary=f"password={PASSWORD}")]},
    ]
    model = write_script(tmp_path, script(implementation=implementation))
    environ = {"OPENAI_API_KEY": OWN}
    ear = Ear()
    options: dict[str, Any] = {"approvals": "never", "take_uncommitted": True}
    async with services_for(tmp_path, model=model, environ=environ, **options) as services:
        session = await services.sessions.execute(c.CreateSession(), OWNER)
        session_id = str(session["session_id"])
        stop = services.broker.listen(session_id, ear)
        await services.sessions.execute(c.TaskCommand(session_id=session_id, content=f"Use {OWN} and {KEY}"), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        stop()
        turns = await services.sessions.list_turns(session_id, OWNER)
        memory = await services.memory.list_entries(of_project(str(project.resolve())))
        workspace = await services.workspaces.open(session_id)
        written = {name: (workspace.root / name).read_text() for name in ("settings.ini", "made_up.py")}
        views = await services.sessions.list_sessions(OWNER)

    assert frames[-1].type == "task_completed", frames[-1].data
    seen = str([frames, turns, memory, ear.deltas, views])
    assert [secret for secret in SECRETS if secret in seen] == []
    assert secrets_in(tmp_path / "home") == []
    for kind in ("api key", "password", "OPENAI_API_KEY"):
        assert f"[masked: {kind}]" in seen
    assert written["settings.ini"] == CONFIGURATION.replace("level = 1", "level = 2")
    assert written["made_up.py"] == f"KEY = '{KEY}'\n"
    for kind in ("tool_output_delta", "text_delta"):
        assert joined(ear.deltas, kind)


def joined(deltas: list[dict[str, Any]], kind: str) -> str:
    """The texts put together by their offsets, which must fit."""
    texts: dict[str, str] = {}
    for delta in (delta for delta in deltas if delta["type"] == kind):
        name = delta.get("tool_call_id") or delta["message_id"]
        assert delta["offset"] == len(texts.get(name, ""))
        texts[name] = texts.get(name, "") + delta["text"]
    return "\n".join(texts.values())


@pytest.mark.parametrize(
    "bad",
    [
        call("write_file", path="settings.ini", content="password=[masked: password]\n"),
        call("edit_file", path="settings.ini", old="level = 1", new="key = [masked: api key]"),
        call("edit_file", path="settings.ini", old="password=[masked: password]", new="password="),
        call("run_command", command="echo '[masked: api key]' > settings.ini"),
    ],
)
async def test_a_mask_is_never_written_to_a_file(tmp_path: Path, bad: dict[str, Any]) -> None:
    project = make_project(tmp_path / "project")
    (project / "settings.ini").write_text(CONFIGURATION)
    done = {"tool_calls": [call("submit_implementation", summary="Done")]}
    implementation = [{"tool_calls": [call("read_file", path="settings.ini")]}, {"tool_calls": [bad]}, done]
    model = write_script(tmp_path, script(implementation=implementation))
    async with services_for(tmp_path, model=model, approvals="never", take_uncommitted=True) as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        after = (await services.workspaces.open(session_id)).root / "settings.ini"
        assert after.read_text() == CONFIGURATION
    [failed] = [frame.data for frame in frames if frame.type == "tool_failed"]
    assert failed["code"] == "masked"
    assert "nothing was done" in failed["message"]


def test_the_servers_own_secrets_are_those_of_its_environment_and_its_configuration() -> None:
    environ = {"OPENAI_API_KEY": OWN, "PATH": "/usr/bin", "SSH_KEY": "/home/me/.ssh/id", "MY_TOKEN": "0123456789"}
    url = "postgresql://me:p%40ssword-1@host/db"
    mask = SecretMask(load_config({"token": "long-token-1", "database_url": url}, environ).own_secrets())
    assert mask.mask(f"{OWN} p@ssword-1 {url} long-token-1 0123456789 /home/me/.ssh/id") == (
        "[masked: OPENAI_API_KEY] [masked: database password]"
        " postgresql://me:[masked: password]@host/db"
        " [masked: token] [masked: MY_TOKEN] /home/me/.ssh/id"
    )


def test_a_traceback_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError(f"password={PASSWORD} {OWN}")
    except RuntimeError:
        logging.getLogger("test").exception("It failed with %s", KEY)
    text = MaskingFormatter(SecretMask({"OPENAI_API_KEY": OWN})).format(caplog.records[0])
    assert [secret for secret in SECRETS if secret in text] == []
    assert "It failed with [masked: api key]\nTraceback" in text

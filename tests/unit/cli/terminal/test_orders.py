from pathlib import Path
from typing import Any

import pytest

from unit.cli.terminal.test_state import STARTED, event, state_after
from vgproject.cli.client import Client
from vgproject.cli.home import ServerAddress
from vgproject.cli.styles import Styles
from vgproject.cli.terminal.orders import Orders, help_lines
from vgproject.errors import VgprojectError

PAGE = (Path(__file__).parents[4] / "docs" / "terminal.md").read_text()


class Desk(Client):
    """Keeps what it is asked in place of sending it."""

    def __init__(self) -> None:
        super().__init__(ServerAddress("http://127.0.0.1:9", ""))
        self.commands: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, **options: Any) -> Any:
        self.commands.append({name: value for name, value in options["json"].items() if name != "id"})
        return {}


def approval(approval_id: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"approval_id": approval_id, "tool_call_id": "c", "tool": "run_command", "reason": "Why."}
    return event("approval_requested", **asked, arguments={"command": "ls"})


EXCEEDED = event("budget_exceeded", limit="tokens", allowed=10, used=11, scope="task")
PROPOSED = event("plan_proposed", approval_id="p", plan={"summary": "S", "steps": []})
QUESTION = event("question_asked", question_id="q", question="?", choices=["left", "right"])


async def obey(
    typed: str, *frames: dict[str, Any], edited: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """The commands that became of it, and what was said."""
    desk, drafts = Desk(), list(edited)
    said: list[str] = []

    async def edit(text: str) -> str | None:
        return drafts.pop(0) if drafts else None

    orders = Orders(
        desk, state_after(STARTED, *frames), Styles(coloured=False), say=said.append, edit=edit, leave=lambda: None
    )
    for line in typed.split("\n"):
        try:
            await orders.obey(line)
        except VgprojectError as error:
            said.append(error.message)
    return desk.commands, said


def approve(approval_id: str, decision: str = "approve", **more: Any) -> dict[str, Any]:
    return {"type": "resolve_approval", "approval_id": approval_id, "decision": decision, **more}


@pytest.mark.parametrize(
    ("typed", "asked", "commands"),
    [
        ("Go left", [], [{"type": "message", "content": "Go left"}]),
        (" /etc/hosts is wrong", [], [{"type": "message", "content": "/etc/hosts is wrong"}]),
        ("Go left", [approval("a")], [{"type": "message", "content": "Go left"}]),
        ("y", [approval("a"), approval("b")], [approve("a")]),
        ("a", [approval("a")], [approve("a", "approve_for_session")]),
        ("/approve", [approval("a"), approval("b")], [approve("a")]),
        ("/approve 2 session", [approval("a"), approval("b")], [approve("b", "approve_for_session")]),
        ("/deny 2 It is late", [approval("a"), approval("b")], [approve("b", "deny", reason="It is late")]),
        ("/deny It is late", [approval("a")], [approve("a", "deny", reason="It is late")]),
        ("2", [QUESTION], [{"type": "answer", "question_id": "q", "content": "right"}]),
        ("/answer up", [approval("a"), QUESTION], [{"type": "answer", "question_id": "q", "content": "up"}]),
        ("y", [PROPOSED], [{"type": "resolve_plan", "approval_id": "p", "decision": "approve"}]),
        (
            "/plan revise Less",
            [PROPOSED],
            [{"type": "resolve_plan", "approval_id": "p", "decision": "revise", "reason": "Less"}],
        ),
        ("50", [EXCEEDED], [{"type": "update_settings", "settings": {"max_tokens": 50}}, {"type": "resume"}]),
        ("/budget 50", [EXCEEDED], [{"type": "update_settings", "settings": {"max_tokens": 50}}, {"type": "resume"}]),
        ("/budget 2.5", [], [{"type": "update_settings", "settings": {"max_cost_usd": 2.5}}]),
        ("/queue Then this", [], [{"type": "message", "content": "Then this", "delivery": "queue"}]),
        ("/stop\n/pause\n/resume", [], [{"type": "cancel"}, {"type": "pause"}, {"type": "resume"}]),
        ("/retry planning", [], [{"type": "retry", "phase": "planning"}]),
        ("/rewind 12", [], [{"type": "rewind", "to_seq": 12}]),
    ],
)
async def test_what_is_typed_becomes_the_servers_own_command(
    typed: str, asked: list[dict[str, Any]], commands: list[dict[str, Any]]
) -> None:
    assert (await obey(typed, *asked))[0] == commands


@pytest.mark.parametrize(
    ("typed", "asked", "sentence"),
    [
        ("/approve", [PROPOSED], "No call waits for approval. A plan does: /plan approve"),
        ("/approve 3", [approval("a")], "There is no approval 3: 1 are open."),
        ("/approve soon", [approval("a")], "not 'soon'"),
        ("/answer", [QUESTION], "What is the answer?"),
        ("/plan revise", [PROPOSED], "/plan revise TEXT"),
        ("c", [PROPOSED], "/plan revise TEXT"),
        ("/budget -1", [], "/budget NUMBER"),
        ("/budget nan", [], "/budget NUMBER"),
        ("/queue", [], "/queue TEXT"),
        ("/recover run_again", [], "nothing to recover"),
        ("/rewind back", [], "/rewind NUMBER"),
        ("/frobnicate", [], "There is no /frobnicate. There are /approve, /deny,"),
    ],
)
async def test_what_cannot_be_done_is_said_and_nothing_is_sent(
    typed: str, asked: list[dict[str, Any]], sentence: str
) -> None:
    commands, said = await obey(typed, *asked)
    assert (commands, sentence in said[-1]) == ([], True), said


async def test_edited_arguments_that_are_no_json_are_kept_and_edited_again() -> None:
    drafts = ('{"command": "ls', '{"command": "ls -l"}')
    commands, said = await obey("/approve edit\n/approve edit", approval("a"), edited=drafts)
    assert commands == [approve("a", arguments={"command": "ls -l"})]
    assert "That is not JSON" in said[0]
    commands, said = await obey("/approve edit", approval("a"))
    assert (commands, said) == ([], ["Nothing was changed: it still waits for your word."])


def test_the_page_has_the_help_as_it_is() -> None:
    assert "\n".join(help_lines()) in PAGE

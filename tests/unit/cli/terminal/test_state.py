from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len

from vgproject.cli.terminal.dock import dock_parts, prompt_of
from vgproject.cli.terminal.state import SessionState
from vgproject.cli.terminal.status_line import status_lines

NOW = datetime(2026, 11, 25, 4, 2, 5, tzinfo=UTC)


def event(kind: str, seq: int = 1, **data: Any) -> dict[str, Any]:
    about = {"seq": seq, "task_id": "tsk_1", "phase": "research", "time": "2026-11-25T04:00:00.000Z"}
    return {"type": kind, **about, "data": data}


def state_after(*frames: dict[str, Any]) -> SessionState:
    state = SessionState("ses_1")
    for frame in frames:
        state.take(frame)
    return state


def shown(state: SessionState, width: int = 200) -> list[str]:
    return "".join(text for _, text in status_lines(state, NOW, width)).split("\n")


CREATED = event("session_created", title="My 漢字 shop", project="/shop", settings={})
STARTED = event("task_started", phases=["research", "planning"])
USAGE = {"input_tokens": 12_000, "output_tokens": 500, "cost_usd": 0.5}


def test_the_status_says_where_the_task_is_and_what_it_has_cost() -> None:
    progress = event("progress_update", phase="planning", percent=40, label="Mend add", step=1, steps=3)
    state = state_after(
        {"type": "subscribed", "head_seq": 1, "recovered": True},
        CREATED,
        STARTED,
        event("phase_started", phase="planning", model="m"),
        event("usage_updated", task_usage=USAGE),
        progress,
    )
    assert shown(state) == [
        "running · research ▸ [planning] · My 漢字 shop",
        "█████░░░░░░░ 40% · 2:05 · $0.5000 · 12k tokens · Mend add (1/3)",
    ]
    state.take(event("progress_update", phase="planning", percent=30, label="Back"))
    assert "40% " in shown(state)[1], "the bar never jumps back"


def test_a_narrow_terminal_has_what_matters_most() -> None:
    state = state_after({"type": "subscribed", "head_seq": 1, "recovered": True}, CREATED, STARTED)
    for width in range(10, 80):
        assert all(cell_len(line) <= width for line in shown(state, width))
    assert shown(state, 40)[0] == "running · research ▸ planning · My 漢字…"


def test_a_lost_connection_and_what_is_missing_are_told() -> None:
    state = state_after(CREATED, STARTED)
    state.lose()
    assert shown(state)[0].startswith("connection lost, trying again")
    state.take({"type": "subscribed", "head_seq": 10, "recovered": True})
    assert shown(state)[0].startswith("catching up 9 events")
    state.take(event("task_resumed", 10))
    assert shown(state)[0].startswith("running")


def test_another_log_is_read_from_its_beginning() -> None:
    state = state_after(CREATED, STARTED, event("question_asked", question_id="q", question="?", choices=[]))
    state.take({"type": "subscribed", "head_seq": 3, "recovered": False})
    assert (state.tasks, state.questions, state.missing) == ({}, {}, 3)


def test_questions_stay_until_they_are_answered_or_their_task_has_ended() -> None:
    question = event("question_asked", question_id="q", question="Left\nor right?", choices=["left"])
    call: dict[str, Any] = {
        "tool": "run_command",
        "arguments": {"command": "rm \x1b[8m-rf /\nls", "timeout_seconds": 5},
    }
    approval = event("approval_requested", approval_id="a", tool_call_id="c", reason="Why.", **call)
    state = state_after(STARTED, question, approval)
    assert (state.status, prompt_of(state)) == ("needs you", "answer› ")
    assert "".join(text for _, text in dock_parts(state)) == (
        "? Left\n  or right?\n  1. left\ntype the answer, or the number of a choice · 1 more after this"
    )
    state.take(event("question_answered", question_id="q", content="left", answered_by="ada"))
    assert prompt_of(state) == "steer› "
    assert "".join(text for _, text in dock_parts(state)).startswith(
        "? Approve? Why.\n  run_command\n    rm \\x1b[8m-rf /\n    ls\n    timeout_seconds: 5\n"
    )
    state.take(event("task_cancelled"))
    assert (state.status, state.questions, prompt_of(state)) == ("cancelled", {}, "task› ")

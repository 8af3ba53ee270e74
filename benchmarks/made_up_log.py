"""A long session's log, as a server would send it."""

from typing import Any


def made_up_log(turns: int, *, last: str | None = None, with_progress: bool = False) -> list[dict[str, Any]]:
    """Four events for each turn, or five, and before it three; ``last`` is what is said at the end."""
    log = [
        event("session_created", 1, project="/p", title="Long", settings={}, owner="owner"),
        event("task_queued", 2, content="Go on for long"),
        event("task_started", 3, phases=["implementation"]),
    ]
    for turn in range(1, turns + 1):
        log += turn_events(len(log) + 1, turn)
        if with_progress:
            told = {"phase": "implementation", "percent": turn / turns * 90, "label": f"Turn {turn}"}
            log.append(event("progress_update", len(log) + 1, **told))
    return [*log, event("agent_message", len(log) + 1, message_id="msg_last", text=last or f"The end of {len(log)}.")]


def turn_events(seq: int, turn: int) -> list[dict[str, Any]]:
    """From ``seq`` on."""
    call = {"tool_call_id": f"call_{seq}", "tool": "run_command"}
    text = f"Turn {turn}: **look** at `calc.py`.\n\n- one\n- two"
    return [
        event("agent_message", seq, message_id=f"msg_{seq}", text=text),
        event("tool_requested", seq + 1, **call, arguments={"command": f"echo {turn}"}),
        event("tool_started", seq + 2, **call),
        event("tool_completed", seq + 3, **call, result="line\n" * 20, duration_ms=3, details={"exit_code": 0}),
    ]


def event(kind: str, seq: int, **data: Any) -> dict[str, Any]:
    about = {"session_id": "ses_1", "epoch": "epo_1", "time": "2026-11-25T04:00:00.000Z", "task_id": "tsk_1"}
    actor = {"kind": "agent", "id": "implementation"}
    return {"type": kind, "seq": seq, **about, "phase": None, "actor": actor, "data": data}

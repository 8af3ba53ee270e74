"""What of a log still says what its session is."""

from typing import Any

import orjson

from vgproject.event_log import StoredEvent
from vgproject.standing import in_standing


class Log:
    def __init__(self) -> None:
        self.events: list[StoredEvent] = []

    def add(self, kind: str, task_id: str | None = "t", **data: Any) -> int:
        seq = len(self.events) + 1
        payload = orjson.dumps({"seq": seq, "type": kind, "task_id": task_id, "data": data})
        self.events.append(StoredEvent("ses_1", seq, kind, payload))
        return seq

    def stands(self) -> list[int]:
        return [event.seq for event in in_standing(self.events)]


def test_what_was_said_and_done_does_not_stand() -> None:
    log = Log()
    created = log.add("session_created", None)
    queued, started = log.add("task_queued"), log.add("task_started")
    for kind in (
        "agent_message",
        "reasoning",
        "tool_requested",
        "tool_started",
        "tool_completed",
        "checkpoint_created",
    ):
        log.add(kind)
    ended = log.add("task_completed")
    assert log.stands() == [created, queued, started, ended]


def test_of_progress_cost_and_steps_the_last_stands_for_each_task_and_of_files_for_each_path() -> None:
    log = Log()
    log.add("progress_update", percent=1)
    log.add("usage_updated", "other")
    kept = [log.add("usage_updated")]
    log.add("file_changed", path="a.py")
    kept += [
        log.add("file_changed", path="b.py"),
        log.add("usage_updated", "other"),
        log.add("progress_update", percent=2),
    ]
    log.add("plan_step_updated", step_id="1", status="running")
    kept += [
        log.add("file_changed", path="a.py"),
        log.add("plan_step_updated", step_id="1", status="done"),
        log.add("plan_step_updated", step_id="2", status="running"),
    ]
    assert log.stands() == kept


def test_a_question_stands_until_it_is_answered() -> None:
    log = Log()
    answered = [("approval", "approval_id"), ("question", "question_id"), ("recovery_decision", "recovery_id")]
    asks = {
        "approval": "approval_requested",
        "question": "question_asked",
        "recovery_decision": "recovery_decision_requested",
    }
    answers = {
        "approval": "approval_resolved",
        "question": "question_answered",
        "recovery_decision": "recovery_decision_resolved",
    }
    kept = []
    for name, field in answered:
        log.add(asks[name], **{field: "1"})
        kept.append(log.add(asks[name], **{field: "2"}))
        log.add(answers[name], **{field: "1"})
    assert log.stands() == kept


def test_who_is_a_member_who_holds_control_and_what_is_remarked_stands() -> None:
    log = Log()
    kept = [log.add("member_joined", None), log.add("role_changed", None), log.add("comment_added", None)]
    log.add("control_changed", None)
    kept += [log.add("control_changed", None), log.add("control_requested", None), log.add("comment_resolved", None)]
    kept.append(log.add("member_left", None))
    assert log.stands() == kept


def test_of_a_long_log_little_stands() -> None:
    log = Log()
    log.add("task_queued")
    for turn in range(7_000):
        for kind in ("agent_message", "tool_requested", "tool_completed"):
            log.add(kind)
        log.add("usage_updated", usage=turn)
        log.add("file_changed", path=f"{turn % 50}.py")
    assert len(log.stands()) == 52

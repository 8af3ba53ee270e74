"""Which calls run unasked, which need approval, which are not run."""

from datetime import datetime
from typing import Any

import pytest

from vgproject.agents.approvals import ApprovalPolicy, ApprovalRules, SessionGrants, is_harmless
from vgproject.event_log import StoredEvent
from vgproject.schema.base import Actor, EventData
from vgproject.schema.events import (
    ApprovalRequested,
    ApprovalResolved,
    ApprovalsRevoked,
    MemberJoined,
    MemberLeft,
    RoleChanged,
    SessionCreated,
    TaskQueued,
)
from vgproject.schema.frames import EventFrame
from vgproject.schema.settings import Approvals, SessionSettings
from vgproject.tools.base import Effect
from vgproject.utils.clock import to_wire


@pytest.mark.parametrize("command", ["cat a.py", "ls -la src", "grep -rn 'def add' src", "wc -l a.py", "pwd"])
def test_a_command_that_only_reads_is_harmless(command: str) -> None:
    assert is_harmless(command)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf .",
        "ls; rm x",
        "ls > x",
        "cat $(rm x)",
        "A=1 ls",
        "env ls",
        "git diff --ext-diff",
        "git log --output=x",
        "git status",
        "rg --pre=sh x",
        "tree -o x",
        "file -C -m x",
        "date -s 1",
        "tail -f x",
        "catalogue",
        "cat 'unclosed",
    ],
)
def test_a_command_that_could_write_run_or_never_end_is_not(command: str) -> None:
    assert not is_harmless(command)


def asks(policy: ApprovalPolicy, command: str) -> bool:
    return policy.reason_to_ask("run_command", {"command": command}, "unknown") is not None


@pytest.mark.parametrize(
    ("approvals", "sandboxed", "asked"),
    [
        ("never", True, []),
        ("on_request", True, []),
        ("untrusted", True, ["make"]),
        ("always", True, ["write_file", "ls", "make"]),
        ("never", False, []),
        ("on_request", False, ["ls", "make"]),
        ("untrusted", False, ["ls", "make"]),
        ("always", False, ["write_file", "ls", "make"]),
    ],
)
def test_who_is_asked_follows_from_the_policy_and_the_sandbox(
    approvals: Approvals, sandboxed: bool, asked: list[str]
) -> None:
    policy = ApprovalPolicy(approvals, sandboxed)
    calls: dict[str, tuple[str, dict[str, str], Effect]] = {
        "read_file": ("read_file", {"path": "a"}, "none"),
        "write_file": ("write_file", {"path": "a"}, "checkable"),
        "ls": ("run_command", {"command": "ls"}, "unknown"),
        "make": ("run_command", {"command": "make"}, "unknown"),
    }
    assert [name for name, call in calls.items() if policy.reason_to_ask(*call)] == asked


def test_rules_on_commands_win_over_the_policy_and_deny_over_ask_over_allow() -> None:
    rules = ApprovalRules(allow=["make", "git"], ask=["git push"], deny=["git push --force*"])
    for approvals in ("never", "always"):
        assert asks(ApprovalPolicy(approvals, True, rules=rules), "git push origin")
    policy = ApprovalPolicy("untrusted", True, rules=rules)
    assert not asks(policy, "make test")
    assert not asks(policy, "git status")
    assert asks(policy, "make; rm x")
    assert asks(policy, "git push origin")
    assert policy.reason_to_deny({"command": "git push --force-with-lease"})
    assert policy.reason_to_deny({"command": "git push"}) is None


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "/bin/rm -rf .",
        "ls && rm -rf x",
        "echo $(rm -rf x)",
        "A=1 sudo rm -rf x",
        "if true; then rm -rf x; fi",
        "find . | xargs rm -rf",
        "echo 'unclosed; rm -rf x",
    ],
)
def test_a_denied_command_is_found_as_a_part_of_another(command: str) -> None:
    assert ApprovalPolicy("never", True, rules=ApprovalRules(deny=["rm -rf"])).reason_to_deny({"command": command})


def test_a_tool_can_have_a_policy_of_its_own() -> None:
    rules = ApprovalRules(tools={"write_file": "always", "read_file": "always", "run_command": "never"})
    policy = ApprovalPolicy("untrusted", True, rules=rules)
    assert policy.reason_to_ask("write_file", {"path": "a"}, "checkable")
    assert policy.reason_to_ask("read_file", {"path": "a"}, "none")
    assert policy.reason_to_ask("edit_file", {"path": "a"}, "checkable") is None
    assert not asks(policy, "make")


def event(data: EventData, task_id: str, user: str) -> StoredEvent:
    frame = EventFrame(
        type=data.type,
        session_id="s",
        seq=1,
        epoch="e",
        time=to_wire(datetime.fromisoformat("2026-01-01T00:00:00Z")),
        task_id=task_id,
        actor=Actor(kind="user", id=user),
        data=data.model_dump(),
    )
    return StoredEvent("s", 1, data.type, frame.model_dump_json().encode())


def test_what_is_approved_for_the_session_is_approved_to_the_person_who_gave_the_task() -> None:
    grants = SessionGrants()
    for task_id, user in (("t1", "ann"), ("t2", "ann"), ("t3", "bob")):
        grants.take(event(TaskQueued(content="x"), task_id, user))
    asked: dict[str, Any] = {"approval_id": "a", "tool_call_id": "c"}
    request = ApprovalRequested(**asked, tool="run_command", arguments={"command": "make"}, reason="r")
    grants.take(event(request, "t1", "agent"))
    grants.take(event(ApprovalResolved(**asked, decision="approve_for_session", resolved_by="ann"), "t1", "ann"))
    assert [sorted(grants.to(task_id)) for task_id in ("t1", "t2", "t3")] == [["run_command: make"]] * 2 + [[]]


def granted(*then: tuple[EventData, str]) -> tuple[list[str], list[str]]:
    """What the tasks of ann and of bob need not ask for, after bob has approved ``make`` for ann and ann for bob."""
    grants = SessionGrants()
    grants.take(event(SessionCreated(project="/p", title="t", settings=SessionSettings(), owner="ann"), "", "ann"))
    grants.take(event(MemberJoined(user="bob", role=None), "", "ann"))
    for giver, approver, tool in (("ann", "bob", "make"), ("bob", "ann", "deploy")):
        grants.take(event(TaskQueued(content="x"), f"of {giver}", giver))
        asked: dict[str, Any] = {"approval_id": f"apr {giver}", "tool_call_id": "c"}
        grants.take(event(ApprovalRequested(**asked, tool=tool, arguments={}, reason="r"), f"of {giver}", "agent"))
        resolved = ApprovalResolved(**asked, decision="approve_for_session", resolved_by=approver)
        grants.take(event(resolved, f"of {giver}", approver))
    for data, by in then:
        grants.take(event(data, "", by))
    return sorted(grants.to("of ann")), sorted(grants.to("of bob"))


Left = tuple[list[str], list[str]]
BOTH: Left = (["make"], ["deploy"])
WITHOUT_BOBS: Left = ([], ["deploy"])


@pytest.mark.parametrize(
    ("then", "left"),
    [
        ([], BOTH),
        ([ApprovalsRevoked(user="bob", approvals=["make"])], WITHOUT_BOBS),
        ([MemberLeft(user="bob")], WITHOUT_BOBS),
        ([MemberLeft(user="bob"), MemberJoined(user="bob", role="owner")], WITHOUT_BOBS),
        ([RoleChanged(user="bob", role="editor")], WITHOUT_BOBS),
        ([RoleChanged(user="bob", role="editor"), RoleChanged(user="bob", role="approver")], WITHOUT_BOBS),
        ([RoleChanged(user="bob", role="approver")], BOTH),
        ([MemberJoined(user="*", role="approver"), MemberLeft(user="bob")], BOTH),
        ([MemberJoined(user="*", role="approver"), MemberLeft(user="bob"), MemberLeft(user="*")], WITHOUT_BOBS),
        ([MemberJoined(user="*", role=None), RoleChanged(user="*", role="viewer")], BOTH),
        ([MemberLeft(user="ann")], (["make"], [])),
    ],
)
def test_what_a_person_has_approved_for_the_session_ends_with_the_word_or_the_role_of_this_person(
    then: list[EventData], left: Left
) -> None:
    assert granted(*((data, "ann") for data in then)) == left

"""Which tool calls need a person's word before they run."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vgproject.event_log import StoredEvent
from vgproject.schema.access import EVERYBODY, Role
from vgproject.schema.base import JsonObject
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
from vgproject.schema.settings import Approvals
from vgproject.tools.base import Effect

HARMLESS_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("cat",),
    ("grep",),
    ("head",),
    ("ls",),
    ("pwd",),
    ("stat",),
    ("wc",),
    ("which",),
)
"""None of these writes a file or runs a program, whatever its options. git does, by its configuration, and so do options
of rg, tree, file, tail and date."""
_PARTS = re.compile(r"[;&|()`{}\n]|\$\(|<\(|>\(")
_RUNNERS = frozenset({"sudo", "env", "command", "exec", "nohup", "time", "nice", "xargs", "then", "do", "else", "!"})
_SHELL_SYNTAX = frozenset(";&|<>$`(){}*?[]~\n\\")


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""The first words of a command, each of which may hold ``*``: ``git push`` is any push."""
STRICTNESS: tuple[Approvals, ...] = ("never", "on_request", "untrusted", "always")
"""The weakest first."""


class ApprovalRules(BaseModel):
    """``[approval_rules]`` in configuration: exceptions from ``approvals``. ``deny`` wins over ``ask``, that over ``allow``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: dict[str, Approvals] = Field(default_factory=dict)
    """How one tool is approved, by its name."""
    allow: list[Pattern] = Field(default_factory=list)
    """Commands that run unasked, where they are one plain call."""
    ask: list[Pattern] = Field(default_factory=list)
    """Commands that need approval, also as a part of a longer one."""
    deny: list[Pattern] = Field(default_factory=list)
    """Commands that are not run, also as a part of a longer one."""


def stricter_rules(rules: Any, users: Mapping[str, Any]) -> Any:
    """``rules`` of a project beside those of the user: what the user asks for or denies stays so."""
    if not isinstance(rules, Mapping):
        return rules
    lists = {
        name: [*users.get(name, ()), *rules[name]]
        for name in ("ask", "deny")
        if isinstance(rules.get(name), list) and isinstance(users.get(name, []), list)
    }
    return {**rules, **lists}


@dataclass(frozen=True)
class ApprovalPolicy:
    """``grants`` holds what was approved for the whole session, as ``grant_of`` names it."""

    approvals: Approvals
    sandboxed: bool
    grants: Set[str] = frozenset()
    rules: ApprovalRules = field(default_factory=ApprovalRules)

    def reason_to_deny(self, arguments: JsonObject) -> str | None:
        """Why this call is not run, whoever approves it."""
        rule = _rule_for_part(self.rules.deny, _command(arguments))
        return f"The rule {rule!r} of the configuration denies this command." if rule else None

    def reason_to_ask(
        self, tool: str, arguments: JsonObject, effect: Effect, *, is_contained: bool = True
    ) -> str | None:
        """Why this call needs approval; ``None`` if it may run."""
        approvals, command = self.rules.tools.get(tool, self.approvals), _command(arguments)
        if grant_of(tool, arguments) in self.grants:
            return None
        if rule := _rule_for_part(self.rules.ask, command):
            return f"The rule {rule!r} of the configuration asks for approval of this command."
        if effect == "none" and tool not in self.rules.tools:
            return None
        if approvals == "always":
            return "Every call that can change something needs approval (approvals: always)."
        if approvals == "never":
            return None
        if not is_contained:
            return f"This tool may change something outside the workspace (approvals: {approvals})."
        if effect != "unknown" or _is_allowed(self.rules.allow, command):
            return None
        if not self.sandboxed:
            return "Commands run without a sandbox here, so each needs approval."
        if approvals == "untrusted" and not is_harmless(command):
            return "The command is not known to be harmless (approvals: untrusted)."
        return None


GRANT_TYPES = frozenset(
    kind.type
    for kind in (
        ApprovalRequested,
        ApprovalResolved,
        ApprovalsRevoked,
        MemberJoined,
        MemberLeft,
        RoleChanged,
        SessionCreated,
        TaskQueued,
    )
)
"""What `SessionGrants` are made of."""


class Grant(NamedTuple):
    what: str
    """As `grant_of` names it."""
    to: str
    """The person whose tasks it is for: who gave the task that asked."""
    by: str
    """The person who approved it."""


class SessionGrants:
    """What people have approved for the whole session, taken from its events, and so for no other session or fork.

    It counts for the tasks of the person for whom it was asked, and no longer than who approved it may: it ends when
    this person withdraws it, is removed, or is no approver any more, and does not come back with the role.
    """

    def __init__(self) -> None:
        self._asked: dict[str, tuple[str, ApprovalRequested]] = {}
        self._givers: dict[str, str] = {}
        self._grants: set[Grant] = set()
        self._members: dict[str, Role | None] = {}

    def to(self, task_id: str) -> Set[str]:
        """What the task need not ask for."""
        giver = self._givers.get(task_id, "")
        return {grant.what for grant in self._grants if grant.to == giver}

    def by(self, user: str) -> list[str]:
        """What the user has approved that still counts."""
        return sorted({grant.what for grant in self._grants if grant.by == user})

    def take(self, event: StoredEvent) -> None:
        frame = event.frame()
        match event.data():
            case TaskQueued():
                self._givers[frame.task_id or ""] = frame.actor.id
            case ApprovalRequested() as request:
                self._asked[request.approval_id] = (self._givers.get(frame.task_id or "", ""), request)
            case ApprovalResolved() as resolved:
                giver, asked = self._asked.pop(resolved.approval_id, ("", None))
                if asked and resolved.decision == "approve_for_session":
                    what = grant_of(asked.tool, resolved.arguments or asked.arguments)
                    self._grants.add(Grant(what, to=giver, by=resolved.resolved_by))
            case ApprovalsRevoked() as revoked:
                self._end(lambda grant: grant.by == revoked.user)
            case SessionCreated() as created:
                self._members[created.owner] = "owner"
            case MemberJoined() as member:
                self._members[member.user] = member.role
            case RoleChanged() as member:
                self._members[member.user] = member.role
                self._end_without_role(member.user)
            case MemberLeft() as member:
                self._members.pop(member.user, None)
                self._end_without_role(member.user)

    def _end_without_role(self, user: str) -> None:
        """After the role of ``user`` has changed: of one person or of everybody."""
        self._end(lambda grant: user in (grant.by, EVERYBODY) and not self._may_approve(grant.by))

    def _may_approve(self, user: str) -> bool:
        """A server's owner may without being a member: there it is rather asked once more."""
        roles = [self._members[name] for name in (user, EVERYBODY) if name in self._members]
        return any(role in (None, "approver", "owner") for role in roles)

    def _end(self, ends: Callable[[Grant], bool]) -> None:
        self._grants = {grant for grant in self._grants if not ends(grant)}


def grant_of(tool: str, arguments: JsonObject) -> str:
    """What ``approve_for_session`` covers: this very command, or this tool where it takes no command."""
    return f"{tool}: {arguments['command']}" if "command" in arguments else tool


def is_harmless(command: str) -> bool:
    """Whether ``command`` is one plain call of a program that only reads and prints."""
    if _SHELL_SYNTAX & set(command):
        return False
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        return False
    return any(words[: len(known)] == known for known in HARMLESS_COMMANDS)


def _command(arguments: JsonObject) -> str:
    return str(arguments.get("command", ""))


def _is_allowed(patterns: Sequence[str], command: str) -> bool:
    """Whether the command is one plain call that a pattern names."""
    return not _SHELL_SYNTAX & set(command) and _rule_for_part(patterns, command) is not None


def _rule_for_part(patterns: Sequence[str], command: str) -> str | None:
    """The pattern that the command, or a part of it between the signs of the shell, begins with."""
    if not patterns or not command:
        return None
    parts = [words for part in _PARTS.split(command) if (words := _words(part))]
    for pattern in patterns:
        wanted = pattern.split()
        if any(_begins(words, wanted) for words in parts):
            return pattern
    return None


def _begins(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Also where variables are set first, or a program that runs the rest stands before it."""
    while words and ("=" in words[0] or words[0] in _RUNNERS):
        words = words[1:]
    if not words or len(words) < len(wanted):
        return False
    words = [words[0].rpartition("/")[2] if "/" not in wanted[0] else words[0], *words[1:]]
    return all(fnmatchcase(word, want) for word, want in zip(words, wanted, strict=False))


def _words(part: str) -> list[str]:
    try:
        return shlex.split(part)
    except ValueError:
        return part.replace('"', " ").replace("'", " ").split()

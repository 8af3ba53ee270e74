"""Which tool calls need a person's word before they run."""

import shlex
from collections.abc import Set
from dataclasses import dataclass

from vgproject.schema.base import EventData, JsonObject
from vgproject.schema.events import ApprovalRequested, ApprovalResolved
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
_SHELL_SYNTAX = frozenset(";&|<>$`(){}*?[]~\n\\")


@dataclass(frozen=True)
class ApprovalPolicy:
    """``grants`` holds what was approved for the whole session, as ``grant_of`` names it."""

    approvals: Approvals
    sandboxed: bool
    grants: Set[str] = frozenset()

    def reason_to_ask(
        self, tool: str, arguments: JsonObject, effect: Effect, *, is_contained: bool = True
    ) -> str | None:
        """Why this call needs approval; ``None`` if it may run."""
        if effect == "none" or self.approvals == "never" or grant_of(tool, arguments) in self.grants:
            return None
        if self.approvals == "always":
            return "Every call that can change something needs approval (approvals: always)."
        if not is_contained:
            return f"This tool may change something outside the workspace (approvals: {self.approvals})."
        if effect == "checkable":
            return None
        if self.approvals == "untrusted":
            harmless = is_harmless(str(arguments.get("command", "")))
            return None if harmless else "The command is not known to be harmless (approvals: untrusted)."
        if self.sandboxed:
            return None
        return "Commands run without a sandbox here, so each needs approval."


class SessionGrants:
    """What people have approved for the whole session, taken from its events."""

    def __init__(self) -> None:
        self._asked: dict[str, ApprovalRequested] = {}
        self.granted: set[str] = set()

    def take(self, data: EventData) -> None:
        match data:
            case ApprovalRequested():
                self._asked[data.approval_id] = data
            case ApprovalResolved():
                request = self._asked.pop(data.approval_id, None)
                if request and data.decision == "approve_for_session":
                    self.granted.add(grant_of(request.tool, data.arguments or request.arguments))


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

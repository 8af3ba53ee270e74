"""Who may do what: every route and every command with the role that it needs. What is not here may nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from vgproject.agents.approvals import STRICTNESS
from vgproject.errors import BadInputError, ForbiddenError
from vgproject.schema.access import Role
from vgproject.schema.base import Actor
from vgproject.schema.settings import SessionSettings
from vgproject.utils.text import shorten

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Caller:
    """Who asks. ``role`` is the most that the caller may do in any session; an ``owner`` is one of all sessions."""

    user_id: str
    role: Role
    client: str = ""
    token_id: str | None = None
    """The API token that the caller is known by."""
    address: str = ""
    """Where the connection came from; empty where there is none."""
    expires_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", id=self.user_id)

    @property
    def key(self) -> str:
        """The user's id as a part of a longer key: without a slash."""
        return quote(self.user_id, safe="")


@dataclass(frozen=True)
class Need:
    """``open``: nothing. ``server``: the caller's own role. ``session``: the role in the session, and no token of less.
    ``either``: that in the session where one is named, else the caller's own. ``inner``: what the command that the
    route carries out needs, or the session that the route finds.

    ``token`` is what the token must allow where that is less than what the session must.
    """

    place: Literal["open", "server", "session", "either", "inner"]
    role: Role = "viewer"
    token: Role | None = None

    def is_met(self, in_session: Role, caller: Caller) -> bool:
        return may(in_session, self.role) and may(caller.role, self.token or self.role)


OPEN = Need("open")
INNER = Need("inner")
SEE = Need("session", "viewer")
EDIT = Need("session", "editor")
DECIDE = Need("session", "approver")
MANAGE = Need("session", "owner", token="editor")
"""Who makes a session manages it, although the token allows no more than editing."""

COMMANDS: Mapping[str, Need] = {
    "hello": OPEN,
    "ping": OPEN,
    "create_session": Need("server", "editor"),
    "subscribe": SEE,
    "unsubscribe": Need("server", "viewer"),
    "task": Need("either", "editor"),
    "message": EDIT,
    "cancel": EDIT,
    "pause": EDIT,
    "resume": EDIT,
    "retry": EDIT,
    "resolve_approval": DECIDE,
    "resolve_plan": DECIDE,
    "answer": EDIT,
    "resolve_recovery": DECIDE,
    "update_settings": EDIT,
    "rename_session": EDIT,
    "rewind": EDIT,
    "remember": Need("either", "editor"),
    "update_memory": Need("server", "editor"),
    "forget": Need("server", "editor"),
    "restore_memory": Need("server", "editor"),
    "settle_memory": Need("server", "editor"),
    "subscribe_memory": Need("either", "viewer"),
    "unsubscribe_memory": Need("either", "viewer"),
    "add_member": MANAGE,
    "remove_member": MANAGE,
    "set_role": MANAGE,
    "set_presence": SEE,
    "comment": EDIT,
    "resolve_comment": EDIT,
    "request_control": EDIT,
    "hand_over": EDIT,
    "release_control": EDIT,
    "revoke_approvals": DECIDE,
}

ROUTES: Mapping[tuple[str, str], Need] = {
    ("GET", "/"): OPEN,
    ("GET", "/settings"): OPEN,
    ("GET", "/sessions/{session_id}"): OPEN,
    ("GET", "/sessions/{session_id}/events/{seq}"): OPEN,
    ("GET", "/assets/{name}"): OPEN,
    ("GET", "/sign-in"): OPEN,
    ("POST", "/sign-in"): OPEN,
    ("POST", "/sign-out"): OPEN,
    ("GET", "/livez"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): Need("server", "viewer"),
    ("GET", "/openapi.json"): Need("server", "viewer"),
    ("GET", "/asyncapi.json"): Need("server", "viewer"),
    ("GET", "/v1/sessions"): Need("server", "viewer"),
    ("POST", "/v1/sessions"): INNER,
    ("GET", "/v1/sessions/{session_id}"): SEE,
    ("PATCH", "/v1/sessions/{session_id}"): INNER,
    ("DELETE", "/v1/sessions/{session_id}"): MANAGE,
    ("POST", "/v1/sessions/{session_id}/tasks"): INNER,
    ("POST", "/v1/sessions/{session_id}/commands"): SEE,
    ("GET", "/v1/sessions/{session_id}/events"): SEE,
    ("GET", "/v1/sessions/{session_id}/turns"): SEE,
    ("GET", "/v1/sessions/{session_id}/diff"): SEE,
    ("POST", "/v1/sessions/{session_id}/branch"): EDIT,
    ("POST", "/v1/sessions/{session_id}/fork"): EDIT,
    ("POST", "/v1/sessions/{session_id}/apply"): DECIDE,
    ("GET", "/v1/workspaces"): Need("server", "viewer"),
    ("GET", "/v1/memory"): Need("server", "viewer"),
    ("POST", "/v1/memory"): Need("server", "editor"),
    ("GET", "/v1/memory/search"): Need("server", "viewer"),
    ("GET", "/v1/memory/conflicts"): Need("server", "viewer"),
    ("POST", "/v1/memory/conflicts/{conflict_id}"): INNER,
    ("POST", "/v1/memory/import"): Need("server", "editor"),
    ("GET", "/v1/memory/clean-up"): Need("server", "viewer"),
    ("POST", "/v1/memory/clean-up"): Need("server", "editor"),
    ("POST", "/v1/memory/clean-up/{clean_up_id}/undo"): Need("server", "editor"),
    ("GET", "/v1/memory/{memory_id}"): Need("server", "viewer"),
    ("GET", "/v1/memory/{memory_id}/history"): Need("server", "viewer"),
    ("POST", "/v1/memory/{memory_id}/restore"): INNER,
    ("PATCH", "/v1/memory/{memory_id}"): Need("server", "editor"),
    ("DELETE", "/v1/memory/{memory_id}"): Need("server", "editor"),
    ("GET", "/v1/blobs/{blob_id}"): INNER,
    ("GET", "/v1/tokens"): Need("server", "owner"),
    ("POST", "/v1/tokens"): Need("server", "owner"),
    ("DELETE", "/v1/tokens/{token_id}"): Need("server", "owner"),
    ("GET", "/v1/audit"): Need("server", "owner"),
}

BY_COMMAND: frozenset[tuple[str, str]] = frozenset(
    {
        ("POST", "/v1/sessions"),
        ("PATCH", "/v1/sessions/{session_id}"),
        ("POST", "/v1/sessions/{session_id}/tasks"),
        ("POST", "/v1/sessions/{session_id}/commands"),
        ("POST", "/v1/memory"),
        ("POST", "/v1/memory/conflicts/{conflict_id}"),
        ("POST", "/v1/memory/{memory_id}/restore"),
        ("PATCH", "/v1/memory/{memory_id}"),
        ("DELETE", "/v1/memory/{memory_id}"),
    }
)
"""Routes that carry out a command, which the audit trail has then; every other one that is no ``GET`` it has itself."""


def role_of(text: str) -> Role:
    """As stored. Raises `ValueError` for what is none."""
    return ROLES[ROLES.index(text)]


def may(role: Role, needed: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


def named_directory(given: str) -> Path:
    """The project that a client names; ``~`` is the server's own home. Raises `BadInputError` (``no_such_project``) for
    what can be no path here: too long, the home of somebody who is not there, links in a circle."""
    try:
        path = Path(given).expanduser()
        path.resolve()
        path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInputError(f"{shorten(repr(given), 200)} can be no directory here.", code="no_such_project") from error
    return path


def check_project(project: Path, usual: Path, caller: Caller) -> None:
    """Any directory of the machine is for its owner. Raises `ForbiddenError`."""
    if caller.role != "owner" and project.resolve() != usual.resolve():
        raise ForbiddenError(f"Only an owner begins a session on another project than {str(usual)!r}.")


def weakens(wished: SessionSettings, present: SessionSettings) -> bool:
    """Whether people would be asked less than now: that is theirs to say who answer."""
    if wished.plan_gate is False and present.plan_gate:
        return True
    least = STRICTNESS.index(present.approvals or "on_request")
    return wished.approvals is not None and STRICTNESS.index(wished.approvals) < least


def expect_role(caller: Caller, needed: Role) -> None:
    """Raises `ForbiddenError`."""
    if not may(caller.role, needed):
        raise ForbiddenError(f"This needs the role {needed!r}, and {caller.user_id!r} has the role {caller.role!r}.")

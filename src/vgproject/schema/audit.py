"""The audit trail as it is read: who did what, when, from where, with which outcome."""

from typing import Literal

from pydantic import Field

from vgproject.schema.base import Wire

Outcome = Literal["begun", "ok", "failed", "refused", "interrupted"]


class AuditRecord(Wire):
    """Every field is always there. ``hash`` is the SHA-256 of the record's canonical JSON (RFC 8785) without ``hash``."""

    audit_seq: int
    """Counts 1, 2, 3, … without holes."""
    time: str
    server: str
    """The process: made anew at each start."""
    action: str
    """A command's type, ``METHOD /path`` of a route, ``sign_in``, ``authenticate``, ``server_started``, ``server_stopped``."""
    outcome: Outcome
    """``begun`` is stored before anything is done; what came of it is another record, unless a crash came between."""
    begun: int | None
    """The ``audit_seq`` of the record that says that this was begun."""
    code: str | None
    """That of the error."""
    user: str
    """Empty for who was not known, and for the server itself."""
    role: str | None
    """What the user's token allows at most."""
    token_id: str | None
    client: str
    """What the client calls itself."""
    address: str
    """Where the connection came from. Of IPv6 strangers the network."""
    session_id: str | None
    command_id: str | None
    digest: str | None
    """SHA-256 of the command or request: its content itself is not kept here."""
    count: int
    """How many alike this record stands for: strangers are summed for a minute."""
    about: dict[str, str | int]
    """Names and ids of what it was about, and what was decided."""
    previous_hash: str
    hash: str


class AuditPage(Wire):
    records: list[AuditRecord] = Field(description="In the order of `audit_seq`.")
    head_seq: int
    """The last record there is; 0 for none."""
    head_hash: str

"""Who may do what: roles, API tokens, members of a session."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vgproject.schema.base import ShortText, Wire

Role = Literal["viewer", "editor", "approver", "owner"]
"""Each may do what those before it may."""

EVERYBODY = "*"
"""In the place of a member: everybody whom the server knows."""

OWNER_NAME = "owner"
"""The user who has the token in the server's data directory."""

UserName = Annotated[str, StringConstraints(pattern=r"^[^\s*\x00-\x1f\x7f]+$", max_length=200)]
MemberName = Annotated[str, StringConstraints(pattern=r"^(\*|[^\s*\x00-\x1f\x7f]+)$", max_length=200)]

DEFAULT_SECONDS = 90 * 24 * 3600.0


class NewToken(Wire):
    user: UserName
    """Who is known by it; a user may have several tokens."""
    role: Role = "editor"
    """The most that it may do, in whatever session."""
    name: ShortText | None = None
    """What it is for."""
    expires_in_seconds: Annotated[float, Field(gt=0, le=10 * 366 * 24 * 3600)] | None = DEFAULT_SECONDS
    """``null``: it does not expire."""


class MemberView(Wire):
    user: str
    """``*`` is everybody whom the server knows."""
    role: Role | None
    """The most that the member may do in the session; ``null``: as the member's token says."""


class TokenView(Wire):
    token_id: str
    user: str
    role: Role
    name: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    """To the minute."""
    revoked_at: str | None


class CreatedToken(TokenView):
    token: str
    """Shown only now: the server keeps no more than its hash."""

"""``token``: API tokens of a server."""

import re
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vgproject.cli.client import Client
from vgproject.cli.sessions import with_client
from vgproject.errors import BadInputError
from vgproject.utils.text import to_json, without_controls

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def create_token(
    user: str, options: dict[str, Any], *, role: str, expires: str, name: str | None, server: str | None
) -> int:
    """The token alone is the output, so that a script can take it."""
    body = {"user": user, "role": role, "name": name, "expires_in_seconds": parse_age(expires)}

    async def work(client: Client) -> int:
        made = await client.request("POST", "/v1/tokens", json=body)
        until = f"until {made['expires_at']}" if made["expires_at"] else "without an end"
        print(
            f"{made['token_id']} for {made['user']} ({made['role']}), {until}. It is shown only now:", file=sys.stderr
        )
        print(made["token"])
        return 0

    return with_client(work, options, server)


def parse_age(text: str) -> int | None:
    """Seconds; ``None`` for ``never``. Raises `BadInputError`."""
    if text == "never":
        return None
    if found := re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text):
        return int(found[1]) * UNIT_SECONDS[found[2]]
    raise BadInputError(f"The time {text!r} is not right: say it as 30m, 12h, 90d or never.")


def list_tokens(options: dict[str, Any], *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        tokens = await client.request("GET", "/v1/tokens")
        if as_json:
            print(to_json(tokens, indent=2))
            return 0
        table = Table(
            Column("token", no_wrap=True), "user", "role", "name", "expires", "last used", "revoked", box=None
        )
        names = ("token_id", "user", "role", "name", "expires_at", "last_used_at", "revoked_at")
        for token in tokens:
            table.add_row(*(escape(without_controls(token[name] or "")) for name in names))
        Console().print(table)
        return 0

    return with_client(work, options, server)


def revoke_token(token_id: str, options: dict[str, Any], *, server: str | None) -> int:
    async def work(client: Client) -> int:
        revoked = await client.request("DELETE", f"/v1/tokens/{token_id}")
        print(f"Revoked {revoked['token_id']} of {without_controls(revoked['user'])}.")
        return 0

    return with_client(work, options, server)

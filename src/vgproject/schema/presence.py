"""Who is in a session just now: passing, and stored nowhere."""

from typing import Literal

from vgproject.schema.base import Wire

PresenceStatus = Literal["watching", "typing", "away"]


class PersonHere(Wire):
    """A user who follows the session, by however many connections."""

    user: str
    status: PresenceStatus
    """Of several connections: ``typing`` where one is, else ``watching`` where one is."""
    since: str
    """When the status began, UTC, ISO 8601 with milliseconds."""
    connections: int
    clients: list[str]
    """The names of their clients, as ``hello`` gave them, each once and not more than ten."""


class Presence(Wire):
    """Who follows the session through the server process that sends this; each frame has all of them."""

    type: Literal["presence"] = "presence"
    session_id: str
    people: list[PersonHere]
    """Those who type first, then by name."""
    more: int = 0
    """How many people are here besides those who are named."""

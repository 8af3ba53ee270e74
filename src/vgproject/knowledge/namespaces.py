"""Whose memory it is: a project's, shared by all its sessions, or a user's own, across projects."""

from dataclasses import dataclass

from vgproject.schema.memory import MemoryScope


@dataclass(frozen=True)
class Namespace:
    scope: MemoryScope
    owner: str
    """The project's directory, or the user's id."""

    @property
    def name(self) -> str:
        """As it is stored."""
        return f"{self.scope}:{self.owner}"


def of_project(directory: str) -> Namespace:
    return Namespace("project", directory)


def of_user(user_id: str) -> Namespace:
    return Namespace("user", user_id)


def parse_namespace(name: str) -> Namespace:
    scope, _, owner = name.partition(":")
    return of_user(owner) if scope == "user" else of_project(owner)

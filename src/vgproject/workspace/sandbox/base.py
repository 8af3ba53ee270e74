"""What a sandbox is: it turns a command into one that runs in a box."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vgproject.workspace.sandbox.hosts import parse_rule

Level = Literal["full", "reduced", "none"]
Kind = Literal["auto", "none"]


class SandboxSettings(BaseModel):
    """``[sandbox_limits]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = Field(default=4 * 1024**3, ge=64 * 1024**2)
    """What a command and all that it starts may use; each process is held to it by the kernel."""
    processes: int = Field(default=512, ge=16)
    file_bytes: int = Field(default=2 * 1024**3, ge=1024**2)
    """The largest file that a command can write."""
    disk_bytes: int = Field(default=16 * 1024**3, ge=1024**2)
    """What a session's files may take in all, with its home and its temporary files."""
    readable: list[Path] = Field(default_factory=list)
    """What commands may read beside the system and the usual toolchains, such as a shared cache."""
    allowed_hosts: list[str] = Field(default_factory=list)
    """What commands may reach, by HTTP and HTTPS through a proxy: ``NAME``, ``*.NAME`` or an address, with ``:PORT`` or
    ``:*`` for other ports than 80 and 443. Nothing where it is empty."""
    network_bytes: int = Field(default=4 * 1024**3, ge=1024**2)
    """What one command may send and receive in all."""

    @field_validator("allowed_hosts")
    @classmethod
    def _are_rules(cls, rules: list[str]) -> list[str]:
        for rule in rules:
            parse_rule(rule)
        return rules


@dataclass(frozen=True)
class Place:
    """Where a command runs. It may write below ``writable`` only."""

    root: Path
    home: Path
    temporary: Path
    """Is ``/tmp`` in the box."""
    readable: tuple[Path, ...] = ()
    path_variable: str = ""
    uid: int | None = None
    """Of the command, where the server is root."""

    @property
    def writable(self) -> tuple[Path, Path, Path]:
        return self.root, self.home, self.temporary


@dataclass(frozen=True)
class Launch:
    """How a program is started: its words, the descriptors that it inherits, what is set in its environment."""

    argv: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


class Sandbox(Protocol):
    name: str
    level: Level

    def launch(self, argv: tuple[str, ...], place: Place) -> AbstractContextManager[Launch]:
        """How ``argv`` is started in a box; what this opens is closed at the end of the block."""
        ...


class Unconfined:
    """No box at all: the command can do whatever the server's user can."""

    name = "none"
    level: Level = "none"

    @contextmanager
    def launch(self, argv: tuple[str, ...], place: Place) -> Iterator[Launch]:
        yield Launch(argv)


NewSandbox = Callable[[SandboxSettings], Sandbox]

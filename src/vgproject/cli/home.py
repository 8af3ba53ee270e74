"""One process at a time serves a home; the others find it through what it writes there."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vgproject.config import make_home
from vgproject.errors import ConfigError, ConflictError, UnavailableError


@dataclass(frozen=True)
class ServerAddress:
    url: str
    token: str
    tls_cert: Path | None = None
    """The server's own certificate where it is known: then that one alone counts."""
    home: Path | None = None
    """Where it was found: started anew, it may have another address there."""
    embedded: bool = False
    """It ends with this process."""

    def found_again(self) -> "ServerAddress":
        """As it is now."""
        if self.home is None:
            return self
        try:
            return find_server(self.home)
        except UnavailableError:
            return self


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Raises `ConflictError` (``home_in_use``) where another process serves this home, `ConfigError` where none can."""
    make_home(home)
    try:
        opened = (home / "server.lock").open("w")
    except OSError as error:
        raise ConfigError(f"The data directory {home} cannot be written: {error.strerror}.") from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"Another process serves {home}: use it with --server, or choose another VGPROJECT_HOME.",
                code="home_in_use",
            ) from error
        yield


def find_server(home: Path) -> ServerAddress:
    """The server that wrote its address to ``home``. Raises `UnavailableError` (``no_server``)."""
    try:
        known = json.loads((home / "server.json").read_text())
        pinned = Path(known["tls_cert"]) if known.get("tls_cert") else None
        return ServerAddress(known["url"], (home / "token").read_text().strip(), pinned, home)
    except (FileNotFoundError, ValueError) as error:
        raise UnavailableError(
            f"No server has run with {home}: start one with `vgproject serve`.", code="no_server"
        ) from error

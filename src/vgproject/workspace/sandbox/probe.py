"""Chooses the sandbox: the first kind out of which an attempt to escape brings nothing."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgproject.errors import ConfigError, UnavailableError
from vgproject.workspace.sandbox import escape
from vgproject.workspace.sandbox.base import Kind, NewSandbox, Place, Sandbox, SandboxSettings, Unconfined
from vgproject.workspace.sandbox.bubblewrap import Bubblewrap
from vgproject.workspace.sandbox.gate import open_box
from vgproject.workspace.sandbox.landlock import Landlock
from vgproject.workspace.sandbox.ownership import FIRST_UID

KINDS: dict[str, NewSandbox] = {"bubblewrap": Bubblewrap, "landlock": Landlock}
PROBE_UID = FIRST_UID - 1
SECONDS = 30
NO_HOSTS = SandboxSettings()
INTERPRETERS = (str(Path(sys.executable).resolve()), "/usr/bin/python3")
"""The second for a box whose user may not go where the first is."""


@dataclass(frozen=True)
class Choice:
    """``rejected``: the kinds that do not work here, and why."""

    sandbox: Sandbox
    rejected: dict[str, str]
    allowed_hosts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        user = "as the server's user" if os.getuid() else "each session as a user of its own"
        hosts = f"reaches only {', '.join(self.allowed_hosts)}" if self.allowed_hosts else "reaches no host"
        return {
            "full": f"{self.sandbox.name} (full): own files, processes and network, {hosts}, {user}",
            "reduced": f"{self.sandbox.name} (reduced): guarded files, no sockets, no own process groups, {user};"
            " not guarded: names and sizes of other files; cannot keep to allowed_hosts",
            "none": "none: commands can do whatever the server's user can",
        }[self.sandbox.level]


async def choose_sandbox(
    kind: Kind,
    *,
    accepted: bool,
    settings: SandboxSettings,
    directory: Path,
    kinds: Mapping[str, NewSandbox] = KINDS,
) -> Choice:
    """``directory`` is where workspaces are; the probe makes one of its own there, and removes it.

    Raises `ConfigError` (``no_isolation``) where no sandbox was asked for, but not twice, `UnavailableError`
    (``no_sandbox``) where none works, and `ConfigError` (``hosts_not_enforced``) where the one that works cannot keep
    commands to the allowed hosts.
    """
    if kind == "none":
        if not accepted:
            raise ConfigError(
                "Without a sandbox, a command of an agent can read your keys, change any of your files and reach your"
                " network. To run so all the same, give --accept-no-isolation beside --sandbox none.",
                code="no_isolation",
            )
        _check_hosts(Unconfined(), settings, {})
        return Choice(Unconfined(), {})
    rejected: dict[str, str] = {}
    for name, new_sandbox in kinds.items():
        sandbox = new_sandbox(settings)
        complaint = await probe(sandbox, directory, settings)
        if not complaint:
            _check_hosts(sandbox, settings, rejected)
            return Choice(sandbox, rejected, tuple(settings.allowed_hosts))
        rejected[name] = complaint
    found = "; ".join(f"{name}: {complaint}" for name, complaint in rejected.items())
    raise UnavailableError(
        "No sandbox works here, so agents do not start: their commands could read your keys, change any of your files"
        f" and reach your network. What was found: {found}. Install bubblewrap (`apt install bubblewrap`), or take the"
        " risk with --sandbox none --accept-no-isolation.",
        code="no_sandbox",
        retryable=False,
    )


def _check_hosts(sandbox: Sandbox, settings: SandboxSettings, rejected: Mapping[str, str]) -> None:
    if not settings.allowed_hosts or sandbox.level == "full":
        return
    why = {
        "reduced": "Landlock can bound the ports of a connection, but not its hosts, so that a command could reach any",
        "none": "without a sandbox, a command reaches whatever you can reach",
    }[sandbox.level]
    found = "".join(f" {name} was not taken: {complaint}." for name, complaint in rejected.items())
    raise ConfigError(
        f"The option 'sandbox_limits.allowed_hosts' cannot be kept here: {why}.{found} Install bubblewrap"
        " (`apt install bubblewrap`), or leave the option empty.",
        code="hosts_not_enforced",
    )


async def probe(sandbox: Sandbox, directory: Path, settings: SandboxSettings = NO_HOSTS) -> str:
    """Why the sandbox is not to be trusted here; empty if nothing got out of it."""
    if sandbox.name == "bubblewrap" and not shutil.which("bwrap"):
        return "the program bwrap is not found"
    canary = secrets.token_hex(16)
    with _make_place(directory) as place, _targets(place.root.parent, canary) as target:
        printed, complaint = await _escape(sandbox, place, target, settings if sandbox.level == "full" else NO_HOSTS)
        daemon = await _find_survivor(canary)
        victim_lives = _lives(target["pid"])
    try:
        outcomes: dict[str, str] = json.loads(printed)
    except ValueError:
        said = complaint.strip().splitlines()[-1] if complaint.strip() else "no word"
        # Landlock mounts nothing, so the session's user has to be able to walk to its files.
        hint = f" (may other users pass through {directory.parent}?)" if os.getuid() == 0 and "denied" in said else ""
        return f"it does not start: {said}{hint}"
    if daemon:
        outcomes["leave a daemon behind"] = "a daemon outlived the box"
        with suppress(ProcessLookupError):
            os.kill(daemon, signal.SIGKILL)
    if not victim_lives:
        outcomes["kill a process"] = "a process outside was killed"
    return "; ".join(got for got in outcomes.values() if got)


@contextmanager
def _make_place(directory: Path) -> Iterator[Place]:
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Where the server is root, other users pass through to what is theirs, and read nothing.
    directory.mkdir(exist_ok=True, mode=0o700 if os.getuid() else 0o711)
    uid = PROBE_UID if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=directory) as path:
        base = Path(path)
        base.chmod(0o711)
        for name in ("files", "home", "tmp"):
            (base / name).mkdir(mode=0o700)
            if uid is not None:
                os.chown(base / name, uid, uid)
        script = base / "escape.py"
        shutil.copyfile(escape.__file__, script)
        script.chmod(0o644)
        readable = (script, Path(sys.base_prefix).resolve())
        yield Place(base / "files", base / "home", base / "tmp", readable, os.defpath, uid)


def _lives(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG) == (0, 0)


@contextmanager
def _targets(base: Path, canary: str) -> Iterator[dict[str, Any]]:
    """Things outside of the box that are worth an attempt."""
    others = {"token": base / "token", "other": base / "other"}
    for path in others.values():
        path.write_text(canary)
        path.chmod(0o600)
    outside = base / "outside"
    outside.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{canary}")
        abstract.listen()
        pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], {"CANARY": canary})
        try:
            yield {
                **{name: str(path) for name, path in others.items()},
                "outside": str(outside / "file"),
                "canary": canary,
                "pid": pid,
                "port": listener.getsockname()[1],
                "abstract": canary,
            }
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


async def _escape(sandbox: Sandbox, place: Place, target: dict[str, Any], settings: SandboxSettings) -> tuple[str, str]:
    """What the attempts printed, by the first interpreter that starts in the box, and complaints."""
    complaint = ""
    for interpreter in INTERPRETERS:
        argv = (interpreter, "-I", "-S", str(place.readable[0]), json.dumps(target))
        async with open_box(sandbox, argv, place, settings) as opening:
            launch = opening.launch
            try:
                process = await asyncio.create_subprocess_exec(
                    *launch.argv,
                    pass_fds=launch.descriptors,
                    env={"PATH": os.defpath, **launch.environment},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                return "", str(error)
            try:
                async with asyncio.timeout(SECONDS):
                    printed, said = await process.communicate()
            except TimeoutError:
                printed, said = b"", b"the attempts did not end"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if printed:
            return printed.decode(), ""
        complaint = said.decode(errors="replace")
    return "", complaint


async def _find_survivor(canary: str) -> int | None:
    """A process with the canary among its words that is still there when the killed ones have gone."""
    for _ in range(50):
        if (found := _find_process(canary)) is None:
            return None
        await asyncio.sleep(0.02)
    return found


def _find_process(canary: str) -> int | None:
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and int(process.name) != os.getpid():
                words = (process / "cmdline").read_bytes().split(b"\0")
                if canary.encode() in words:
                    return int(process.name)
    return None

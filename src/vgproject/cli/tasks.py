"""``serve``, ``run`` and ``attach``: a server, a task, a session to follow."""

import asyncio
import gc
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

from rich.console import Console

from vgproject.cli.client import Client
from vgproject.cli.follow import INTERRUPTED, NEEDS_ANSWER, follow_task
from vgproject.cli.home import ServerAddress, find_server, hold_home
from vgproject.cli.live import create_view
from vgproject.cli.logs import set_up_logging
from vgproject.config import Config, Loaded, load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.errors import ConfigError, ConflictError, UnavailableError, VgprojectError
from vgproject.utils.addresses import is_loopback
from vgproject.utils.secrets import SecretMask


class Visit(Protocol):
    async def __call__(self, client: Client, session_id: str, *, home: Path, until_idle: bool) -> int: ...


def serve(options: dict[str, Any], *, create_server: Callable[[Loaded], EnhancedRAServer] = EnhancedRAServer) -> int:
    """Until a signal; the exit code."""
    loaded = load_config(options)
    secrets = SecretMask(loaded.own_secrets())
    set_up_logging(loaded.config.log_format, secrets)
    for sentence in loaded.unknown:
        print(sentence, file=sys.stderr, flush=True)
    _check_project(loaded)
    server = create_server(loaded)
    if warning := _warn_if_open(loaded.config):
        print(warning, file=sys.stderr, flush=True)

    def ready(url: str) -> None:
        assert server.authenticator is not None
        secrets.add("token", server.authenticator.token)
        print(f"vgproject is ready at {url}/sign-in?code={server.authenticator.new_code()}", flush=True)
        print(f"Sandbox: {server.sandbox}", file=sys.stderr, flush=True)

    _stay_responsive()
    with hold_home(loaded.config.home):
        asyncio.run(server.serve(ready))
    return 0


def _check_project(loaded: Loaded) -> None:
    if not loaded.config.project.is_dir():
        source = loaded.sources.get("project", "default")
        raise ConfigError(
            f"The option 'project' ({source}) is {str(loaded.config.project)!r}: it must be a directory that is there."
        )


def _warn_if_open(config: Config) -> str | None:
    if config.tls_cert or is_loopback(config.host):
        return None
    return (
        f"{config.host} is not loopback and there is no TLS: whoever can listen on the way reads tokens and sessions."
    )


def _stay_responsive() -> None:
    """Short waits for every client: no full collection over all that was imported, no long turn of another thread."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.0005)
    # Each connection takes a file; the usual limit is for programs that still use `select`.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(content: str, options: dict[str, Any], request: dict[str, Any], *, server: str | None, as_json: bool) -> int:
    loaded = load_config(options)
    return _interruptible(_run(loaded, content, request, server=server, as_json=as_json))


async def _run(loaded: Loaded, content: str, request: dict[str, Any], *, server: str | None, as_json: bool) -> int:
    config = loaded.config
    settings = {
        "model": config.model,
        "models": config.models,
        "approvals": config.approvals,
        "test_command": config.test_command,
        "max_cost_usd": config.max_cost_usd,
        "max_tokens": config.max_tokens,
        "max_task_turns": config.max_task_turns,
        "max_seconds": config.max_seconds,
        "approval_timeout_seconds": config.approval_timeout_seconds,
        "plan_gate": config.plan_gate,
        "take_uncommitted": config.take_uncommitted,
        "carry": config.carry,
    }
    project = str(config.project.resolve())
    async with open_server(loaded, server) as address:
        client = Client(address)
        session = await client.request("POST", "/v1/sessions", json={"project": project, "settings": settings})
        session_id = session["session_id"]
        try:
            path = f"/v1/sessions/{session_id}/tasks"
            task = await client.request("POST", path, json={"content": content, **request})
        except VgprojectError:
            await client.request("DELETE", f"/v1/sessions/{session_id}")
            raise
        code = await _show_task(client, session_id, task["task_id"], address, config, as_json=as_json)
    if not as_json and code in (0, 1):
        print(f"Session {session_id}: see `vgproject diff {session_id}`, then `vgproject apply {session_id}`.")
    return code


def attach(session_id: str, options: dict[str, Any], *, server: str | None, as_json: bool) -> int:
    return _interruptible(_attach(load_config(options), session_id, server=server, as_json=as_json))


async def _attach(loaded: Loaded, session_id: str, *, server: str | None, as_json: bool) -> int:
    async with open_server(loaded, server) as address:
        client = Client(address)
        session = await client.request("GET", f"/v1/sessions/{session_id}")
        last = session["tasks"][-1]["task_id"] if session["tasks"] else None
        return await _show_task(client, session_id, last, address, loaded.config, as_json=as_json, stay=True)


async def _show_task(
    client: Client,
    session_id: str,
    task_id: str | None,
    address: ServerAddress,
    config: Config,
    *,
    as_json: bool,
    stay: bool = False,
) -> int:
    """Where somebody can type, until they leave or the session is idle (``stay``: only the former); else the task."""
    if as_json or not _is_typed_at():
        return await follow_task(client, session_id, task_id, create_view(as_json=as_json)) if task_id else 0
    visit: Visit = resolve_name("vgproject.cli.terminal.visit:visit")
    code = await visit(client, session_id, home=config.home, until_idle=not stay)
    if code in (INTERRUPTED, NEEDS_ANSWER):
        sys.stderr.write(_left(session_id, address))
    return code


def _is_typed_at() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not Console().is_dumb_terminal


def _left(session_id: str, address: ServerAddress) -> str:
    where = "is kept, and waits for a server" if address.embedded else "goes on at the server"
    return f"The task {where}: `vgproject attach {session_id}` shows it again.\n"


def _interruptible(work: Any) -> int:
    try:
        return int(asyncio.run(work))
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. The task is kept: `vgproject attach SESSION` goes on with it.\n")
        return INTERRUPTED


@asynccontextmanager
async def open_server(loaded: Loaded, url: str | None) -> AsyncIterator[ServerAddress]:
    """The server at ``url``, else the one that serves this home, else one of our own for as long as it is needed."""
    home = loaded.config.home
    if url := url or loaded.config.server:
        token = loaded.config.token or _read_token(home)
        yield ServerAddress(url.rstrip("/"), token, _known_certificate(home, url.rstrip("/")))
        return
    try:
        with hold_home(home):
            async with _embedded_server(loaded) as address:
                yield address
    except ConflictError as error:
        if error.code != "home_in_use":
            raise
        yield find_server(home)


def _known_certificate(home: Path, url: str) -> Path | None:
    """That of the server of this home, where ``url`` is its own."""
    with suppress(UnavailableError):
        known = find_server(home)
        return known.tls_cert if known.url == url else None
    return None


def _read_token(home: Path) -> str:
    path = home / "token"
    return path.read_text().strip() if path.is_file() else ""


@asynccontextmanager
async def _embedded_server(loaded: Loaded) -> AsyncIterator[ServerAddress]:
    server = EnhancedRAServer(loaded.with_config(port=0, host="127.0.0.1", tls_cert=None, tls_key=None))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve(ready.set_result, signals=False), name="embedded server")
    either: list[asyncio.Future[Any]] = [serving, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await serving
    try:
        assert server.authenticator is not None
        yield ServerAddress(ready.result(), server.authenticator.token, embedded=True)
    finally:
        server.stop()
        await serving

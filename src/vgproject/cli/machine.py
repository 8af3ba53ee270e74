"""The server's documents, its database, and what works on this machine."""

import asyncio
import json
import shutil
import sysconfig
from typing import Any

from vgproject import __version__
from vgproject.config import PROVIDER_VARIABLES, Loaded, is_secret, load_config, make_home, options_of
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.errors import ModelError, UnavailableError, VgprojectError
from vgproject.llm.llm import Llm
from vgproject.repositories.database_url import mask_password
from vgproject.repositories.unit_of_work import Database
from vgproject.routes.documents import openapi
from vgproject.schema.documents import asyncapi
from vgproject.tools.mcp import LostConnectionError, McpSettings, create_mcp_server
from vgproject.workspace.sandbox.base import SandboxSettings
from vgproject.workspace.sandbox.cgroup import Groups
from vgproject.workspace.sandbox.probe import choose_sandbox


def upgrade_database(options: dict[str, Any]) -> int:
    config = load_config(options).config

    async def upgrade() -> None:
        make_home(config.home)
        database = Database(config.database())
        try:
            await database.upgrade()
        finally:
            await database.close()

    asyncio.run(upgrade())
    print(f"The database {config.database()} is up to date.")
    return 0


def print_openapi(options: dict[str, Any]) -> int:
    print(json.dumps(openapi(EnhancedRAServer(load_config(options)).app), indent=2))
    return 0


def print_asyncapi() -> int:
    print(json.dumps(asyncapi(__version__), indent=2))
    return 0


def examine(options: dict[str, Any]) -> int:
    """Print every setting with its source, and what is found; 1 if something that is needed is not there."""
    loaded = load_config(options)
    for option, value in options_of(loaded.config):
        shown = "(hidden)" if is_secret(option) and value else mask_password(str(value))
        print(f"{option:<26} {shown}  [{loaded.sources.get(option, 'default')}]")
    for name in PROVIDER_VARIABLES:
        print(f"{name:<26} {'set' if name in loaded.provider_environment else 'not set'}")
    print()
    for sentence in loaded.unknown:
        print(f"! {sentence}")
    findings = [_find_git(), _find_ripgrep(), _find_model(loaded), _find_database(loaded), *_find_sandbox(loaded)]
    findings += asyncio.run(_find_mcp_servers(loaded))
    for works, text in findings:
        print(f"{'✓' if works else '✗'} {text}")
    return 0 if all(works for works, _ in findings) else 1


def _find_git() -> tuple[bool, str]:
    git = shutil.which("git")
    return (True, f"git: {git}") if git else (False, "git is not found: install it.")


def _find_ripgrep() -> tuple[bool, str]:
    program = shutil.which("rg", path=sysconfig.get_path("scripts")) or shutil.which("rg")
    return (True, f"ripgrep: {program}") if program else (False, "ripgrep is not found: install the package ripgrep.")


def _find_model(loaded: Loaded) -> tuple[bool, str]:
    llm = Llm(loaded.config.llm, loaded.provider_environment)
    try:
        model = loaded.config.model or llm.default_model()
        llm.check(model)
    except ModelError as error:
        return False, error.message
    return True, f"model: {model}"


def _find_sandbox(loaded: Loaded) -> list[tuple[bool, str]]:
    config = loaded.config
    directory = config.home / "workspaces"
    choosing = choose_sandbox(
        config.sandbox, accepted=config.accept_no_isolation, settings=config.sandbox_limits, directory=directory
    )
    try:
        choice = asyncio.run(choosing)
    except VgprojectError as error:
        return [(False, error.message)]
    rejected = "".join(f"; {name} was not taken: {why}" for name, why in choice.rejected.items())
    return [(True, f"sandbox: {choice.text}{rejected}"), (True, _describe_bounds(config.sandbox_limits))]


def _describe_bounds(limits: SandboxSettings) -> str:
    groups = Groups()
    groups.close()
    how = (
        f"each process is held to its memory and the user to its processes by the kernel, and the sum of memory is"
        f" watched, because no cgroup can be made ({groups.missing})"
        if groups.missing
        else "all processes of a command together are held to memory and number by the kernel (cgroup)"
    )
    return (
        f"bounds: {limits.memory_bytes >> 20} MiB of memory, {limits.processes} processes,"
        f" {limits.disk_bytes >> 20} MiB of disk a session: {how}; one file is bounded by the kernel, the disk is watched"
    )


async def _find_mcp_servers(loaded: Loaded) -> list[tuple[bool, str]]:
    config = loaded.config
    servers = config.mcp.items()
    if servers:
        make_home(config.home)
    return list(await asyncio.gather(*(_find_mcp_server(loaded, name, chosen) for name, chosen in servers)))


async def _find_mcp_server(loaded: Loaded, name: str, chosen: McpSettings) -> tuple[bool, str]:
    server = create_mcp_server(name, chosen, environ=loaded.environ, directory=loaded.config.home)
    try:
        await server.connect()
    except LostConnectionError as error:
        return False, error.message
    finally:
        await server.close()
    return True, f"MCP server {name}: {', '.join(server.tools) or 'it has no tools'}"


def _find_database(loaded: Loaded) -> tuple[bool, str]:
    url = loaded.config.database()
    if url.path and not url.path.exists():
        return True, f"database: {url} will be made at the first start"

    async def check() -> None:
        database = Database(url)
        try:
            await database.check()
        finally:
            await database.close()

    try:
        asyncio.run(check())
    except UnavailableError as error:
        return False, error.message
    return True, f"database: {url}"

"""Commands that may reach some hosts, in the box that can keep them to it."""

import asyncio
import functools
import ipaddress
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boxes import PATH, open_place, python, run_boxed
from vgproject.errors import ConfigError
from vgproject.utils.ids import new_id
from vgproject.workspace.boxes import Boxes
from vgproject.workspace.processes import Reason, run_command
from vgproject.workspace.sandbox.base import Place, SandboxSettings
from vgproject.workspace.sandbox.bubblewrap import Bubblewrap
from vgproject.workspace.sandbox.gate import open_box
from vgproject.workspace.sandbox.hosts import Address
from vgproject.workspace.sandbox.landlock import Landlock
from vgproject.workspace.sandbox.ownership import adopt
from vgproject.workspace.sandbox.probe import choose_sandbox, probe
from vgproject.workspace.sandbox.proxy import Resolve

MIB = 1024**2


@functools.cache
def bubblewrap_works() -> bool:
    with open_place() as place:
        return not asyncio.run(probe(Bubblewrap(SandboxSettings()), place.root.parent / "probe"))


needs_bubblewrap = pytest.mark.skipif(not bubblewrap_works(), reason="bubblewrap makes no box here")


class Outside:
    """A host on this machine: it answers with what it was asked, and knows who has come."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.open = 0
        self.empty = asyncio.Event()
        self.on_silent: Callable[[], None] = lambda: None

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            if b" /endless " in head:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            if b" /silent " in head:
                self.on_silent()
                await reader.read()
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\noutside!")
            await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            self.open -= 1
            if not self.open:
                self.empty.set()
            writer.close()


@asynccontextmanager
async def open_outside() -> AsyncIterator[Outside]:
    outside = Outside()
    server = await asyncio.start_server(outside.attend, "127.0.0.1", 0)
    outside.port = server.sockets[0].getsockname()[1]
    async with server:
        yield outside


def allowing(*hosts: str, network_bytes: int = 64 * MIB) -> SandboxSettings:
    return SandboxSettings(allowed_hosts=list(hosts), network_bytes=network_bytes)


async def run_with_names(
    place: Place, command: str, settings: SandboxSettings, resolve: Resolve
) -> tuple[str, list[str]]:
    """As a workspace does, with names that lead where ``resolve`` says."""
    if place.uid is not None:
        for path in place.writable:
            await asyncio.to_thread(adopt, path, place.uid)

    async def never(pid: int) -> Reason:
        forever: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        return await forever

    argv = ("/bin/sh", "-c", command)
    async with open_box(Bubblewrap(settings), argv, place, settings, resolve) as opening:
        result = await run_command(
            opening.launch, cwd=place.root, environment={"PATH": PATH, "HOME": str(place.home)}, marker=new_id("cmd"),
            timeout_seconds=30, on_output=lambda _: None, watch=never,
        )  # fmt: skip
    return result.output, opening.refusals


URLLIB = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"


@needs_bubblewrap
async def test_an_allowed_host_is_reached_by_usual_programs() -> None:
    async with open_outside() as outside:
        url = f"http://127.0.0.1:{outside.port}"
        with open_place() as place:
            commands = [
                f"curl -sS {url}/plain",
                f"curl -sS -p {url}/tunnel",
                f"{python(place)} -I -c '{URLLIB}' {url}/urllib",
            ]
            result = await run_boxed(
                "bubblewrap", place, "; echo; ".join(commands), settings=allowing(f"127.0.0.1:{outside.port}")
            )
        assert result.output.split() == ["outside!"] * 3
        assert [head.split()[1] for head in outside.heads] == ["/plain", "/tunnel", "/urllib"]


@needs_bubblewrap
async def test_a_host_that_is_not_allowed_is_refused_and_it_is_said_how_to_allow_it() -> None:
    shown: list[str] = []
    async with open_outside() as outside:
        settings = allowing("packages.example")
        with open_place() as place:
            await asyncio.to_thread(adopt, place.root, place.uid or os.getuid())
            result = await Boxes(Bubblewrap(settings), settings).run(
                (
                    "/bin/sh",
                    "-c",
                    f"curl -sS -p --proxy $HTTP_PROXY --noproxy '' http://localhost:{outside.port}/; exit 4",
                ),
                place,
                cwd=place.root,
                environment={"PATH": PATH, "HOME": str(place.home)},
                timeout_seconds=20,
                on_output=shown.append,
            )
        assert outside.heads == []
    assert result.exit_code == 4
    assert "response 403" in result.output
    assert f"localhost:{outside.port} is not among the allowed hosts" in result.output
    assert f"--allow-host localhost:{outside.port}." in result.output
    assert "".join(shown) == result.output


@needs_bubblewrap
async def test_another_port_of_an_allowed_host_is_refused() -> None:
    async with open_outside() as outside:
        with open_place() as place:
            command = f"curl -sS -o /dev/null -w '%{{http_code}}' http://localhost:{outside.port}/"
            result = await run_boxed("bubblewrap", place, command, settings=allowing("localhost:1"))
        assert result.output.startswith("403")
        assert outside.heads == []


@needs_bubblewrap
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.0.0.5", "::1", "::ffff:127.0.0.1", "100.100.100.200"]
)
async def test_an_allowed_name_does_not_lead_to_an_address_inside(address: str) -> None:
    def resolve(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(address)]

    async with open_outside() as outside:
        with open_place() as place:
            settings = allowing(f"metadata.example:{outside.port}")
            output, refusals = await run_with_names(
                place, f"curl -sS http://metadata.example:{outside.port}/", settings, resolve
            )
        assert outside.heads == []
    assert "which is no public address" in output
    assert refusals == [output.strip()]


@needs_bubblewrap
async def test_it_connects_to_the_address_that_was_looked_at_though_the_name_changes() -> None:
    """The second answer is one that would be refused: asked for once a request, it cannot take the first one's place."""
    async with open_outside() as outside:
        answers = ["127.0.0.1", "127.0.0.2"]
        asked: list[str] = []

        def resolve(host: str, port: int) -> list[Address]:
            asked.append(host)
            return [ipaddress.ip_address(answers[min(len(asked), 2) - 1])]

        with open_place() as place:
            port = outside.port
            output, refusals = await run_with_names(
                place,
                f"curl -sS http://moving.example:{port}/; curl -sS http://moving.example:{port}/",
                allowing(f"moving.example:{port}", f"127.0.0.1:{port}"),
                resolve,
            )
        assert output.startswith("outside!moving.example leads to 127.0.0.2")
        assert len(outside.heads) == 1
        assert asked == ["moving.example"] * 2
        assert len(refusals) == 1


@needs_bubblewrap
async def test_only_allowed_names_are_asked_for() -> None:
    """A name that is asked for tells something to whoever answers for it."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[Address]:
        asked.append(host)
        raise OSError

    with open_place() as place:
        command = "curl -sS http://secret.evil.example/; curl -sS http://unknown.example/"
        output, _ = await run_with_names(place, command, allowing("unknown.example"), resolve)
    assert asked == ["unknown.example"]
    assert "The name unknown.example is not known." in output


@needs_bubblewrap
async def test_no_connection_is_left_when_the_command_has_ended() -> None:
    async with open_outside() as outside:
        with open_place() as place:
            outside.on_silent = (place.root / "go").touch
            url = f"http://127.0.0.1:{outside.port}/silent"
            command = f"curl -sS {url} & until [ -e go ]; do sleep 0.02; done; exit 0"
            result = await run_boxed("bubblewrap", place, command, settings=allowing(f"127.0.0.1:{outside.port}"))
        assert result.exit_code == 0
        async with asyncio.timeout(5):
            await outside.empty.wait()


@needs_bubblewrap
async def test_a_command_moves_so_many_bytes_and_no_more() -> None:
    async with open_outside() as outside:
        with open_place() as place:
            url = f"http://127.0.0.1:{outside.port}"
            command = f"curl -s {url}/endless | wc -c; curl -sS {url}/more"
            result = await run_boxed(
                "bubblewrap", place, command,
                settings=allowing(f"127.0.0.1:{outside.port}", network_bytes=2 * MIB),
            )  # fmt: skip
        assert MIB < int(result.output.split()[0]) <= 2 * MIB
        assert result.output.count("sandbox_limits.network_bytes") == 2
        assert len(outside.heads) == 1


@needs_bubblewrap
async def test_a_server_in_the_box_is_reached_directly() -> None:
    with open_place() as place:
        command = (
            f"{python(place)} -I -u -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 &"
            " curl -sS --retry 20 --retry-connrefused --retry-delay 0 -o /dev/null -w '%{http_code}' http://localhost:8000/"
        )
        result = await run_boxed("bubblewrap", place, command, settings=allowing("packages.example"))
    assert result.output.endswith("200")


@needs_bubblewrap
async def test_without_allowed_hosts_there_is_no_proxy() -> None:
    with open_place() as place:
        result = await run_boxed("bubblewrap", place, "env | grep -ic _proxy; curl -sS http://127.0.0.1:3128/")
    assert result.output.startswith("0\n")
    assert "connect" in result.output


@needs_bubblewrap
async def test_the_probe_tries_the_proxy_too_and_the_choice_names_the_hosts() -> None:
    with open_place() as place:
        choice = await choose_sandbox(
            "auto",
            accepted=False,
            settings=allowing("packages.example", "*.example.org"),
            directory=place.root.parent / "probe",
        )
    assert "reaches only packages.example, *.example.org" in choice.text


async def test_where_hosts_cannot_be_enforced_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allowed_hosts' cannot be kept here") as refused:
        await choose_sandbox("none", accepted=True, settings=allowing("packages.example"), directory=tmp_path)
    assert refused.value.code == "hosts_not_enforced"
    with open_place() as place:
        directory = place.root.parent / "probe"
        if await probe(Landlock(SandboxSettings()), directory):
            pytest.skip("Landlock does not work here")
        with pytest.raises(ConfigError, match=r"Landlock can bound the ports.*apt install bubblewrap") as refused:
            await choose_sandbox(
                "auto",
                accepted=False,
                settings=allowing("packages.example"),
                directory=directory,
                kinds={"landlock": Landlock},
            )
    assert refused.value.code == "hosts_not_enforced"

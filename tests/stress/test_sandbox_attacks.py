"""Attacks run for real in each kind of box that works here, as root's guest and as an ordinary user's."""

import asyncio
import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vgproject
from boxes import PATH, open_place, python, run_boxed
from sample import make_project
from vgproject.workspace.boxes import Boxes
from vgproject.workspace.processes import CommandResult
from vgproject.workspace.sandbox.base import Place, SandboxSettings
from vgproject.workspace.sandbox.cgroup import Groups
from vgproject.workspace.sandbox.ownership import adopt
from vgproject.workspace.sandbox.probe import KINDS, probe
from vgproject.workspace.workspaces import Workspaces

MIB = 1024**2
TIGHT = SandboxSettings(memory_bytes=128 * MIB, processes=64, file_bytes=8 * MIB, disk_bytes=20 * MIB)
ORDINARY_UID = 31_337
RESPONSIVE_SECONDS = 1.0
"""The machine may be busy with other tests; a blocked loop would stand for the whole attack."""


@functools.cache
def complaint(kind: str) -> str:
    """Why the kind does not work on this machine."""
    with open_place() as place:
        return asyncio.run(probe(KINDS[kind](SandboxSettings()), place.root.parent / "probe"))


KINDS_HERE = [kind for kind in KINDS if not complaint(kind)]


@pytest.fixture(params=KINDS_HERE)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_some_kind_works_here_and_the_others_are_named(not_tried: list[str]) -> None:
    user = "root" if os.getuid() == 0 else "an ordinary user"
    not_tried += [f"{kind} as {user}: {complaint(kind)}" for kind in KINDS if kind not in KINDS_HERE]
    assert KINDS_HERE


def list_directory(path: str) -> list[Path]:
    return list(Path(path).iterdir())


@pytest.fixture(params=["watched", "cgroup"])
def groups(request: pytest.FixtureRequest, not_tried: list[str]) -> Iterator[Groups | None]:
    """What holds all processes of a command to their bounds together."""
    if request.param == "watched":
        yield None
        return
    with contextlib.closing(Groups()) as groups:
        if groups.missing:
            not_tried.append(f"bounds held by a cgroup: {groups.missing}")
            pytest.skip(groups.missing)
        yield groups


@contextmanager
def victim(canary: str) -> Iterator[int]:
    """A process of the server's user with a key in its environment."""
    process = subprocess.Popen(["sleep", "600"], env={"API_KEY": canary, "PATH": PATH})
    try:
        yield process.pid
        assert process.poll() is None, "a process outside was killed"
    finally:
        process.kill()
        process.wait()


async def attack(
    kind: str,
    place: Place,
    command: str,
    *,
    settings: SandboxSettings = TIGHT,
    seconds: float = 20,
    groups: Groups | None = None,
) -> CommandResult:
    """Run it, see that the loop goes on meanwhile and that nothing is left."""
    slowest = 0.0

    async def tick() -> None:
        nonlocal slowest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - began)

    ticking = asyncio.create_task(tick())
    result = await run_boxed(kind, place, command, settings=settings, seconds=seconds, groups=groups)
    ticking.cancel()
    assert slowest < RESPONSIVE_SECONDS
    for _ in range(100):
        if not survivors(place):
            break
        await asyncio.sleep(0.02)
    assert survivors(place) == []
    return result


def survivors(place: Place) -> list[str]:
    """Processes of the box's user, and any that stands in its directories or names them."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            words = (process / "cmdline").read_bytes()
            mine = place.uid is not None and process.stat().st_uid == place.uid
            if words and (mine or str(place.root).encode() in words):
                found.append(f"{process.name} {words!r}")
        except OSError:
            continue
    return found


async def test_nothing_outside_is_read_or_written(kind: str) -> None:
    with open_place() as place:
        outside = place.root.parent
        words = [
            f"cat {outside}/token {outside}/another/secret; ls {outside}/another",
            f"ln -s {outside}/token link; cat link; ln {outside}/token hard; cat hard",
            f"cat ../token; cat /proc/self/cwd/../token; cat /proc/1/root{outside}/token",
            f"echo x > {outside}/token; echo x > {outside}/another/secret; echo x > {outside}/new",
            f"chmod 777 {outside}/token; mv {outside}/another {outside}/moved; rm -rf {outside}/another",
            "echo x > /etc/escaped; echo x > /usr/escaped; cat /etc/shadow; cat /root/.ssh/* /root/.bashrc",
        ]
        result = await attack(kind, place, "; ".join(words))
        assert "secret" not in result.output.replace(f"{outside}/another/secret", "")
        assert "the server's token" not in result.output
        assert "root:" not in result.output
        assert (outside / "token").read_text() == "the server's token"
        assert (outside / "token").stat().st_mode & 0o777 == 0o600
        assert (outside / "another" / "secret").read_text() == "the other session's secret"
        assert sorted(path.name for path in outside.iterdir()) == ["another", "files", "home", "tmp", "token"]
        assert not {"escaped"} & {path.name for top in ("/etc", "/usr") for path in list_directory(top)}


async def test_keys_of_other_processes_are_not_seen_and_the_processes_not_killed(kind: str) -> None:
    with open_place() as place, victim("sk-canary-of-the-server") as pid:
        command = f"cat /proc/*/environ; cat /proc/{pid}/cmdline; ps aux; kill -9 {pid}; kill -9 -1; echo still here"
        result = await attack(kind, place, command)
        assert "sk-canary-of-the-server" not in result.output
        assert "sleep\0" not in result.output


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300 & sleep 300 &",
        "nohup setsid sleep 300 >/dev/null 2>&1 & exit 0",
        "(env -i setsid sh -c 'sleep 300 & sleep 300 &' </dev/null >/dev/null 2>&1 &); exit 0",
        "trap '' TERM HUP INT; sleep 300 & wait",
    ],
)
async def test_no_daemon_is_left(kind: str, command: str) -> None:
    with open_place() as place:
        await attack(kind, place, command, seconds=2)


async def test_a_fork_bomb_ends_with_its_command(kind: str, groups: Groups | None) -> None:
    with open_place() as place:
        result = await attack(kind, place, "bomb() { bomb | bomb & }; bomb; sleep 300", seconds=3, groups=groups)
        assert result.reason in ("timeout", "output_limit", "exit")


async def test_one_process_cannot_take_the_memory(kind: str, groups: Groups | None) -> None:
    with open_place() as place:
        code = "held = []\nwhile True: held.append(bytearray(8 * 1024 ** 2))"
        result = await attack(kind, place, f"{python(place)} -I -S -c '{code}'", groups=groups)
        assert result.reason == "oom" or "MemoryError" in result.output


@pytest.mark.parametrize(
    "memory",
    ["bytearray(b'x') * (50 * 1024 ** 2)", "__import__('mmap').mmap(-1, 50 * 1024 ** 2); h.write(b'x' * len(h))"],
    ids=["private", "shared"],
)
async def test_many_processes_together_cannot_take_the_memory(kind: str, groups: Groups | None, memory: str) -> None:
    with open_place() as place:
        one = f'{python(place)} -I -S -c "h = {memory}; import time; time.sleep(300)" &'
        result = await attack(kind, place, f"for i in 1 2 3 4 5 6; do {one} done; wait", groups=groups)
        assert result.reason == "oom"


async def test_a_memory_bomb_of_a_fork_bomb_holds_up_nothing(kind: str, groups: Groups | None) -> None:
    """Each of the processes takes a little, and starts two more."""
    with open_place() as place:
        code = (
            "import os, time\n"
            "held = []\n"
            "while True:\n"
            "    held.append(bytearray(b'x') * 1024 ** 2)\n"
            "    try: os.fork()\n"
            "    except OSError: time.sleep(0.01)\n"
        )
        (place.root / "grow.py").write_text(code)
        result = await attack(kind, place, f"{python(place)} -I -S grow.py", groups=groups)
        assert result.reason == "oom"


async def test_a_group_holds_the_number_of_processes_and_is_gone_with_its_command(
    kind: str, groups: Groups | None
) -> None:
    with open_place() as place:
        result = await attack(kind, place, "i=0; while [ $i -lt 200 ]; do i=$((i+1)); sleep 300 & done", groups=groups)
        assert "fork" in result.output
    if groups:
        assert groups.list_commands() == []


async def test_one_file_has_a_largest_size(kind: str) -> None:
    with open_place() as place:
        await attack(kind, place, "head -c 64M /dev/zero > big; truncate -s 1G sparse")
        assert (place.root / "big").stat().st_size <= TIGHT.file_bytes
        assert not (place.root / "sparse").exists() or (place.root / "sparse").stat().st_size <= TIGHT.file_bytes


@pytest.mark.parametrize("content", ["", "head -c 4M /dev/zero"], ids=["empty", "large"])
async def test_many_files_cannot_fill_the_disk(kind: str, content: str) -> None:
    with open_place() as place:
        command = f"i=0; while :; do i=$((i+1)); {content or ':'} > file-$i; done"
        result = await attack(kind, place, command)
        assert result.reason == "disk_limit"


async def test_endless_output_is_cut(kind: str) -> None:
    with open_place() as place:
        assert (await attack(kind, place, "yes")).reason == "output_limit"


async def test_what_is_planted_in_git_does_not_run_outside_nor_widen_the_box(kind: str) -> None:
    with open_place() as place:
        base = place.root.parent
        planted = base / "planted"
        workspaces = Workspaces(base, {"PATH": PATH}, Boxes(KINDS[kind](SandboxSettings()), SandboxSettings()))
        workspace = await workspaces.open_or_create("session", make_project(base / "project"))
        config = "; ".join(
            f"printf '[%s]\\n%s = touch {planted}\\n' '{section}' '{key}' >> .git/config"
            for section, key in (
                ("core", "fsmonitor"),
                ("core", "pager"),
                ("diff", "external"),
                ('filter "x"', "clean"),
                ('diff "x"', "textconv"),
            )
        )
        hook = f"printf '#!/bin/sh\\ntouch {planted}\\n' > .git/hooks/post-index-change; sh -c 'chmod +x .git/hooks/*'"
        attributes = "echo '* filter=x diff=x' > .gitattributes; echo '# changed' >> calc.py"
        wider = f"echo {base}/another > .git/objects/info/alternates"
        await workspace.run(f"{config}; {hook}; {attributes}; {wider}", timeout_seconds=20, on_output=lambda _: None)
        assert "# changed" in await workspace.diff()
        assert {change.path for change in await workspace.changes()} == {".gitattributes", "calc.py"}
        again = await (await workspaces.open("session")).run(
            f"cat {base}/another/secret", timeout_seconds=20, on_output=lambda _: None
        )
        assert "secret of" not in again.output
        assert "other session's secret" not in again.output
        assert not planted.exists()


async def test_hostile_file_names_are_only_names(kind: str) -> None:
    with open_place() as place:
        base = place.root.parent
        workspaces = Workspaces(base, {"PATH": PATH}, Boxes(KINDS[kind](SandboxSettings()), SandboxSettings()))
        workspace = await workspaces.open_or_create("session", make_project(base / "project"))
        names = [
            "-rf",
            "$(touch planted)",
            "a b",
            "`id`",
            ";ls",
            "quote'\"",
            "tab\there",
            "new\nline",
            "--upload-pack=x",
        ]
        for name in names:
            (workspace.root / name).write_text(name)
        listed = await workspace.run("ls | wc -l", timeout_seconds=20, on_output=lambda _: None)
        assert listed.exit_code == 0
        assert {change.path for change in await workspace.changes()} == set(names)
        assert not (workspace.root / "planted").exists()


@contextmanager
def open_target() -> Iterator[tuple[int, list[bytes]]]:
    """A server on all addresses of this machine: its port, and what has come to it."""
    came: list[bytes] = []
    stop = threading.Event()

    def listen(listener: socket.socket) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = listener.accept()
                with client:
                    came.append(client.recv(100))

    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.settimeout(0.1)
        listening = threading.Thread(target=listen, args=(listener,))
        listening.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            stop.set()
            listening.join()


def own_addresses() -> list[str]:
    """Of this machine, with those that loop back."""
    words = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", *words]


needs_own_network = pytest.mark.skipif("bubblewrap" not in KINDS_HERE, reason="no kind has a network of its own here")

DIRECT = """
import ctypes, json, socket, sys
for host, port in json.loads(sys.argv[1]):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as client:
                client.settimeout(1)
                client.connect((host, port))
                client.send(b"direct")
                if kind == socket.SOCK_STREAM or client.recv(1):
                    print("REACHED", host, port)
        except OSError:
            pass
for family, kind in ((2, 3), (17, 3), (10, 3), (16, 3), (40, 1), (38, 5)):
    try:
        with socket.socket(family, kind, 12 if family == 16 else 0):
            print("OPENED", family, kind)
    except OSError:
        pass
"""

ASKING = """
import json, socket, sys
for head in json.loads(sys.argv[1]):
    with socket.create_connection(("127.0.0.1", 3128), timeout=10) as client:
        client.sendall(head.encode("latin-1"))
        print(client.recv(30).split(b" ")[1].decode())
"""


@needs_own_network
async def test_with_allowed_hosts_there_is_no_other_way_out() -> None:
    settings = TIGHT.model_copy(update={"allowed_hosts": ["allowed.example"]})
    with open_place() as place, open_target() as (port, came):
        (place.root / "direct.py").write_text(DIRECT)
        aims = [*((address, port) for address in own_addresses()), ("169.254.169.254", 80), ("1.1.1.1", 53)]
        command = f"{python(place)} -I -S direct.py '{json.dumps(aims)}'; ls /sys/class/net; cat /proc/net/route"
        result = await attack("bubblewrap", place, command, settings=settings)
        assert "REACHED" not in result.output
        assert "OPENED" not in result.output
        assert "eth0" not in result.output
        assert came == []


@needs_own_network
async def test_the_proxy_is_talked_into_nothing() -> None:
    settings = TIGHT.model_copy(update={"allowed_hosts": ["allowed.example:*", "*.wild.example:*"]})
    with open_place() as place, open_target() as (port, came):
        spellings = [
            *own_addresses(),
            "localhost",
            "LOCALHOST.",
            "2130706433",
            "0x7f000001",
            "127.1",
            "0",
            "017700000001",
        ]
        names = [f"[{name}]" if ":" in name else name for name in spellings]
        names += ["allowed.example@127.0.0.1", "allowed.example#.127.0.0.1", "127.0.0.1/.wild.example"]
        names += ["127.0.0.1\0.wild.example", "127.0.0.1%00.wild.example", "127.0.0.1\t.wild.example", "[::1%lo]"]
        heads = [f"CONNECT {name}:{port} HTTP/1.1\r\n\r\n" for name in names]
        heads += [f"GET http://{name}:{port}/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n" for name in names]
        heads += [
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
            f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: allowed.example:{port}\r\n\r\n",
            f"CONNECT allowed.example:{port}\r\nX: 127.0.0.1:{port} HTTP/1.1\r\n\r\n",
            f"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n",
            f"CONNECT a.wild.example.:{port} HTTP/1.1\n\nCONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n",
            "A" * 70_000 + "\r\n\r\n",
        ]
        (place.root / "ask.py").write_text(ASKING)
        (place.root / "heads").write_text(json.dumps(heads))
        command = f'{python(place)} -I -S ask.py "$(cat heads)"'
        result = await attack("bubblewrap", place, command, settings=settings)
        answers = [line for line in result.output.splitlines() if line.isdigit()]
        assert len(answers) == len(heads), result.output[-2000:]
        # One of them names the allowed host after all, which does not exist.
        assert set(answers) == {"400", "403", "431", "502"}
        assert came == []


@needs_own_network
async def test_a_flood_of_connections_holds_up_nothing_and_leaves_nothing() -> None:
    """Half of a head on each, so that all of them wait."""
    settings = TIGHT.model_copy(update={"allowed_hosts": ["allowed.example"]})
    before = len(list_directory("/proc/self/fd"))
    with open_place() as place:
        code = (
            "import socket, time\n"
            "held = [socket.socket() for _ in range(1500)]\n"
            "for client in held: client.setblocking(False); client.connect_ex(('127.0.0.1', 3128))\n"
            "print('held', flush=True)\n"
            "while True:\n"
            "    for client in held:\n"
            "        try: client.send(b'A')\n"
            "        except OSError: pass\n"
        )
        (place.root / "flood.py").write_text(code)
        result = await attack("bubblewrap", place, f"{python(place)} -I -S flood.py", settings=settings, seconds=4)
        assert (result.reason, result.output) == ("timeout", "held\n")
    assert len(list_directory("/proc/self/fd")) == before


def test_ownership_is_given_to_nothing_that_a_link_leads_to() -> None:
    """The session swaps a directory for a link while the server walks: nothing outside changes hands."""
    with open_place() as place:
        secret = place.root.parent / "another" / "secret"
        before = secret.stat().st_uid, secret.parent.stat().st_uid
        uid = place.uid or os.getuid()
        stop = threading.Event()

        def swap() -> None:
            trap, away = place.root / "trap", place.root / "away"
            while not stop.is_set():
                trap.mkdir()
                (trap / "secret").touch()
                trap.rename(away)
                trap.symlink_to(secret.parent)
                trap.unlink()
                shutil.rmtree(away)

        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            for _ in range(300):
                adopt(place.root, uid)
        finally:
            stop.set()
            swapping.join()
        assert (secret.stat().st_uid, secret.parent.stat().st_uid) == before


def find_ordinary_interpreter() -> str | None:
    """One of this version that any user may start; it then uses this environment's packages."""
    for name in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        words = [*as_ordinary_user(), name, "-c", "import sys; print(*sys.version_info[:2])"]
        answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if answer.stdout.split() == [str(number) for number in sys.version_info[:2]]:
            return name
    return None


def as_ordinary_user() -> list[str]:
    """``env`` because what setpriv starts is still found with root's rights."""
    return ["setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups", "env"]


def test_all_of_it_holds_for_an_ordinary_user_too(not_tried: list[str]) -> None:
    """Where this runs as root; elsewhere the tests above were of an ordinary user already."""
    if os.getuid() != 0:
        not_tried.append("the attacks with the server as root: this run is not root's")
        return
    interpreter = find_ordinary_interpreter()
    if interpreter is None:
        not_tried.append("the attacks as an ordinary user: no other user may start an interpreter of this version")
        return
    packages = [str(Path(pytest.__file__).parents[1]), str(Path(vgproject.__file__).parents[1])]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        home = Path(directory)
        os.chown(home, ORDINARY_UID, ORDINARY_UID)
        words = [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(Path(__file__))]
        environment = {"PATH": PATH, "HOME": directory, "TMPDIR": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTHONPATH"] = ":".join([*packages, str(Path(__file__).parents[1])])
        answer = subprocess.run(
            [*as_ordinary_user(), *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
            env=environment, timeout=110,
        )  # fmt: skip
    not_tried += [line.partition(": ")[2] for line in answer.stdout.splitlines() if line.startswith("NOT TRIED")]
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-2000:]

"""Tries to get out of a box. Runs inside, as a file of its own; prints what each attempt brought, as JSON.

An empty string is a box that held; a text is what got out. Whoever runs this without a box must come to no harm:
an attempt asks for what would be allowed, or aims at what was put there for it.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PTRACE_SEIZE = 0x4206
NO_NEW_PRIVILEGES = 39
_libc = ctypes.CDLL(None, use_errno=True)
# The numbers on x86_64 and on aarch64.
_CALLS = {
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "mount": (165, 40),
}
_ARM = os.uname().machine == "aarch64"


def read(path: str) -> str:
    try:
        return f"read {path}: {Path(path).read_text(errors='replace')[:40]!r}"
    except OSError:
        return ""


def write(path: str) -> str:
    try:
        with Path(path).open("a") as file:
            file.write("escaped")
    except OSError:
        return ""
    return f"wrote {path}"


def open_for_writing(path: str) -> str:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return ""
    return f"opened {path} for writing"


def find_in_environments(canary: str) -> str:
    try:
        processes = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return ""
    for pid in processes:
        with suppress(OSError):
            if canary in Path(f"/proc/{pid}/environ").read_text(errors="replace"):
                return f"read the environment of process {pid}"
    return ""


def kill(pid: int) -> str:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return ""
    return f"killed process {pid}"


def trace(pid: int) -> str:
    return "" if _libc.ptrace(PTRACE_SEIZE, pid, None, None) else f"traced process {pid}"


def connect(family: int, address: Any) -> str:
    try:
        with socket.socket(family) as client:
            client.settimeout(2)
            client.connect(address)
    except OSError:
        return ""
    return f"reached {address!r}"


def ask_proxy() -> str:
    """For a host that no rule names, where there is a proxy."""
    _, _, address = os.environ.get("HTTPS_PROXY", "").rpartition("/")
    if not address:
        return ""
    host, _, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"CONNECT not-allowed.invalid:443 HTTP/1.1\r\n\r\n")
            status = client.recv(100).split(b" ")[1:2]
    except OSError as error:
        return f"the proxy of the allowed hosts does not answer: {error}"
    return "" if status == [b"403"] else f"the proxy of the allowed hosts answers {status} for another host"


def become_root() -> str:
    try:
        os.setresuid(0, 0, 0)
    except OSError:
        return "" if _libc.prctl(NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1 else "could still gain privileges"
    return "became root"


def make_namespace() -> str:
    return "" if _libc.unshare(0x10000000) else "made a user namespace"


def call_kernel(number: int, *arguments: int) -> str:
    """A refusal has one of two errors; any other comes from inside of the kernel."""
    result = _libc.syscall(number, *arguments)
    refused = result < 0 and ctypes.get_errno() in (1, 38)
    return "" if refused else f"system call {number} reached the kernel"


def open_socket(family: int, kind: int) -> str:
    try:
        socket.socket(family, kind).close()
    except OSError:
        return ""
    return f"opened a socket of family {family}"


def leave_daemon(marker: str) -> str:
    """Whether it survives is seen from outside."""
    if os.fork() == 0:
        with suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            for descriptor in range(3):
                os.close(descriptor)
            os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", marker], {})
        os._exit(0)
    time.sleep(0.1)
    return ""


def attempts(target: dict[str, Any]) -> dict[str, Callable[[], str]]:
    numbers = {name: pair[_ARM] for name, pair in _CALLS.items()}
    return {
        "read the server's token": lambda: read(target["token"]),
        "read another session's file": lambda: read(target["other"]),
        "write outside": lambda: write(target["outside"]),
        "read a process's environment": lambda: find_in_environments(target["canary"]),
        "trace a process": lambda: trace(target["pid"]),
        "kill a process": lambda: kill(target["pid"]),
        "change a kernel setting": lambda: open_for_writing("/proc/sys/kernel/core_pattern"),
        "reach a TCP port of the host": lambda: connect(socket.AF_INET, ("127.0.0.1", target["port"])),
        "reach an abstract socket": lambda: connect(socket.AF_UNIX, "\0" + target["abstract"]),
        "reach another host by the proxy": ask_proxy,
        "become root": become_root,
        "mount": lambda: call_kernel(numbers["mount"], 0, 0, 0, 0, 0),
        "make a namespace": make_namespace,
        "use the key ring": lambda: call_kernel(numbers["keyctl"], 0, -3, 0),
        "use bpf": lambda: call_kernel(numbers["bpf"], 0, 0, 0),
        "use perf_event_open": lambda: call_kernel(numbers["perf_event_open"], 0, 0, 0, 0, 0),
        "use userfaultfd": lambda: call_kernel(numbers["userfaultfd"], -1),
        "use io_uring": lambda: call_kernel(425, 0, 0),
        "open a packet socket": lambda: open_socket(17, socket.SOCK_DGRAM),
        "open a crypto socket": lambda: open_socket(38, socket.SOCK_SEQPACKET),
        "leave a daemon behind": lambda: leave_daemon(target["canary"]),
    }


if __name__ == "__main__":
    json.dump({name: attempt() for name, attempt in attempts(json.loads(sys.argv[1])).items()}, sys.stdout)

"""The program that shuts itself into Landlock and seccomp, and then becomes the command. Runs as a file of its own.

It imports little, not even typing or pathlib, because each command waits for it.
"""

import ctypes
import json
import os
import resource
import struct
import sys
import warnings  # noqa: F401  (execvp imports it, when it can no longer be read)
from collections import namedtuple

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
OLDEST_ABI = 6
"""The first that keeps signals and abstract sockets inside."""
EXECUTE, READ_FILE, READ_DIRECTORY = 1 << 0, 1 << 2, 1 << 3
WRITE_FILE, TRUNCATE, DEVICE = 1 << 1, 1 << 14, 1 << 15
EVERYTHING = (1 << 16) - 1
OF_FILES = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | DEVICE
NETWORK = 3  # Binding and connecting TCP.
SCOPED = 3  # Abstract sockets and signals.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_libc = ctypes.CDLL(None, use_errno=True)


Order = namedtuple(
    "Order", ["uid", "root", "writable", "readable", "memory_bytes", "file_bytes", "processes", "seccomp"]
)
"""What the box is like. ``uid``: whom to become, ``None`` to stay; ``seccomp``: the filter in hexadecimal."""


class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    rules = _open_rules(order)
    os.chdir(order.root)
    _limit(order)
    if order.uid is not None:
        os.setgroups([])
        os.setresgid(order.uid, order.uid, order.uid)
        os.setresuid(order.uid, order.uid, order.uid)
    _check(_libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.syscall(RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    os.close(rules)
    if order.seccomp:
        program = bytes.fromhex(order.seccomp)
        _check(_libc.prctl(SET_SECCOMP, FILTER, ctypes.byref(Filter(len(program) // 8, program)), 0, 0), "seccomp")
    command = sys.argv[2:]
    os.execvp(command[0], command)


def _open_rules(order: Order) -> int:
    abi = _libc.syscall(CREATE_RULESET, None, 0, 1)
    if abi < OLDEST_ABI:
        sys.exit(f"Landlock of this kernel is version {max(abi, 0)}, and {OLDEST_ABI} is needed.")
    attributes = struct.pack("=QQQ", EVERYTHING, NETWORK, SCOPED)
    rules: int = _libc.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    _check(rules, "landlock_create_ruleset")
    for path in order.readable:
        devices = WRITE_FILE | DEVICE if path in DEVICES else 0
        _allow(rules, path, EXECUTE | READ_FILE | READ_DIRECTORY | devices)
    for path in order.writable:
        _allow(rules, path, EVERYTHING)
    return rules


def _allow(rules: int, path: str, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    allowed = access if os.path.isdir(path) else access & OF_FILES
    _check(_libc.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", allowed, place), 0), f"landlock_add_rule {path}")
    os.close(place)


def _limit(order: Order) -> None:
    processes = order.processes + (_count_threads() if order.uid is None else 0)
    for kind, limit in (
        (resource.RLIMIT_DATA, order.memory_bytes),
        (resource.RLIMIT_FSIZE, order.file_bytes),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_NOFILE, 4096),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (value, value))


def _count_threads() -> int:
    """Those of this user: the kernel counts them all, the box's and the others'."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


def _check(result: int, what: str) -> None:
    if result < 0:
        sys.exit(f"{what} failed: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()

"""Builds the seccomp filter: a small program of the kernel's classic BPF, as bytes."""

import errno
import platform
import struct

from vgproject.workspace.sandbox.syscalls import ARCHITECTURES, LAST_KNOWN, NUMBERS, Refusals

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
GREATER = 0x25
ANY_BIT = 0x45
RETURN = 0x06
ALLOW = 0x7FFF0000
REFUSE = 0x00050000

NUMBER, ARCHITECTURE = 0, 4
NAMESPACES = 0x7E020080
"""CLONE_NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP and NEWTIME."""
TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX type into the terminal of whoever looks on."""
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
SHARED_MEMORY_BYTES = 1024 * 1024
"""A segment that nobody has attached counts as nobody's memory, so only small ones."""

Instruction = tuple[int, int, int, int]


def build_filter(refusals: Refusals, machine: str = "") -> bytes | None:
    """The filter for this machine's processor; ``None`` where its calls are not known here."""
    architecture = ARCHITECTURES.get(machine or platform.machine())
    if architecture is None:
        return None
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture.audit),
        _refuse(errno.ENOSYS),
        (LOAD, 0, 0, NUMBER),
        (GREATER, 0, 1, LAST_KNOWN),
        _refuse(errno.ENOSYS),
    ]
    for name, numbers in NUMBERS.items():
        number = numbers[architecture.column]
        if number is not None and (body := _body(name, refusals)):
            program += [(EQUAL, 0, len(body), number), *body]
    program.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _body(name: str, refusals: Refusals) -> list[Instruction]:
    """What follows once the call is known to be ``name``; nothing if it is allowed."""
    if name in refusals.always:
        return [_refuse(refusals.always[name])]
    if name in refusals.others:
        return [_argument(refusals.others[name]), (EQUAL, 1, 0, 0), _refuse(errno.EPERM), (RETURN, 0, 0, ALLOW)]
    return _BY_ARGUMENT.get(name, [])


def _argument(index: int) -> Instruction:
    """Load the lower half of an argument."""
    return (LOAD, 0, 0, 16 + 8 * index)


def _refuse(code: int) -> Instruction:
    return (RETURN, 0, 0, REFUSE | code)


_ALLOW: Instruction = (RETURN, 0, 0, ALLOW)

_BY_ARGUMENT: dict[str, list[Instruction]] = {
    "clone": [_argument(0), (ANY_BIT, 0, 1, NAMESPACES), _refuse(errno.EPERM), _ALLOW],
    "ioctl": [
        _argument(1),
        (EQUAL, 1, 0, TERMINAL_INPUT[0]),
        (EQUAL, 0, 1, TERMINAL_INPUT[1]),
        _refuse(errno.EPERM),
        _ALLOW,
    ],
    "personality": [_argument(0), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, 0xFFFFFFFF), _refuse(errno.EPERM), _ALLOW],
    "shmget": [
        (LOAD, 0, 0, 16 + 8 + 4),  # The upper half of the size.
        (EQUAL, 0, 2, 0),
        _argument(1),
        (GREATER, 0, 1, SHARED_MEMORY_BYTES),
        _refuse(errno.ENOMEM),
        _ALLOW,
    ],
    "socket": [
        _argument(0),
        (EQUAL, 5, 0, UNIX),
        (EQUAL, 4, 0, INET),
        (EQUAL, 3, 0, INET6),
        (EQUAL, 0, 3, NETLINK),
        _argument(2),
        (EQUAL, 0, 1, 0),  # NETLINK_ROUTE, by which the addresses of this box are listed.
        _ALLOW,
        _refuse(errno.EAFNOSUPPORT),
    ],
}

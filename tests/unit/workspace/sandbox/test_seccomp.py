"""The filter, run by a small interpreter of the kernel's BPF."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.workspace.sandbox.seccomp import build_filter
from vgproject.workspace.sandbox.syscalls import (
    ARCHITECTURES,
    IN_NAMESPACES,
    LAST_KNOWN,
    NUMBERS,
    WITHOUT_NAMESPACES,
    WITHOUT_NAMESPACES_AS_SERVER,
    Refusals,
)

ALL = (IN_NAMESPACES, WITHOUT_NAMESPACES, WITHOUT_NAMESPACES_AS_SERVER)


def answer(refusals: Refusals, machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """The errno that a call gets, 0 if it is allowed."""
    program = build_filter(refusals, machine)
    assert program is not None
    instructions = list(struct.iter_unpack("=HBBI", program))
    words = [*arguments, *(0,) * (6 - len(arguments))]
    call = struct.pack("=IIQ6Q", number, audit or ARCHITECTURES[machine].audit, 0, *words)
    at, loaded = 0, 0
    while True:
        code, jump_true, jump_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", call, value)
            case 0x15:
                at += jump_true if loaded == value else jump_false
            case 0x25:
                at += jump_true if loaded > value else jump_false
            case 0x45:
                at += jump_true if loaded & value else jump_false
            case 0x06:
                return 0 if value == 0x7FFF0000 else value & 0xFFFF
            case _:
                raise AssertionError(f"{code:#x} is no instruction of the filter")


def number_of(name: str, machine: str) -> int:
    number = NUMBERS[name][ARCHITECTURES[machine].column]
    assert number is not None
    return number


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x11,), 0),
        ("clone", (0x10000000 | 0x11,), errno.EPERM),
        ("clone", (0x40000000,), errno.EPERM),
        ("clone3", (), errno.ENOSYS),
        ("ioctl", (0, 0x5401), 0),
        ("ioctl", (0, 0x5412), errno.EPERM),
        ("ioctl", (0, 0xFFFFFFFF00005412), errno.EPERM),
        ("ioctl", (0, 0x541C), errno.EPERM),
        ("personality", (0,), 0),
        ("personality", (0xFFFFFFFF,), 0),
        ("personality", (0x0040000,), errno.EPERM),
        ("shmget", (0, 56), 0),
        ("shmget", (0, 2 * 1024**2), errno.ENOMEM),
        ("shmget", (0, 2**32), errno.ENOMEM),
        ("socket", (1, 1, 0), 0),
        ("socket", (2, 1, 0), 0),
        ("socket", (10, 1, 0), 0),
        ("socket", (16, 3, 0), 0),
        ("socket", (16, 3, 9), errno.EAFNOSUPPORT),
        ("socket", (38, 5, 0), errno.EAFNOSUPPORT),
        ("socket", (40, 1, 0), errno.EAFNOSUPPORT),
        ("prlimit64", (77,), 0),
        ("fchmodat", (), 0),
    ],
)
def test_a_call_is_judged_by_its_arguments(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert answer(IN_NAMESPACES, machine, number_of(name, machine), *arguments) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_without_namespaces_only_oneself_can_be_limited_and_no_socket_opened(machine: str) -> None:
    assert answer(WITHOUT_NAMESPACES, machine, number_of("prlimit64", machine), 0) == 0
    assert answer(WITHOUT_NAMESPACES, machine, number_of("prlimit64", machine), 77) == errno.EPERM
    assert answer(WITHOUT_NAMESPACES, machine, number_of("setpriority", machine), 0, 77) == errno.EPERM
    assert answer(WITHOUT_NAMESPACES, machine, number_of("socket", machine), 1) == errno.EPERM
    assert answer(WITHOUT_NAMESPACES, machine, number_of("fchmodat", machine)) == 0
    assert answer(WITHOUT_NAMESPACES_AS_SERVER, machine, number_of("fchmodat", machine)) == errno.EPERM


@given(
    refusals=st.sampled_from(ALL),
    machine=st.sampled_from(sorted(ARCHITECTURES)),
    number=st.integers(0, 2**32 - 1),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
)
def test_every_call_ends_in_a_verdict_and_what_is_refused_always_is_refused_with_any_argument(
    refusals: Refusals, machine: str, number: int, arguments: tuple[int, ...]
) -> None:
    names = {numbers[ARCHITECTURES[machine].column]: name for name, numbers in NUMBERS.items()}
    verdict = answer(refusals, machine, number, *arguments)
    name = names.get(number)
    if number > LAST_KNOWN:
        assert verdict == errno.ENOSYS
    elif name is None:
        assert verdict == 0
    elif name in refusals.always:
        assert verdict == refusals.always[name]


@given(machine=st.sampled_from(sorted(ARCHITECTURES)), number=st.integers(0, 600), audit=st.integers(1, 2**32 - 1))
def test_a_call_of_another_architecture_does_not_exist(machine: str, number: int, audit: int) -> None:
    if audit != ARCHITECTURES[machine].audit:
        assert answer(IN_NAMESPACES, machine, number, audit=audit) == errno.ENOSYS


def test_an_unknown_processor_has_no_filter() -> None:
    assert build_filter(IN_NAMESPACES, "riscv64") is None

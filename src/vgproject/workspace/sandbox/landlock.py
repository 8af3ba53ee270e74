"""Landlock, seccomp and limits, for machines where no namespaces can be made.

Processes, network and IPC are the host's, so the filter refuses sockets, IPC and own process groups altogether, and
everything ends with the command's process group. Without root it also refuses to change modes and owners.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgproject.workspace.sandbox import launcher
from vgproject.workspace.sandbox.base import Launch, Level, Place, SandboxSettings
from vgproject.workspace.sandbox.seccomp import build_filter
from vgproject.workspace.sandbox.syscalls import WITHOUT_NAMESPACES, WITHOUT_NAMESPACES_AS_SERVER
from vgproject.workspace.sandbox.view import ETC, SYSTEM, find_toolchains

KERNEL = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems", "/proc/version"),
    *("/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/sys/devices/system/cpu"),
)


class Landlock:
    name = "landlock"
    level: Level = "reduced"

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._user_home = Path.home()

    @contextmanager
    def launch(self, argv: tuple[str, ...], place: Place) -> Iterator[Launch]:
        refusals = WITHOUT_NAMESPACES_AS_SERVER if place.uid is None else WITHOUT_NAMESPACES
        seccomp = build_filter(refusals)
        order = launcher.Order(
            uid=place.uid,
            root=str(place.root),
            writable=[str(path) for path in place.writable],
            readable=[str(path) for path in self._readable(place)],
            memory_bytes=self._settings.memory_bytes,
            file_bytes=self._settings.file_bytes,
            processes=self._settings.processes,
            seccomp=seccomp.hex() if seccomp else "",
        )
        words = (sys.executable, "-I", "-S", launcher.__file__, json.dumps(order._asdict()))
        environment = {
            "TMPDIR": str(place.temporary),
            "USER": "agent",
            "LOGNAME": "agent",
            # git gives up over a file that it may not look for.
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        yield Launch((*words, *argv), (), environment)

    def _readable(self, place: Place) -> list[Path]:
        wanted = [
            *(Path(name) for name in (*SYSTEM, *ETC, *KERNEL)),
            *find_toolchains(place.path_variable, self._user_home),
            *self._settings.readable,
            *place.readable,
        ]
        return [path for path in wanted if path.exists() and os.access(path, os.R_OK)]

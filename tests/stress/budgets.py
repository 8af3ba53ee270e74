"""What delivery may cost and has to keep, in one place: each test of this directory holds to one of these.

Figures of time are kept by the best of some rounds, for the machine may be busy with something else; those of memory
and of what arrives are kept every time.

A quarter of the clients come, so that the whole run stays short; with ``VGPROJECT_STRESS=full`` all of them.
"""

import os
from dataclasses import dataclass

SHARE = 1.0 if os.environ.get("VGPROJECT_STRESS") == "full" else 0.25


@dataclass(frozen=True)
class Idle:
    first: int = 100
    """They come before the measured ones, for which the server has grown once."""
    connections: int = int(2_000 * SHARE)
    bytes_each: int = 40_000


@dataclass(frozen=True)
class OneToMany:
    clients: int = int(1_000 * SHARE)
    events: int = 20
    first_to_last_seconds: float = 1.0
    """From one event's append to the last client that has it."""


@dataclass(frozen=True)
class ManyDeltas:
    sessions: int = 50
    per_second: int = 200
    """In each session."""
    seconds: float = 2.0
    livez_p99_seconds: float = 0.05


@dataclass(frozen=True)
class StoppedReaders:
    healthy: int = 5
    stopped: int = 20
    bytes_each: int = 1024 * 1024
    """That the server holds for one that has stopped reading."""
    p99_ratio: float = 1.5
    p99_more_seconds: float = 0.005
    """The healthy ones' latency beside that of the same load with nobody who has stopped: so many times, and more."""


@dataclass(frozen=True)
class Reconnects:
    clients: int = int(1_000 * SHARE)
    events: int = 200
    """In the log that they come back to."""


@dataclass(frozen=True)
class Stops:
    clients: int = int(500 * SHARE)
    grace_seconds: float = 5.0


@dataclass(frozen=True)
class Faults:
    examples: int = 30
    seconds: float = 15.0


ROUNDS = 4
"""How often a figure of time is tried before it counts as missed."""

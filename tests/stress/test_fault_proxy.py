"""Clients write and follow through a network that splits, delays and cuts wherever hypothesis says.

A few dozen examples; ``VGPROJECT_FAULT_MINUTES=5`` has it go on with new ones for so many minutes. The examples of a
run are the same each time; a failure shows the smallest schedule with which it came.
"""

import asyncio
import itertools
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from benchmarks.fed_process import FedProcess, feeding
from benchmarks.server import write_script
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from stress.budgets import Faults
from stress.fault_proxy import Fault, Way, proxied
from stress.raw_clients import Follower, stored_log

BUDGET = Faults()
MINUTES = float(os.environ.get("VGPROJECT_FAULT_MINUTES", "0"))
EXAMPLES_OF_A_SESSION = 15
"""Then there is a new one, so that its log stays short."""


@dataclass(frozen=True)
class Plan:
    commands: tuple[tuple[str, ...], ...]
    """For each client what it sends: ``message`` or ``task``."""
    faults: tuple[Fault, ...]
    written: int
    """Events that happen meanwhile besides."""


def ways(*, most_bytes: int) -> st.SearchStrategy[Way]:
    cuts = st.none() | st.integers(0, 600) | st.integers(0, most_bytes)
    return st.builds(Way, piece_bytes=st.integers(1, 2_000), delay_ms=st.integers(0, 2), cut_after=cuts)


PLANS = st.builds(
    Plan,
    commands=st.lists(
        st.lists(st.sampled_from(["message", "message", "task"]), max_size=5).map(tuple), min_size=1, max_size=3
    ).map(tuple),
    faults=st.lists(
        st.builds(Fault, up=ways(most_bytes=2_000), down=ways(most_bytes=20_000)), min_size=1, max_size=8
    ).map(tuple),
    written=st.integers(0, 20),
)


class Writer(Follower):
    """Sends again, after each return, what was not answered."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.unanswered: dict[str, dict[str, Any]] = {}
        self.answered = asyncio.Event()
        """All of them."""

    def _take_word(self, frame: dict[str, Any]) -> None:
        super()._take_word(frame)
        if frame["type"] == "ack":
            self.unanswered.pop(frame["id"], None)
            self._look()

    def ask(self, command: dict[str, Any]) -> None:
        self.unanswered[command["id"]] = command

    def _look(self) -> None:
        if not self.unanswered:
            self.answered.set()

    async def live(self, url: str) -> None:
        """Come back for ever."""
        self._look()
        while True:
            try:
                await self.connect(url)
            except OSError:
                continue
            for command in self.unanswered.values():
                self.send(**command)
            await self.ended


@pytest.mark.timeout(120 + 60 * MINUTES)
def test_through_a_network_that_cuts_anywhere_each_client_ends_with_the_log_and_each_command_happens_once(
    tmp_path: Path,
) -> None:
    until = time.monotonic() + 60 * MINUTES
    cuts = 0
    with feeding(tmp_path, VGPROJECT_MODEL=thinking_model(tmp_path)) as server, asyncio.Runner() as runner:
        for number in itertools.count():
            cuts += play_examples(Stage(server), runner, number)
            if time.monotonic() >= until:
                break
    assert cuts >= BUDGET.examples


def play_examples(stage: "Stage", runner: asyncio.Runner, number: int) -> int:
    """Those of this ``number``; how often the proxy cut."""
    cuts = 0

    @seed(number)
    @settings(max_examples=BUDGET.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(plan=PLANS)
    def play(plan: Plan) -> None:
        nonlocal cuts
        cuts += runner.run(stage.play(plan))

    play()
    return cuts


def thinking_model(tmp_path: Path) -> str:
    """It never comes to an end: messages go to its task, and other tasks wait."""
    return write_script(tmp_path, {"research": [{"text": "Well", "chunk_size": 1, "token_delay_ms": 3_600_000}]})


class Stage:
    """Where plans are played, one after the other."""

    def __init__(self, server: FedProcess) -> None:
        self._server = server
        self._played = 0
        self._session_id = ""
        self._commands = 0

    async def play(self, plan: Plan) -> int:
        """How often the proxy cut."""
        if self._played % EXAMPLES_OF_A_SESSION == 0:
            self._session_id = await self._server.create_session()
        self._played += 1
        writers = [self._writer(kinds) for kinds in plan.commands]
        contents = [command["content"] for writer in writers for command in writer.unanswered.values()]
        async with (
            asyncio.timeout(100),
            proxied(self._server.url, plan.faults) as (url, proxy),
            asyncio.TaskGroup() as group,
        ):
            lives = [group.create_task(writer.live(url)) for writer in writers]
            order = {"session_ids": [self._session_id], "count": plan.written, "per_second": 500}
            await self._server.told.ask("append", **order)
            await asyncio.gather(*(writer.answered.wait() for writer in writers))
            log = await self._whole_log(writers)
            for life in lives:
                life.cancel()
        for writer in writers:
            writer.leave()
        assert [writer.mistakes for writer in writers if writer.mistakes] == []
        assert effects(log, contents) == dict.fromkeys(contents, 1)
        return proxy.cuts

    def _writer(self, kinds: tuple[str, ...]) -> Writer:
        writer = Writer(self._session_id)
        for kind in kinds:
            self._commands += 1
            name = f"c{self._commands}"
            content = f"the content of {name}"
            writer.ask({"type": kind, "id": name, "session_id": self._session_id, "content": content})
        return writer

    async def _whole_log(self, writers: list[Writer]) -> list[bytes]:
        """Once every client has it. A task that begins may still add to it."""
        while True:
            log = await stored_log(self._server, self._session_id)
            if all(len(writer.log) >= len(log) for writer in writers):
                assert all(writer.log[: len(log)] == log for writer in writers)
                return log
            await asyncio.sleep(0.002)


def effects(log: list[bytes], contents: list[str]) -> dict[str, int]:
    datas = [orjson.loads(event)["data"] for event in log]
    said = Counter(data.get("content") or data.get("text") for data in datas)
    return {content: said[content] for content in contents}

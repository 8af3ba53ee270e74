"""The tools of real MCP servers: one that is a program, and one that is reached over HTTP."""

import asyncio
import json
import logging
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import types

import mcp_desk
from unit.tools.tool_workspace import Hands
from vgproject.tools.base import ToolFailure
from vgproject.tools.mcp import McpSettings, create_mcp_server, run_mcp_servers
from vgproject.tools.mcp_tool import MAX_NAME_CHARACTERS, arguments_of, make_tools, tool_name
from vgproject.tools.registry import Toolbox, parse_arguments

DESK_PROGRAM = [sys.executable, mcp_desk.__file__]


class Desk:
    """Calls the tools of a running server, and looks at what it left."""

    def __init__(self, directory: Path, tools: Toolbox) -> None:
        self._directory = directory
        self._hands = Hands(directory / "session")
        self.tools = tools

    async def call(self, tool: str, **arguments: Any) -> str:
        found = self.tools.find(f"mcp__desk__{tool}")
        assert found is not None
        result = await found.run(parse_arguments(found, arguments), self._hands.context("call_1"))
        return result.text

    @property
    def shown(self) -> str:
        return self._hands.shown

    @property
    def blobs(self) -> list[bytes]:
        return self._hands.blobs

    def pids(self) -> list[int]:
        return [int(line) for line in (self._directory / "pids").read_text().split()]

    def calls(self) -> list[str]:
        return (self._directory / "calls").read_text().splitlines()


def wait_for_end(pid: int) -> None:
    """Of any process, also of one that another has to reap."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 1)
    os.close(descriptor)
    assert ended, f"the process {pid} is still there"


@asynccontextmanager
async def open_desk(directory: Path, *, over_http: bool = False, **settings: Any) -> AsyncIterator[Desk]:
    if over_http:
        async with run_http_desk(directory) as port:
            where = {"url": f"http://127.0.0.1:{port}/mcp"}
            async with _connect(directory, {**where, **settings}) as desk:
                yield desk
    else:
        where_program = {"command": DESK_PROGRAM, "env": {"DESK": str(directory)}}
        async with _connect(directory, {**where_program, **settings}) as desk:
            yield desk


@asynccontextmanager
async def _connect(directory: Path, settings: dict[str, Any]) -> AsyncIterator[Desk]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "SECRET": "hidden"}
    chosen = McpSettings.model_validate(settings)
    server = create_mcp_server("desk", chosen, environ=environ, directory=directory)
    tools = Toolbox(servers=[server])
    async with run_mcp_servers([server]):
        await tools.prepare()
        yield Desk(directory, tools)


@asynccontextmanager
async def run_http_desk(directory: Path, port: int = 0) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *(*DESK_PROGRAM, "http", str(port)), env={**os.environ, "DESK": str(directory)}, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while b"desk is open on port" not in (line := await process.stderr.readline()):
            assert line
        yield int(line.split()[-1])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()


@pytest.fixture(params=[False, True], ids=["program", "http"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, over_http=request.param, timeout_seconds=20) as opened:
        yield opened


async def test_tools_are_listed_with_the_schema_that_the_server_tells(desk: Desk) -> None:
    names = desk.tools.of_servers(only_read=False)
    assert "mcp__desk__file_ticket" in names
    assert "mcp__desk__say_a_lot" in names
    assert "mcp__desk__file_ticket" not in desk.tools.of_servers(only_read=True)
    assert "mcp__desk__look_up" in desk.tools.of_servers(only_read=True)
    (definition,) = desk.tools.definitions(["mcp__desk__file_ticket"])
    assert definition.description == "File a ticket."
    assert definition.parameters_json_schema["required"] == ["title"]
    assert definition.parameters_json_schema["properties"]["title"]["type"] == "string"


async def test_a_call_answers_text_structure_and_a_description_of_pictures(desk: Desk) -> None:
    assert await desk.call("look_up", word="moon") == "moon means nothing"
    assert json.loads(await desk.call("file_ticket", title="Late")) == {"number": 7, "title": "Late"}
    assert await desk.call("picture") == "Look:\n[image, image/png, 300 bytes]"
    assert await desk.call("numbers") == '{"numbers": [1, 2]}'
    assert desk.calls() == ["look_up moon", "file_ticket Late"]


async def test_progress_is_shown_as_output(desk: Desk) -> None:
    assert await desk.call("count", to=3) == "counted"
    assert desk.shown == "1/3 counted 1\n2/3 counted 2\n3/3 counted 3\n"


async def test_an_error_is_an_answer(desk: Desk) -> None:
    with pytest.raises(ToolFailure, match="the desk is closed") as failure:
        await desk.call("refuse")
    assert failure.value.code == "mcp_tool_failed"
    assert await desk.call("look_up", word="moon") == "moon means nothing"


async def test_arguments_that_do_not_fit_the_schema_are_not_sent(desk: Desk) -> None:
    with pytest.raises(ToolFailure, match=r"\$: 'title' is a required property") as failure:
        await desk.call("file_ticket")
    assert failure.value.code == "invalid_arguments"
    with pytest.raises(ToolFailure, match=r"\$\.title: 5 is not of type 'string'"):
        await desk.call("file_ticket", title=5)


async def test_much_text_is_cut_for_the_model_and_kept_whole(desk: Desk) -> None:
    text = await desk.call("say_a_lot", characters=300_000)
    assert len(text) < 31_000
    assert "270000 characters left out" in text
    assert [len(blob) for blob in desk.blobs] == [300_000]


async def test_a_message_beyond_all_bounds_fails_the_call_and_the_next_one_works(desk: Desk) -> None:
    with pytest.raises(ToolFailure):
        await desk.call("say_a_lot", characters=9_000_000)
    assert await desk.call("look_up", word="moon") == "moon means nothing"


async def test_a_call_that_takes_too_long_is_given_up_and_the_next_one_works(tmp_path: Path) -> None:
    async with open_desk(tmp_path, timeout_seconds=0.5) as desk:
        with pytest.raises(ToolFailure, match=r"did not answer within 0\.5 seconds") as failure:
            await desk.call("wait_for_ever")
        assert failure.value.code == "mcp_timeout"
        assert await desk.call("look_up", word="moon") == "moon means nothing"
        assert len(desk.pids()) == 1


async def test_a_program_that_dies_in_the_middle_is_started_again_by_the_next_call(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        with pytest.raises(ToolFailure, match="whether the call was done is not known") as failure:
            await desk.call("die")
        assert failure.value.code == "mcp_unavailable"
        assert await desk.call("look_up", word="moon") == "moon means nothing"
        first, second = desk.pids()
        wait_for_end(first)
    wait_for_end(second)


async def test_calls_side_by_side_start_one_program_after_it_died(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        os.kill(desk.pids()[0], signal.SIGKILL)
        answers = await asyncio.gather(*(desk.call("look_up", word=str(n)) for n in range(5)), return_exceptions=True)
        again = await desk.call("look_up", word="moon")
        assert again == "moon means nothing"
        assert all(isinstance(answer, str | ToolFailure) for answer in answers)
        assert len(desk.pids()) == 2


async def test_a_server_that_went_away_over_http_is_found_again(tmp_path: Path) -> None:
    async with run_http_desk(tmp_path) as port, _connect(tmp_path, {"url": f"http://127.0.0.1:{port}/mcp"}) as desk:
        os.kill(desk.pids()[0], signal.SIGKILL)
        with pytest.raises(ToolFailure) as failure:
            await desk.call("look_up", word="moon")
        assert failure.value.code == "mcp_unavailable"
        with pytest.raises(ToolFailure, match="cannot be used"):
            await desk.call("look_up", word="moon")
        async with run_http_desk(tmp_path, port):
            assert await desk.call("look_up", word="moon") == "moon means nothing"


async def test_a_program_gets_a_clean_environment_and_its_complaints_go_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with open_desk(tmp_path) as desk:
            await desk.call("look_up", word="moon")
    given = json.loads((tmp_path / "environment.json").read_text())
    assert {"PATH", "HOME", "DESK"} <= given.keys() <= {"PATH", "HOME", "DESK", "LC_CTYPE", "PWD", "SHLVL", "_"}
    assert "MCP server desk: The desk is open here" in caplog.messages


async def test_closing_ends_a_program_that_ignores_its_input_and_what_it_started(tmp_path: Path) -> None:
    script = f'trap "" TERM; sleep 600 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/parent; exec "$@"'
    stubborn = ["bash", "-c", script, "bash", *DESK_PROGRAM]
    async with open_desk(tmp_path, command=stubborn) as desk:
        assert await desk.call("look_up", word="moon") == "moon means nothing"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await desk.call("wait_for_ever")
    pids = [int((tmp_path / name).read_text()) for name in ("child", "parent")]
    for pid in pids:
        wait_for_end(pid)


async def test_a_server_that_is_not_there_is_no_tool_and_no_error(tmp_path: Path) -> None:
    settings = {"command": ["/does/not/exist"]}
    async with _connect(tmp_path, settings) as desk:
        assert desk.tools.of_servers(only_read=False) == []
        assert desk.tools.may_exist("mcp__desk__look_up")
        assert not desk.tools.may_exist("mcp__other__look_up")


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    settings = {"command": ["sleep", "600"], "start_seconds": 0.3}
    async with _connect(tmp_path, settings) as desk:
        assert desk.tools.of_servers(only_read=False) == []


async def test_only_allowed_tools_are_there_and_configuration_says_their_effect(tmp_path: Path) -> None:
    effects = {"file_ticket": "none", "look_up": "unknown"}
    async with open_desk(tmp_path, tools=["look_up", "file_ticket"], effects=effects) as desk:
        assert desk.tools.of_servers(only_read=False) == ["mcp__desk__look_up", "mcp__desk__file_ticket"]
        assert desk.tools.of_servers(only_read=True) == ["mcp__desk__file_ticket"]


def test_names_are_what_providers_accept() -> None:
    assert tool_name("git-hub", "issues.list/all") == "mcp__git-hub__issues_list_all"
    long = [tool_name("desk", "x" * 100 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert {len(name) for name in long} == {MAX_NAME_CHARACTERS}


async def never(tool: str, arguments: Any, on_progress: Any) -> Any:
    raise AssertionError


def test_two_tools_whose_names_become_the_same_are_both_there() -> None:
    listed = [types.Tool(name=name, input_schema={"type": "object"}) for name in ("a.b", "a/b")]
    made = [tool.name for tool in make_tools("desk", McpSettings(url="http://desk"), listed, never)]
    assert made[0] == "mcp__desk__a_b"
    assert made[1].startswith("mcp__desk__a_b_")


def test_a_tool_whose_schema_is_none_is_left_out() -> None:
    schemas = [{"type": "nonsense"}, {"type": "object", "x": "y" * 70_000}, {"type": "object"}]
    listed = [types.Tool(name=f"t{n}", input_schema=schema) for n, schema in enumerate(schemas)]
    made = [tool.name for tool in make_tools("desk", McpSettings(url="http://desk"), listed, never)]
    assert made == ["mcp__desk__t2"]


def test_nothing_is_fetched_for_a_reference_in_a_schema() -> None:
    arguments = arguments_of({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}})
    with pytest.raises(ValueError, match="cannot be checked"):
        arguments.model_validate({"a": 1})

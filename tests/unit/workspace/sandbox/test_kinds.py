"""What each kind of box that works here does, and how one is chosen."""

import asyncio
import os
from pathlib import Path

import pytest

from boxes import open_place, run_boxed
from vgproject.errors import ConfigError, UnavailableError
from vgproject.workspace.sandbox.base import SandboxSettings, Unconfined
from vgproject.workspace.sandbox.bubblewrap import Bubblewrap
from vgproject.workspace.sandbox.ownership import FIRST_UID, choose_uid
from vgproject.workspace.sandbox.probe import KINDS, choose_sandbox, probe
from vgproject.workspace.sandbox.view import find_toolchains


def works(kind: str) -> bool:
    with open_place() as place:
        return not asyncio.run(probe(KINDS[kind](SandboxSettings()), place.root.parent / "probe"))


@pytest.fixture(params=[kind for kind in KINDS if works(kind)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_command_works_in_its_files_and_its_exit_code_comes_back(kind: str) -> None:
    with open_place() as place:
        (place.root / "input").write_text("from the server")
        command = "pwd; cat input; echo more >> input; echo kept > made; touch $HOME/x $TMPDIR/y && exit 3"
        result = await run_boxed(kind, place, command)
        assert (result.exit_code, result.reason) == (3, "exit")
        assert result.output == f"{place.root}\nfrom the server"
        assert (place.root / "input").read_text() == "from the servermore\n"
        assert (place.home / "x").exists()
        assert (place.temporary / "y").exists()


async def test_what_a_command_makes_belongs_to_its_user_who_is_never_root(kind: str) -> None:
    with open_place() as place:
        result = await run_boxed(kind, place, "id -u; touch made")
        assert int(result.output) == (place.root / "made").stat().st_uid == (place.uid or os.getuid())
        assert result.output.strip() != "0"


async def test_git_works_inside_but_where_modes_cannot_be_changed(kind: str) -> None:
    with open_place() as place:
        result = await run_boxed(kind, place, "git init -q . && git add -A && git status --short && git config a.b x")
        reduced = kind == "landlock" and place.uid is None
        assert (result.exit_code == 0) is not reduced
        assert ("chmod" in result.output) is reduced


async def test_the_environment_is_what_was_given(kind: str) -> None:
    with open_place() as place:
        names = {line.partition("=")[0] for line in (await run_boxed(kind, place, "env")).output.splitlines()}
        known = {"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "PWD", "VGPROJECT_COMMAND", "GIT_CONFIG_NOSYSTEM"}
        assert names <= known | {"OLDPWD", "_", "SHLVL", "LC_CTYPE"}


async def test_the_probe_sees_what_gets_out_where_there_is_no_box() -> None:
    with open_place() as place:
        found = await probe(Unconfined(), place.root.parent / "probe")
    for got in ("read the environment", "was killed", "reached ('127.0.0.1'", "token", "other", "a daemon outlived"):
        assert got in found
    assert "reached the kernel" in found


async def test_the_best_kind_that_holds_is_chosen() -> None:
    with open_place() as place:
        choice = await choose_sandbox(
            "auto", accepted=False, settings=SandboxSettings(), directory=place.root.parent / "probe"
        )
        assert choice.sandbox.name == next(kind for kind in KINDS if kind not in choice.rejected)


async def test_no_isolation_has_to_be_asked_for_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--accept-no-isolation") as refused:
        await choose_sandbox("none", accepted=False, settings=SandboxSettings(), directory=tmp_path)
    assert refused.value.code == "no_isolation"
    choice = await choose_sandbox("none", accepted=True, settings=SandboxSettings(), directory=tmp_path)
    assert choice.sandbox.level == "none"


class Leaking(Unconfined):
    name = "leaking"

    def __init__(self, settings: SandboxSettings) -> None:
        pass


async def test_where_no_kind_holds_nothing_starts_and_it_is_said_why(tmp_path: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"leaking: read .*apt install bubblewrap.*--accept-no-isolation"
    ) as none:
        await choose_sandbox(
            "auto", accepted=False, settings=SandboxSettings(), directory=tmp_path, kinds={"leaking": Leaking}
        )
    assert none.value.code == "no_sandbox"


def test_each_session_has_a_user_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    uids = []
    for name in ("a", "b"):
        (tmp_path / name / "home").mkdir(parents=True)
        uid = choose_uid(tmp_path / name)
        if uid is not None:
            os.chown(tmp_path / name / "home", uid, uid)
            assert choose_uid(tmp_path / name) == uid
        uids.append(uid)
    assert uids == ([FIRST_UID, FIRST_UID + 1] if os.getuid() == 0 else [None, None])


def test_the_home_is_not_readable_but_for_the_toolchains_in_it(tmp_path: Path) -> None:
    home, tools = tmp_path / "home", tmp_path / "tools" / "bin"
    for path in (home / ".pyenv" / "shims", home / "bin", tools):
        path.mkdir(parents=True)
    words = f"{home}/.pyenv/shims:{home}/bin:{tools}:{home}:/:{tmp_path}:relative:/usr/bin"
    assert find_toolchains(words, home) == [home / ".pyenv", tools.parent]


def test_what_is_below_the_private_temporary_directory_is_not_mounted_into_the_sessions_own(tmp_path: Path) -> None:
    """A link that the session left there could lead bubblewrap, as root, outside."""
    with open_place() as place:
        plain = Bubblewrap(SandboxSettings())
        with plain.launch(("true",), place) as launch:
            assert ("--bind", str(place.temporary), "/tmp") in zip(*(launch.argv[i:] for i in range(3)), strict=False)
        inside = SandboxSettings(readable=[Path("/tmp")])
        with Bubblewrap(inside).launch(("true",), place) as launch:
            assert str(place.temporary) not in launch.argv

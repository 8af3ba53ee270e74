"""Why there may be no group for commands; that one holds is tried by the attacks."""

from pathlib import Path

import pytest

from vgproject.workspace.sandbox.base import SandboxSettings
from vgproject.workspace.sandbox.cgroup import Groups


def _own_group_in(mount: Path) -> Path:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = mount / next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")
    own.mkdir(parents=True, exist_ok=True)
    return own


async def test_a_machine_without_cgroups_says_so_and_commands_run_all_the_same(tmp_path: Path) -> None:
    groups = Groups(tmp_path)
    assert groups.missing == "the machine has no cgroup v2"
    async with groups.open_group("cmd", SandboxSettings()) as group:
        assert group is None
    groups.close()


@pytest.mark.parametrize(("controllers", "lacking"), [("cpu io", "memory and pids"), ("memory cpu", "pids")])
def test_a_group_that_controls_too_little_is_not_used(tmp_path: Path, controllers: str, lacking: str) -> None:
    for group in {tmp_path, _own_group_in(tmp_path)}:
        (group / "cgroup.controllers").write_text(controllers)
    assert Groups(tmp_path).missing == f"the server's group has no control of {lacking}"
    assert list(tmp_path.rglob("vgproject-*")) == []

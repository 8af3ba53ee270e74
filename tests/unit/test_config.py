"""The layers of configuration, and what a project's file may choose."""

from pathlib import Path

import pytest

from vgproject.config import load_config
from vgproject.errors import ConfigError


def load(project: Path, content: str) -> str | None:
    (project / "vgproject.toml").write_text(content)
    environ = {"VGPROJECT_HOME": str(project / "home")}
    return load_config({"project": project}, environ).config.test_command


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("home", 'home = "/tmp/elsewhere"'),
        ("token", 'token = "known"'),
        ("host", 'host = "0.0.0.0"'),
        ("approvals", 'approvals = "never"'),
        ("allowed_hosts", 'allowed_hosts = ["evil.example"]'),
        ("phases.research.strategy", '[phases.research]\nstrategy = "evil:Class"'),
        ("phases.research.model", '[phases.research]\nmodel = "scripted:/etc/passwd"'),
        ("models.planning", '[models]\nplanning = "ollama:qwen, scripted:x.json"'),
        ("model", 'model = "scripted:x.json"'),
    ],
)
def test_a_projects_file_may_not_choose_who_may_do_what(tmp_path: Path, option: str, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, line)
    assert f"may not set {option}" in raised.value.message
    assert str(tmp_path / "vgproject.toml") in raised.value.message


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("pipelines.mine.0", '[pipelines]\nmine = ["evil:Class"]'),
        ("pipelines.mine.0", '[pipelines]\nmine = ["os.path"]'),
        ("phases.evil:Class", '[phases."evil:Class"]\nmax_turns = 3'),
    ],
)
def test_the_name_of_a_phase_is_no_path_to_code(tmp_path: Path, option: str, line: str) -> None:
    with pytest.raises(ConfigError, match=option):
        load(tmp_path, line)


def test_a_projects_file_chooses_its_test_command(tmp_path: Path) -> None:
    assert load(tmp_path, 'test_command = "make test"') == "make test"


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vgproject\.toml cannot be read"):
        load(tmp_path, "not toml")

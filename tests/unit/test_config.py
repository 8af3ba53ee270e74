"""The layers of configuration, and what a project's file may choose."""

from pathlib import Path

import pytest

from vgproject.config import load_config
from vgproject.errors import ConfigError


def load(project: Path, content: str) -> None:
    (project / "vgproject.toml").write_text(content)
    environ = {"VGPROJECT_HOME": str(project / "home")}
    load_config({"project": project}, environ)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("home", 'home = "/tmp/elsewhere"'),
        ("token", 'token = "known"'),
        ("host", 'host = "0.0.0.0"'),
        ("approvals", 'approvals = "never"'),
        ("test_command", 'test_command = "rm -rf ~"'),
        ("model to 'scripted:/etc/passwd'", 'model = "scripted:/etc/passwd"'),
        ("pipelines.mine to 'os.system'", '[pipelines]\nmine = ["os.system"]'),
        ("allowed_hosts", 'allowed_hosts = ["evil.example"]'),
        ("phases.research.strategy", '[phases.research]\nstrategy = "evil:Class"'),
    ],
)
def test_a_projects_file_may_not_choose_who_may_do_what(tmp_path: Path, option: str, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, line)
    assert f"may not set {option}" in raised.value.message
    assert str(tmp_path / "vgproject.toml") in raised.value.message


def test_a_projects_file_chooses_its_models(tmp_path: Path) -> None:
    (tmp_path / "vgproject.toml").write_text('model = "ollama:small"')
    assert load_config({"project": tmp_path}, {}).config.model == "ollama:small"


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vgproject\.toml is not TOML"):
        load(tmp_path, "not toml")

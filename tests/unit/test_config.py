"""The layers of configuration, and what a project's file may choose."""

import json
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
        ("approvals weaker than 'on_request'", 'approvals = "never"'),
        ("approval_rules.allow", '[approval_rules]\nallow = ["make"]'),
        ("approval_rules.tools.run_command weaker", '[approval_rules.tools]\nrun_command = "never"'),
        ("approval_timeout_seconds", "approval_timeout_seconds = 1"),
        ("carry", 'carry = [".env"]'),
        ("database_url", 'database_url = "sqlite:////tmp/x.db"'),
        ("pipelines.mine to 'os.system'", '[pipelines]\nmine = ["os.system"]'),
        ("mcp", '[mcp.evil]\ncommand = ["sh", "evil.sh"]'),
        ("web", "[web]\nfetch = true"),
        ("allowed_hosts", 'allowed_hosts = ["evil.example"]'),
        ("limits", "[limits]\ncommands_per_second = 1e9"),
        ("engine", "[engine]\nrunning_tasks = 10_000"),
        ("sandbox_limits", '[sandbox_limits]\nallowed_hosts = ["evil.example"]'),
        ("phases.research.strategy", '[phases.research]\nstrategy = "evil:Class"'),
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
        ("pipelines.mine", '[pipelines]\nmine = ["evil:Class"]'),
        ("pipelines.mine", '[pipelines]\nmine = ["os.path"]'),
        ("phases.evil:Class", '[phases."evil:Class"]\nmax_turns = 3'),
    ],
)
def test_the_name_of_a_phase_is_no_path_to_code(tmp_path: Path, option: str, line: str) -> None:
    with pytest.raises(ConfigError, match=option):
        load(tmp_path, line)


def test_a_projects_file_chooses_its_models_its_tests_and_stronger_approvals(tmp_path: Path) -> None:
    chosen = {"model": "ollama:small", "test_command": "make test", "approvals": "always"}
    (tmp_path / "vgproject.toml").write_text("\n".join(f"{name} = {value!r}" for name, value in chosen.items()))
    config = load_config({"project": tmp_path}, {}).config
    assert {name: getattr(config, name) for name in chosen} == chosen


def test_the_hosts_that_commands_may_reach_are_the_users_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vgproject").mkdir()
    (tmp_path / "vgproject" / "config.toml").write_text('[sandbox_limits]\nallowed_hosts = ["packages.example"]')
    project = {"project": tmp_path}
    assert load_config(project, {}).config.sandbox_limits.allowed_hosts == ["packages.example"]
    environ = {"VGPROJECT_SANDBOX_LIMITS__ALLOWED_HOSTS": "*.example.org, localhost:5432"}
    assert load_config(project, environ).config.sandbox_limits.allowed_hosts == ["*.example.org", "localhost:5432"]
    with pytest.raises(ConfigError, match=r"'http://packages\.example' is no host"):
        load_config({**project, "sandbox_limits": {"allowed_hosts": ["http://packages.example"]}}, environ)


def test_what_a_project_denies_stands_beside_what_the_user_denies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    user = tmp_path / "config" / "vgproject" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('max_tokens = 10\n[approval_rules]\nallow = ["make"]\ndeny = ["rm"]\ntools.run_command = "always"')
    (tmp_path / "vgproject.toml").write_text('max_tokens = 5\n[approval_rules]\ndeny = ["curl"]\nask = ["git push"]')
    config = load_config({"project": tmp_path}, {}).config
    rules = config.approval_rules
    assert (rules.allow, rules.deny, rules.ask) == (["make"], ["rm", "curl"], ["git push"])
    assert (rules.tools, config.max_tokens) == ({"run_command": "always"}, 5)
    load_line = '[approval_rules.tools]\nrun_command = "untrusted"'
    with pytest.raises(ConfigError, match=r"approval_rules.tools.run_command weaker than 'always'"):
        load(tmp_path, load_line)
    with pytest.raises(ConfigError, match="max_tokens above the user's 10"):
        load(tmp_path, "max_tokens = 11")


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vgproject\.toml is not TOML"):
        load(tmp_path, "not toml")


def test_every_value_has_its_source_and_the_nearer_layer_wins_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    user, chosen = tmp_path / "vgproject" / "config.toml", tmp_path / "chosen.toml"
    user.parent.mkdir()
    user.write_text("[limits]\nframe_bytes = 2000\ncommand_burst = 2\nbody_bytes = 2000\nhello_seconds = 2")
    chosen.write_text("[limits]\nframe_bytes = 3000\ncommand_burst = 3\nbody_bytes = 3000")
    environ = {
        "VGPROJECT_CONFIG": str(chosen),
        "VGPROJECT_LIMITS__FRAME_BYTES": "4000",
        "VGPROJECT_LIMITS__COMMAND_BURST": "4",
        "VGPROJECT_PHASES__RESEARCH__TOOLS": "read_file, recall",
        "VGPROJECT_MODELS__RESEARCH": "ollama:small",
    }
    loaded = load_config({"limits": {"frame_bytes": 5000}}, environ)
    limits = loaded.config.limits
    assert (limits.frame_bytes, limits.command_burst, limits.body_bytes, limits.hello_seconds) == (5000, 4, 3000, 2)
    assert loaded.config.phases["research"].tools == ["read_file", "recall"]
    assert loaded.sources == {
        "limits.frame_bytes": "command line",
        "limits.command_burst": "environment VGPROJECT_LIMITS__COMMAND_BURST",
        "limits.body_bytes": f"file {chosen}",
        "limits.hello_seconds": f"file {user}",
        "phases.research.tools": "environment VGPROJECT_PHASES__RESEARCH__TOOLS",
        "models.research": "environment VGPROJECT_MODELS__RESEARCH",
    }


@pytest.mark.parametrize("layer", ["command line", "environment", "chosen", "project", "user"])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("max_cost_usd", -1, "must be greater than 0"),
        ("model", "mine:best", "one of anthropic"),
        ("approvals", "perhaps", "'never', 'on_request', 'untrusted' or 'always'"),
    ],
)
def test_a_bad_value_is_named_with_its_source_and_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: str, option: str, value: object, allowed: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vgproject").mkdir()
    files = {
        "chosen": tmp_path / "chosen.toml",
        "project": tmp_path / "vgproject.toml",
        "user": tmp_path / "vgproject" / "config.toml",
    }
    options: dict[str, object] = {"project": tmp_path}
    environ: dict[str, str] = {}
    source = layer
    if layer == "command line":
        options[option] = value
    elif layer == "environment":
        environ[f"VGPROJECT_{option.upper()}"] = str(value)
        source = f"environment VGPROJECT_{option.upper()}"
    else:
        files[layer].write_text(f"{option} = {json.dumps(value)}")
        source = f"file {files[layer]}"
        options["config"] = files[layer] if layer == "chosen" else None
    with pytest.raises(ConfigError) as raised:
        load_config(options, environ)
    for said in (f"'{option}'", source, str(value), allowed):
        assert said in raised.value.message


def test_an_unknown_variable_is_told_with_the_closest_known_one() -> None:
    loaded = load_config({}, {"VGPROJECT_PROT": "1", "VGPROJECT_LIMITS__FRAMEBYTES": "2000"})
    assert loaded.unknown == (
        "VGPROJECT_PROT is no option and does nothing: is VGPROJECT_PORT meant?",
        "VGPROJECT_LIMITS__FRAMEBYTES is no option and does nothing: is VGPROJECT_LIMITS__FRAME_BYTES meant?",
    )


def test_a_configuration_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no configuration file .*none\.toml\."):
        load_config({"config": tmp_path / "none.toml"}, {})


def test_what_is_wrong_with_an_mcp_server_is_said_without_its_secrets(tmp_path: Path) -> None:
    def load(**server: object) -> str:
        with pytest.raises(ConfigError) as raised:
            load_config({"project": tmp_path, "mcp": {"desk": server}}, {})
        return raised.value.message

    assert "either a command or a url" in load()
    assert "either a command or a url" in load(command=["x"], url="https://desk.example/mcp")
    assert "mcp.desk.url" in load(url="file:///etc/passwd")
    said = load(command=["x"], env={"KEY": ["hunter2"]})
    assert "mcp.desk.env.KEY" in said
    assert "hunter2" not in said
    with pytest.raises(ConfigError, match="a__b"):
        load_config({"project": tmp_path, "mcp": {"a__b": {"command": ["x"]}}}, {})

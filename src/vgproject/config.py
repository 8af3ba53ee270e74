"""Configuration: command line over environment over the project's file over the user's over defaults."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vgproject.agents.base import PhaseSettings
from vgproject.engine import EngineSettings
from vgproject.errors import ConfigError
from vgproject.event_log import EventLogSettings
from vgproject.llm.llm import READS_FILES, LlmSettings
from vgproject.llm.providers import PROVIDERS
from vgproject.pipeline import PipelineSettings
from vgproject.repositories.database_url import DatabaseUrl, mask_password, parse_database_url, sqlite_file
from vgproject.schema.base import PhaseName
from vgproject.schema.settings import Approvals, SessionSettings
from vgproject.workspace.sandbox.base import Kind, SandboxSettings
from vgproject.workspace.workspace import WorkspaceSettings

PREFIX = "VGPROJECT_"
SECRETS = frozenset({"token"})
PROVIDER_VARIABLES = tuple(sorted({name for provider in PROVIDERS.values() for name in provider.variables}))


NOT_OF_A_PROJECT = frozenset(
    {
        "home",
        "project",
        "host",
        "port",
        "token",
        "allowed_origins",
        "allowed_hosts",
        "approvals",
        "limits",
        "llm",
        "engine",
        "workspace",
        "carry",
    }
)
"""A repository may come from a stranger: its file chooses models and tests, not who may do what on this machine."""


class Limits(BaseModel):
    """``[limits]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_bytes: int = Field(default=256 * 1024, ge=1024)
    commands_per_second: float = Field(default=20, gt=0)
    command_burst: int = Field(default=40, ge=1)
    connections_per_user: int = Field(default=100, ge=1)
    connection_bytes: int = Field(default=1024 * 1024, ge=65536)
    """Held for one connection that reads too slowly."""
    stalled_seconds: float = Field(default=30, gt=0)
    """A connection that takes nothing for so long is closed with 4008."""
    body_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Of one HTTP request."""
    heartbeat_seconds: float = Field(default=15, gt=0)
    """How often a subscription that has nothing to say shows that it is alive."""
    hello_seconds: float = Field(default=10, gt=0)
    """What a connection without a token gets to say hello."""
    grace_seconds: float = Field(default=10, ge=0)
    """What running steps get at SIGTERM to come to a durable point."""


class Config(BaseModel):
    """All settings. Each can be an option, a variable ``VGPROJECT_…``, or a line in a configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: user_data_path("vgproject"))
    """Where the server's data lives."""
    project: Path = Field(default_factory=Path.cwd)
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    token: str | None = None
    model: str | None = None
    models: dict[PhaseName, str] = Field(default_factory=dict)
    approvals: Approvals = "on_request"
    sandbox: Kind = "auto"
    accept_no_isolation: bool = False
    """Said beside ``--sandbox none``: commands may do all that the server's user can."""
    test_command: str | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    database_url: str | None = None
    """By default a SQLite file in ``home``."""
    take_uncommitted: bool = False
    carry: list[str] = Field(default_factory=list)
    log_format: Literal["text", "json"] = "text"
    allowed_origins: list[str] = Field(default_factory=list)
    allowed_hosts: list[str] = Field(default_factory=list)
    limits: Limits = Limits()
    sandbox_limits: SandboxSettings = SandboxSettings()
    llm: LlmSettings = LlmSettings()
    engine: EngineSettings = EngineSettings()
    event_log: EventLogSettings = EventLogSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    phases: dict[PhaseName, PhaseSettings] = Field(default_factory=dict)
    pipelines: dict[str, Annotated[list[PhaseName], Field(min_length=1)]] = Field(default_factory=dict)

    @field_validator("database_url")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None:
            parse_database_url(value)
        return value

    def database(self) -> DatabaseUrl:
        return parse_database_url(self.database_url) if self.database_url else sqlite_file(self.home / "vgproject.db")

    def engine_database(self) -> DatabaseUrl:
        """SQLite has one writer: there the engine has a file of its own, beside the other."""
        database = self.database()
        return sqlite_file(database.path.with_name("engine.db")) if database.path else database

    def pipeline_settings(self) -> PipelineSettings:
        defaults = SessionSettings(
            approvals=self.approvals,
            test_command=self.test_command,
            max_cost_usd=self.max_cost_usd,
            take_uncommitted=self.take_uncommitted,
            carry=self.carry,
        )
        return PipelineSettings(self.model, self.models, self.phases, self.pipelines, defaults)


@dataclass(frozen=True)
class Loaded:
    """The configuration, where each value came from, and what belongs to others: keys, and commands' variables."""

    config: Config
    sources: Mapping[str, str]
    provider_environment: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)


def load_config(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Loaded:
    """``options`` are those of the command line; ``None`` is an option that was not given.

    Raises `ConfigError` that names the option, its source, its value and what is allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    variables = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    project = Path(given.get("project") or variables.get("project") or Path.cwd())
    user_file, project_file = user_config_path("vgproject") / "config.toml", project / "vgproject.toml"
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    layers: tuple[tuple[str, Mapping[str, Any]], ...] = (
        (f"file {user_file}", _read(user_file)),
        (f"file {project_file}", _read_untrusted(project_file)),
        ("environment", {name: value for name, value in variables.items() if name in Config.model_fields}),
        ("command line", given),
    )
    for source, layer in layers:
        for name, value in layer.items():
            merged = isinstance(values.get(name), dict) and isinstance(value, dict)
            values[name] = {**values[name], **value} if merged else value
            sources[name] = f"environment {PREFIX}{name.upper()}" if source == "environment" else source
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, sources) from error
    keys = {name: environ[name] for name in PROVIDER_VARIABLES if environ.get(name)}
    return Loaded(config, sources, keys, environ)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error}") from error


def _read_untrusted(path: Path) -> dict[str, Any]:
    """Raises `ConfigError` for what a project may not choose: who may do what, or code to be loaded."""
    values = _read(path)
    refused = [name for name in values if name in NOT_OF_A_PROJECT]
    refused += [f"phases.{phase}.strategy" for phase, name in _chosen(values, "strategy") if ":" in name]
    refused += [option for option, chain in _models(values) if _reads_files(chain)]
    if refused:
        raise ConfigError(
            f"The project's file {path} may not set {', '.join(refused)}, because a project is not trusted with it:"
            f" set it in {user_config_path('vgproject') / 'config.toml'}, the environment or on the command line."
        )
    return values


def _chosen(values: dict[str, Any], option: str) -> list[tuple[str, str]]:
    """What ``[phases.NAME]`` tables say of ``option``, by phase."""
    phases = values.get("phases")
    tables = phases.items() if isinstance(phases, dict) else ()
    return [(phase, str(table[option])) for phase, table in tables if isinstance(table, dict) and option in table]


def _models(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Every option that names a model, with its value."""
    by_phase = values.get("models")
    return [
        *([("model", str(values["model"]))] if "model" in values else []),
        *((f"models.{phase}", str(name)) for phase, name in (by_phase if isinstance(by_phase, dict) else {}).items()),
        *((f"phases.{phase}.model", name) for phase, name in _chosen(values, "model")),
    ]


def _reads_files(chain: str) -> bool:
    """Whether a model of the chain is a file: a stranger's project would choose what the server reads and writes."""
    return any(name.partition(":")[0].strip() in READS_FILES for name in chain.split(","))


def _config_error(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    option = ".".join(str(part) for part in first["loc"])
    source = sources.get(str(first["loc"][0]), "default")
    if first["type"] == "extra_forbidden":
        known = ", ".join(Config.model_fields)
        return ConfigError(f"There is no option {option!r} ({source}); the options are {known}.")
    value = "(secret)" if first["loc"][0] in SECRETS else mask_password(repr(first["input"]))
    return ConfigError(f"The option {option!r} ({source}) is {value}: {first['msg']}.")

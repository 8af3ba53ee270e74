"""Configuration: command line over environment over the project's file over the user's over defaults."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vgproject.agents.base import PhaseSettings
from vgproject.engine import EngineSettings
from vgproject.errors import ConfigError
from vgproject.llm.llm import LlmSettings
from vgproject.pipeline import PipelineSettings
from vgproject.schema.settings import Approvals, SessionSettings
from vgproject.workspace.sandbox.base import Kind, SandboxSettings

PREFIX = "VGPROJECT_"
SECRETS = frozenset({"token"})
PROVIDER_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
    "DEEPSEEK_API_KEY",
    "OLLAMA_BASE_URL",
)


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
    models: dict[str, str] = Field(default_factory=dict)
    approvals: Approvals = "on_request"
    sandbox: Kind = "auto"
    accept_no_isolation: bool = False
    """Said beside ``--sandbox none``: commands may do all that the server's user can."""
    test_command: str | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    log_format: Literal["text", "json"] = "text"
    allowed_origins: list[str] = Field(default_factory=list)
    allowed_hosts: list[str] = Field(default_factory=list)
    limits: Limits = Limits()
    sandbox_limits: SandboxSettings = SandboxSettings()
    llm: LlmSettings = LlmSettings()
    engine: EngineSettings = EngineSettings()
    phases: dict[str, PhaseSettings] = Field(default_factory=dict)
    pipelines: dict[str, list[str]] = Field(default_factory=dict)

    def pipeline_settings(self) -> PipelineSettings:
        defaults = SessionSettings(
            approvals=self.approvals, test_command=self.test_command, max_cost_usd=self.max_cost_usd
        )
        return PipelineSettings(self.model, self.models, self.phases, self.pipelines, defaults)


@dataclass(frozen=True)
class Loaded:
    """The configuration, where each value came from, and what belongs to others: keys, and commands' variables."""

    config: Config
    sources: Mapping[str, str]
    provider_environment: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)


def load_config(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Loaded:
    """``options`` are those of the command line; ``None`` is an option that was not given.

    Raises `ConfigError` that names the option, its source, its value and what is allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    variables = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    project = Path(given.get("project") or variables.get("project") or Path.cwd())
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in (
        *(
            (f"file {path}", _read(path))
            for path in (user_config_path("vgproject") / "config.toml", project / "vgproject.toml")
        ),
        ("environment", {name: value for name, value in variables.items() if name in Config.model_fields}),
        ("command line", given),
    ):
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


def _config_error(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    option = ".".join(str(part) for part in first["loc"])
    source = sources.get(str(first["loc"][0]), "default")
    if first["type"] == "extra_forbidden":
        known = ", ".join(Config.model_fields)
        return ConfigError(f"There is no option {option!r} ({source}); the options are {known}.")
    value = "(secret)" if first["loc"][0] in SECRETS else repr(first["input"])
    return ConfigError(f"The option {option!r} ({source}) is {value}: {first['msg']}.")

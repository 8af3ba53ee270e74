"""Configuration: command line over environment over the project's file over the user's over defaults."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from vgproject.access.jwt_settings import JwtSettings
from vgproject.agents.approvals import ApprovalRules
from vgproject.agents.base import PhaseSettings
from vgproject.config_errors import config_error
from vgproject.config_layers import CONFIG_VARIABLE, Merged, read_environment, read_file, variable
from vgproject.engine import EngineSettings
from vgproject.errors import ConfigError, ModelError
from vgproject.event_log import EventLogSettings
from vgproject.knowledge.memory_settings import MemorySettings
from vgproject.llm.llm import LlmSettings, parse_name
from vgproject.llm.providers import PROVIDERS, SECRET_ENDINGS
from vgproject.pipeline import PipelineSettings
from vgproject.project_file import read_project_file
from vgproject.repositories.database_url import DatabaseUrl, mask_password, parse_database_url, sqlite_file
from vgproject.schema.base import PhaseName
from vgproject.schema.settings import Approvals, SessionSettings
from vgproject.telemetry.settings import TelemetrySettings
from vgproject.tools.mcp import McpSettings, ServerName
from vgproject.tools.web import WebSettings
from vgproject.utils.hash_chain import canonical
from vgproject.workspace.sandbox.base import Kind, SandboxSettings
from vgproject.workspace.workspace import WorkspaceSettings

SECRETS = frozenset({"token", "secret", "env", "headers", "search_key"})
"""Parts of an option's path whose value is not shown."""
PROVIDER_VARIABLES = tuple(sorted({name for provider in PROVIDERS.values() for name in provider.variables}))


def _check_models(chain: str) -> str:
    try:
        for name in chain.split(","):
            parse_name(name.strip())
    except ModelError as error:
        raise ValueError(error.message.rstrip(".")) from error
    return chain


Models = Annotated[str, AfterValidator(_check_models)]
"""``PROVIDER:NAME``, or several separated by commas."""
Directory = Annotated[Path, AfterValidator(Path.expanduser)]


class Limits(BaseModel):
    """``[limits]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_bytes: int = Field(default=256 * 1024, ge=1024)
    commands_per_second: float = Field(default=20, gt=0)
    """Of one user, over all connections and requests; before a client says who it is, of one address."""
    command_burst: int = Field(default=40, ge=1)
    handshakes_per_second: float = Field(default=20, gt=0)
    """Connections that one user opens, or one address before it says who it is."""
    handshake_burst: int = Field(default=200, ge=1)
    connections_per_user: int = Field(default=100, ge=1)
    """Open at once."""
    subscriptions_per_connection: int = Field(default=200, ge=1)
    sessions_per_hour: int = Field(default=1000, ge=1)
    """New ones of one user. How many there are has no bound: they are what people have done, and theirs to delete."""
    running_tasks_per_user: int = Field(default=500, ge=1)
    """Tasks that one user has queued and that are not ended: those that wait, run or are paused."""
    connection_bytes: int = Field(default=1024 * 1024, ge=256 * 1024)
    """Held for one connection that reads too slowly. Frames of many events are at most a quarter of it."""
    stalled_seconds: float = Field(default=30, gt=0)
    """A connection that takes nothing for so long is closed with 4008."""
    body_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Of one HTTP request."""
    request_seconds: float = Field(default=30, gt=0)
    """What a client gets to send a whole HTTP request, from the opening of the connection or the request's first byte."""
    heartbeat_seconds: float = Field(default=15, gt=0)
    """How often a subscription that has nothing to say shows that it is alive."""
    wrong_tokens: int = Field(default=10, ge=0)
    """So many of one address cost nothing; then it waits after each, twice as long as before, up to a minute."""
    hello_seconds: float = Field(default=10, gt=0)
    """What a connection without a token gets to say hello."""
    grace_seconds: float = Field(default=10, ge=0)
    """What running steps get at SIGTERM to come to a durable point."""
    ready_seconds: float = Field(default=5, gt=0)
    """What the database and the queue each get to answer `/readyz`."""
    loop_delay_seconds: float = Field(default=5, gt=0)
    """`/livez` fails where the event loop was blocked for longer within the last ten seconds."""
    loop_blocked_seconds: float = Field(default=1, gt=0)
    """Where the event loop is blocked for longer, the log says by what."""


class Config(BaseModel):
    """All settings. Each can be an option, a variable ``VGPROJECT_…``, or a line in a configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Directory = Field(default_factory=lambda: user_data_path("vgproject"))
    """Where the server's data lives."""
    project: Directory = Field(default_factory=Path.cwd)
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    tls_cert: Directory | None = None
    tls_key: Directory | None = None
    """Files as PEM: the certificate, with those between it and the authority, and its key."""
    token: str | None = None
    auth: Literal["token", "jwt"] = "token"
    """``jwt``: besides the owner's and API tokens, those that ``[jwt]`` describes."""
    jwt: JwtSettings = JwtSettings()
    server: str | None = None
    """The URL of a running server, for the commands that speak to one."""
    model: Models | None = None
    models: dict[PhaseName, Models] = Field(default_factory=dict)
    approvals: Approvals = "on_request"
    sandbox: Kind = "auto"
    accept_no_isolation: bool = False
    """Said beside ``--sandbox none``: commands may do all that the server's user can."""
    test_command: str | None = None
    """By default one that is found in the project; empty for none."""
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_task_turns: Annotated[int, Field(gt=0, le=100_000)] | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """Of one task, each."""
    approval_timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    """What nobody approves for so long is denied."""
    approval_rules: ApprovalRules = ApprovalRules()
    database_url: str | None = None
    """By default a SQLite file in ``home``."""
    plan_gate: bool = False
    """Wait for a person's word before a plan is followed."""
    take_uncommitted: bool = False
    carry: list[str] = Field(default_factory=list)
    log_format: Literal["text", "json"] = "text"
    allowed_origins: list[str] = Field(default_factory=list)
    allowed_hosts: list[str] = Field(default_factory=list)
    trusted_proxies: list[str] = Field(default_factory=list)
    """Addresses whose ``X-Forwarded-For`` is believed."""
    limits: Limits = Limits()
    telemetry: TelemetrySettings = TelemetrySettings()
    sandbox_limits: SandboxSettings = SandboxSettings()
    llm: LlmSettings = LlmSettings()
    memory: MemorySettings = MemorySettings()
    engine: EngineSettings = EngineSettings()
    event_log: EventLogSettings = EventLogSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    phases: dict[PhaseName, PhaseSettings] = Field(default_factory=dict)
    web: WebSettings = WebSettings()
    mcp: dict[ServerName, McpSettings] = Field(default_factory=dict)
    pipelines: dict[str, Annotated[list[PhaseName], Field(min_length=1)]] = Field(default_factory=dict)

    @field_validator("database_url")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None:
            parse_database_url(value)
        return value

    @field_validator("phases")
    @classmethod
    def _have_models(cls, phases: dict[str, PhaseSettings]) -> dict[str, PhaseSettings]:
        for settings in phases.values():
            if settings.model is not None:
                _check_models(settings.model)
        return phases

    def database(self) -> DatabaseUrl:
        return parse_database_url(self.database_url) if self.database_url else sqlite_file(self.home / "vgproject.db")

    def engine_database(self) -> DatabaseUrl:
        """SQLite has one writer: there the engine has a file of its own, beside the other."""
        database = self.database()
        return sqlite_file(database.path.with_name("engine.db")) if database.path else database

    def digest(self) -> str:
        """The same for the same settings, but for secrets."""
        shown = {name: mask_password(str(value)) for name, value in options_of(self) if not is_secret(name)}
        return hashlib.sha256(canonical(shown)).hexdigest()

    def pipeline_settings(self) -> PipelineSettings:
        defaults = SessionSettings(
            approvals=self.approvals,
            test_command=self.test_command,
            max_cost_usd=self.max_cost_usd,
            max_tokens=self.max_tokens,
            max_task_turns=self.max_task_turns,
            max_seconds=self.max_seconds,
            approval_timeout_seconds=self.approval_timeout_seconds,
            plan_gate=self.plan_gate,
            take_uncommitted=self.take_uncommitted,
            carry=self.carry,
        )
        return PipelineSettings(self.model, self.models, self.phases, self.pipelines, defaults)


def options_of(config: Config) -> Iterator[tuple[str, Any]]:
    """Every option's value by its dotted path."""
    return _options(config.model_dump(mode="json"))


def _options(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _options(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def is_secret(option: str) -> bool:
    """Whether the value of the option with this dotted path is not to be shown."""
    return bool(SECRETS & set(option.split(".")))


@dataclass(frozen=True)
class Loaded:
    """The configuration, where each value came from by its dotted path, and what belongs to others: keys, and the
    variables of commands. ``unknown`` has a sentence for each ``VGPROJECT_…`` variable that does nothing."""

    config: Config
    sources: Mapping[str, str]
    provider_environment: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    unknown: tuple[str, ...] = ()

    def own_secrets(self) -> dict[str, str]:
        """What nobody may be shown, by what it is called. A path is no secret."""
        found = {
            name: value
            for name, value in self.environ.items()
            if name.endswith(SECRET_ENDINGS) and not value.startswith(("/", "~"))
        }
        password = str(self.config.database().url.password or "")
        return found | {
            "token": self.config.token or "",
            "jwt secret": self.config.jwt.secret or "",
            "database password": password,
            "otlp headers": self.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").partition("=")[2],
        }

    def with_config(self, **changes: Any) -> Self:
        return replace(self, config=self.config.model_copy(update=changes))


def load_config(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Loaded:
    """``options`` are those of the command line; ``None`` is an option that was not given, and ``config`` a file that
    is read in place of the project's and trusted like the user's.

    Raises `ConfigError` that names the option, its source, its value and what is allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    chosen_file = given.pop("config", None) or environ.get(CONFIG_VARIABLE)
    variables, unknown = read_environment(Config, environ)
    user_file = user_config_path("vgproject") / "config.toml"
    user = read_file(user_file)
    file = Path(chosen_file or Path(given.get("project") or variables.get("project") or ".") / "vgproject.toml")
    file_values = read_file(file, required=True) if chosen_file else read_project_file(file, user, user_file)
    merged = Merged()
    merged.put(user, lambda _: f"file {user_file}")
    merged.put(file_values, lambda _: f"file {file}")
    merged.put(variables, lambda path: f"environment {variable(path)}")
    merged.put(given, lambda _: "command line")
    try:
        config = Config.model_validate(merged.values)
    except ValidationError as error:
        raise config_error(error, Config, sources=merged.sources, secrets=SECRETS) from error
    keys = {name: environ[name] for name in PROVIDER_VARIABLES if environ.get(name)}
    return Loaded(config, merged.sources, keys, environ, tuple(unknown))


def make_home(home: Path) -> None:
    """Raises `ConfigError` where the directory cannot be made."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"The data directory {home} cannot be made: {error.strerror}.") from error

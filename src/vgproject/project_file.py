"""What a project's own ``vgproject.toml`` may choose: it comes with the repository, which may be a stranger's.

It chooses how its tasks are done: models, phases, pipelines, its tests, and a budget and approvals that are not weaker
than the user's. All else, what is not known here too, says who may do what on this machine, and how much of it all take
together, and is not for a project: docs/decisions/0003 and 0014.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vgproject.agents.approvals import STRICTNESS, stricter_rules
from vgproject.config_layers import read_file
from vgproject.errors import ConfigError

OPTIONS = frozenset(
    {
        "approval_rules",
        "approvals",
        "llm",
        "log_format",
        "max_cost_usd",
        "max_seconds",
        "max_task_turns",
        "max_tokens",
        "model",
        "models",
        "phases",
        "pipelines",
        "port",
        "take_uncommitted",
        "test_command",
    }
)
BUDGETS = ("max_cost_usd", "max_seconds", "max_task_turns", "max_tokens")
PHASE_OPTIONS = frozenset(
    {
        "context_tokens",
        "idle_turns",
        "max_turns",
        "model",
        "repeated_calls",
        "retries",
        "strategy",
        "timeout_seconds",
        "tools",
    }
)


def read_project_file(path: Path, user: Mapping[str, Any], user_file: Path) -> dict[str, Any]:
    """``user`` holds the values of ``user_file``. Raises `ConfigError` for what a project may not choose."""
    values = read_file(path)
    refused = ", ".join([*_refused(values), *_refused_budget(values, user), *_refused_approvals(values, user)])
    if refused:
        raise ConfigError(
            f"The project's file {path} may not set {refused}, because a project is not trusted with it:"
            f" set it in {user_file}, the environment or on the command line."
        )
    if "approval_rules" in values:
        values["approval_rules"] = stricter_rules(values["approval_rules"], _table(user, "approval_rules"))
    return values


def _refused(values: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in values if name not in OPTIONS)
    for phase, settings in _table(values, "phases").items():
        yield from _refused_phase(phase, settings)
    for name, phases in _table(values, "pipelines").items():
        for phase in phases if isinstance(phases, list) else ():
            if _is_path(phase):
                yield f"pipelines.{name} to {phase!r}"


def _refused_phase(phase: str, settings: Any) -> Iterator[str]:
    """A phase without a strategy is done by the one of its own name."""
    if _is_path(phase):
        yield f"phases.{phase}"
    if isinstance(settings, Mapping):
        yield from (f"phases.{phase}.{option}" for option in settings if option not in PHASE_OPTIONS)
        if _is_path(settings.get("strategy", "")):
            yield f"phases.{phase}.strategy to {settings['strategy']!r}"


def _refused_budget(values: Mapping[str, Any], user: Mapping[str, Any]) -> Iterator[str]:
    for name in BUDGETS:
        wished, allowed = values.get(name), user.get(name)
        if isinstance(wished, int | float) and isinstance(allowed, int | float) and wished > allowed:
            yield f"{name} above the user's {allowed:g}"


def _refused_approvals(values: Mapping[str, Any], user: Mapping[str, Any]) -> Iterator[str]:
    wished, least = values.get("approvals"), user.get("approvals", "on_request")
    if _is_weaker(wished, least):
        yield f"approvals weaker than {least!r}"
    rules, users = _table(values, "approval_rules"), _table(user, "approval_rules")
    if rules.get("allow"):
        yield "approval_rules.allow"
    for tool, wished in _table(rules, "tools").items():
        if _is_weaker(wished, least := _table(users, "tools").get(tool, user.get("approvals", "on_request"))):
            yield f"approval_rules.tools.{tool} weaker than {least!r}"


def _is_weaker(wished: Any, least: Any) -> bool:
    return wished in STRICTNESS and least in STRICTNESS and STRICTNESS.index(wished) < STRICTNESS.index(least)


def _is_path(name: Any) -> bool:
    """Whether code would be loaded from where ``name`` says."""
    return not str(name or "phase").replace("-", "_").isidentifier()


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = values.get(name)
    return table if isinstance(table, Mapping) else {}

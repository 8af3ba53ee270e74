"""Which request, session, task and user a line of the log belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[dict[str, str]] = ContextVar("log_ids")


def current_ids() -> dict[str, str]:
    """As ``request_id``, ``session_id``, ``task_id``; what is not known is not there."""
    return _ids.get({})


def add_ids(**ids: str | None) -> None:
    """For what follows in this task and in those it begins."""
    _ids.set(current_ids() | {name: value for name, value in ids.items() if value})


@contextmanager
def log_ids(**ids: str | None) -> Iterator[None]:
    """For what is within."""
    token = _ids.set(current_ids())
    add_ids(**ids)
    try:
        yield
    finally:
        _ids.reset(token)

"""What took how long, and what belonged to what: told to metrics and, where that is configured, to a trace collector.

Ids are derived from what a span stands for, as a task's id. So nothing of a trace has to be kept with a task: after a
restart, or on another worker, its spans are those of the same trace and hang where they belong.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from vgproject.errors import StorageError, VgprojectError

logger = logging.getLogger(__name__)

SpanName = Literal["command", "task", "phase", "turn", "model call", "tool call", "memory recall"]
Value = str | int | float | bool

_current: ContextVar["Span | None"] = ContextVar("span", default=None)


@dataclass
class Span:
    """``attributes`` hold names and figures, never what people or models wrote."""

    name: SpanName
    trace_id: int
    span_id: int
    parent_id: int | None
    started_at: float
    """In seconds since 1970, as ``ended_at``."""
    attributes: dict[str, Value] = field(default_factory=dict)
    ended_at: float = 0.0
    error: str | None = None
    """The code of how it failed."""
    was_told: bool = False
    """By a process before this one, which came so far."""

    @property
    def seconds(self) -> float:
        return max(self.ended_at - self.started_at, 0.0)

    def belong_to_task(self, task_id: str, key: str) -> None:
        """For a span that only learns on its way which task it begins."""
        self.trace_id, self.span_id = _number(16, "trace", task_id), _number(8, "span", key)


Observer = Callable[[Span], None]


class Spans:
    """``observers`` are told of every span at its end; they must not block."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def open(
        self,
        name: SpanName,
        attributes: Mapping[str, Value],
        *,
        key: str | None = None,
        task_id: str | None = None,
        parent_key: str | None = None,
        started_at: float | None = None,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> Iterator[Span]:
        """A span under the one that is open here, or under that of ``parent_key``. It ends with the block, and with an
        error where the block raises one.

        With a ``key`` it has the same id each time; ``goes_on`` is asked where the block is cancelled, or stopped by a
        database that stores nothing: then the span is not told, for another process will end it.
        """
        span = _begin(name, key, task_id, parent_key, started_at)
        span.attributes |= attributes
        token = _current.set(span)
        began = time.monotonic()
        try:
            yield span
        except (asyncio.CancelledError, StorageError) as stop:
            if goes_on():
                raise
            span.error = "cancelled" if isinstance(stop, asyncio.CancelledError) else stop.code
            self._end(span, began, started_at)
            raise
        except BaseException as error:
            span.error = error.code if isinstance(error, VgprojectError) else type(error).__name__
            self._end(span, began, started_at)
            raise
        else:
            self._end(span, began, started_at)
        finally:
            _current.reset(token)

    def begin_task(self, task_id: str, attempt: int) -> None:
        """The span that is open here is the command that gives this task: its trace is the task's."""
        if span := _current.get():
            span.belong_to_task(task_id, command_key(task_id, attempt))

    def _end(self, span: Span, began: float, started_at: float | None) -> None:
        # Between two readings of this process the monotonic clock is the better one.
        span.ended_at = time.time() if started_at else span.started_at + time.monotonic() - began
        for observer in () if span.was_told else self._observers:
            try:
                observer(span)
            except Exception:
                logger.exception("An observer of spans failed")


def _begin(
    name: SpanName, key: str | None, task_id: str | None, parent_key: str | None, started_at: float | None
) -> Span:
    above = _current.get()
    parent_id = above.span_id if above else None
    if parent_key:
        parent_id = _number(8, "span", parent_key)
    trace_id = above.trace_id if above else random.getrandbits(128)
    if task_id:
        trace_id = _number(16, "trace", task_id)
    span_id = _number(8, "span", key) if key else random.getrandbits(64)
    return Span(name, trace_id, span_id, parent_id, started_at or time.time())


def _number(size: int, *parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:size], "big")


def command_key(task_id: str, attempt: int) -> str:
    return f"{task_id}/{attempt}/command"


def outcome_of(span: Span) -> str:
    """One of few words: as a task ended, else the code of an error, or ``ok``."""
    return str(span.attributes.get("outcome") or span.error or "ok")


NO_SPANS = Spans()
"""Nobody listens."""

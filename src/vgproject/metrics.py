"""The server's figures for Prometheus, counted from events, spans, requests and connections."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from vgproject.event_log import StoredEvent
from vgproject.repositories.session_repository import OpenCounts
from vgproject.schema.close_codes import CLOSE_CODES
from vgproject.schema.events import EVENT_TYPES
from vgproject.telemetry.instruments import Instruments
from vgproject.telemetry.spans import Observer, Span, Spans, outcome_of
from vgproject.visits import WEBSOCKET, Visit

ENDS = {"task_completed": "completed", "task_failed": "failed", "task_cancelled": "cancelled"}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_NAMES = 100
"""Of models, tools and phases. They are named by people: more are counted together, as ``other``."""

QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CALLS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
LONG = (1, 5, 15, 60, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600)
ANSWERS = (0.005, 0.025, 0.1, 0.5, 1, 5, 30)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Names:
    """Keeps the values of a label few."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, name: object) -> str:
        name = str(name)
        if name not in self._known:
            if len(self._known) >= MAX_NAMES:
                return "other"
            self._known.add(name)
        return name


class Metrics:
    """One for each server; nothing is shared between two in one process. No label names a session or a user."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._models, self._tools, self._phases = Names(), Names(), Names()
        self._events = self._counter("events", "Events appended to session logs.", "type")
        self._commit_events = self._histogram("commit_events", "Events that were stored together.", SIZES)
        self._commit_seconds = self._histogram("commit_seconds", "Time to store events together.", QUICK)
        self._deltas = self._counter("deltas", "Deltas made.", "type")
        self._tasks = self._counter("tasks", "Tasks that ended, by their end.", "end")
        self._task_seconds = self._histogram(
            "task_duration_seconds", "From a task's being given to its end, with all waiting.", LONG, "end"
        )
        self._phase_seconds = self._histogram(
            "phase_duration_seconds", "Of phases, with waiting for people.", LONG, "phase", "outcome"
        )
        self._call_seconds = self._histogram(
            "model_call_duration_seconds", "Of each try of a model call.", CALLS, "provider", "model", "outcome"
        )
        self._calls = self._counter("model_calls", "Tries of model calls.", "provider", "model", "outcome")
        self._tokens = self._counter("model_tokens", "Tokens of model calls.", "provider", "model", "direction")
        self._cost = self._counter("model_cost_usd", "Cost of model calls whose price is known.", "provider", "model")
        self._tool_seconds = self._histogram("tool_call_duration_seconds", "Of tool calls.", CALLS, "tool", "outcome")
        self._command_seconds = self._histogram(
            "command_duration_seconds", "Time to carry out a command.", QUICK, "type", "outcome"
        )
        self._recall_seconds = self._histogram("memory_recall_seconds", "Time to find what memory knows.", QUICK)
        self._loop_delay = self._histogram(
            "event_loop_delay_seconds", "How long the event loop takes to answer, asked twice a second.", QUICK
        )
        self._requests = self._histogram(
            "http_request_duration_seconds",
            "Of HTTP requests, to the end of the answer.",
            ANSWERS,
            *("method", "route", "status"),
        )
        self._closed = self._counter("connections_closed", "WebSockets that ended, by close code.", "code")
        self._open_tasks = self._gauge("open_tasks", "Tasks that wait, run or are paused.", "status")
        self._questions = self._gauge("waiting_for_people", "Questions that wait for a person's answer.", "kind")
        self._observers: dict[str, Observer] = {
            "command": self._count_command,
            "task": lambda span: self._task_seconds.labels(outcome_of(span)).observe(span.seconds),
            "phase": self._count_phase,
            "model call": self._count_model_call,
            "tool call": self._count_tool_call,
            "memory recall": lambda span: self._recall_seconds.observe(span.seconds),
        }

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"vgproject_{name}", documentation, labels, registry=self._registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"vgproject_{name}", documentation, labels, registry=self._registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"vgproject_{name}", documentation, labels, buckets=buckets, registry=self._registry)

    def instruments(self, *observers: Observer) -> Instruments:
        """What a server's parts tell, here and to ``observers`` of spans."""
        return Instruments(Spans(self.count_span, *observers), self.count_commit, self.count_delta)

    def watch_connections(
        self, count: Callable[[], int], unsent_bytes: Callable[[], int], events_behind: Callable[[], int]
    ) -> None:
        self._watch("open_connections", "Open WebSockets.", count)
        self._watch("unsent_bytes", "Bytes that wait for their clients to read.", unsent_bytes)
        self._watch("events_behind", "Events that the follower who is most behind has not been sent.", events_behind)

    def _watch(self, name: str, documentation: str, function: Callable[[], int]) -> None:
        self._gauge(name, documentation).set_function(function)

    def count_event(self, event: StoredEvent) -> None:
        self._events.labels(event.type if event.type in EVENT_TYPES else "other").inc()
        if end := ENDS.get(event.type):
            self._tasks.labels(end).inc()

    def count_commit(self, events: int, seconds: float) -> None:
        self._commit_events.observe(events)
        self._commit_seconds.observe(seconds)

    def count_delta(self, kind: str) -> None:
        self._deltas.labels(kind).inc()

    def count_loop_delay(self, seconds: float) -> None:
        self._loop_delay.observe(seconds)

    def count_visit(self, visit: Visit, seconds: float) -> None:
        if visit.method == WEBSOCKET:
            # A client may name any code: those that mean nothing here are counted together.
            code = str(visit.status) if visit.status in CLOSE_CODES or 1000 <= visit.status < 1016 else "other"
            self._closed.labels(code).inc()
        else:
            method = visit.method if visit.method in METHODS else "other"
            self._requests.labels(method, visit.route or "unknown", str(visit.status)).observe(seconds)

    def count_span(self, span: Span) -> None:
        if observe := self._observers.get(span.name):
            observe(span)

    def _count_command(self, span: Span) -> None:
        self._command_seconds.labels(str(span.attributes["type"]), outcome_of(span)).observe(span.seconds)

    def _count_phase(self, span: Span) -> None:
        phase = self._phases.label(span.attributes["phase"])
        self._phase_seconds.labels(phase, outcome_of(span)).observe(span.seconds)

    def _count_tool_call(self, span: Span) -> None:
        tool = self._tools.label(span.attributes["tool"])
        self._tool_seconds.labels(tool, outcome_of(span)).observe(span.seconds)

    def _count_model_call(self, span: Span) -> None:
        of = span.attributes
        names = str(of["provider"]), self._models.label(of["model"])
        self._calls.labels(*names, outcome_of(span)).inc()
        self._call_seconds.labels(*names, outcome_of(span)).observe(span.seconds)
        self._tokens.labels(*names, "input").inc(float(of.get("input_tokens", 0)))
        self._tokens.labels(*names, "output").inc(float(of.get("output_tokens", 0)))
        self._cost.labels(*names).inc(float(of.get("cost_usd", 0)))

    def render(self, counts: OpenCounts | None) -> bytes:
        """``None`` where the database does not say what is open: then nothing is said of it."""
        none: Mapping[str, int] = {}
        for gauge, known in zip((self._open_tasks, self._questions), counts or (none, none), strict=True):
            gauge.clear()
            for name, number in known.items():
                gauge.labels(name).set(number)
        return generate_latest(self._registry)

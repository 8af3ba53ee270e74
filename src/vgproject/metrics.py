"""The server's figures for Prometheus, counted from the events as they are stored."""

from collections.abc import Callable

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from vgproject.event_log import StoredEvent

ENDS = {"task_completed": "completed", "task_failed": "failed", "task_cancelled": "cancelled"}


class Metrics:
    """One for each server; nothing is shared between two in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = self._counter("vgproject_events", "Events appended to session logs.")
        self._tasks = self._counter("vgproject_tasks", "Tasks that ended, by their end.", "end")
        self._calls = self._counter("vgproject_model_calls", "Model calls that gave a reply.", "model")
        self._tokens = self._counter("vgproject_model_tokens", "Tokens of model calls.", "model", "direction")
        self._cost = self._counter("vgproject_model_cost_usd", "Cost of model calls whose price is known.", "model")

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def watch_connections(self, count: Callable[[], int], unsent_bytes: Callable[[], int]) -> None:
        self._watch("vgproject_open_connections", "Open WebSockets.", count)
        self._watch("vgproject_unsent_bytes", "Bytes that wait for their clients to read.", unsent_bytes)

    def _watch(self, name: str, documentation: str, function: Callable[[], int]) -> None:
        Gauge(name, documentation, registry=self._registry).set_function(function)

    def count_event(self, event: StoredEvent) -> None:
        self._events.inc()
        if end := ENDS.get(event.type):
            self._tasks.labels(end).inc()
        elif event.type == "usage_updated":
            call = orjson.loads(event.payload)["data"]
            self._calls.labels(call["model"]).inc()
            self._tokens.labels(call["model"], "input").inc(call["input_tokens"])
            self._tokens.labels(call["model"], "output").inc(call["output_tokens"])
            self._cost.labels(call["model"]).inc(call["cost_usd"] or 0)

    def render(self) -> bytes:
        return generate_latest(self._registry)

"""Spans on their way to a trace collector, by OTLP over HTTP. Loaded only where one is configured."""

from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from vgproject.telemetry.spans import Span

SCOPE = "vgproject"
NAMES = {
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "tool": "gen_ai.tool.name",
    "tool_call_id": "gen_ai.tool.call.id",
    "session_id": "session.id",
}
"""OpenTelemetry's own names where it has some; the others are ``vgproject.…``."""
CLOSE_SECONDS = 2.0
"""What a collector gets to take what is left when the server stops."""
EXPORT_SECONDS = 5
QUEUED_SPANS = 4_096
"""Held for a collector that does not take them; then the newest are lost, and no task waits."""


class OtlpTraces:
    """A thread of its own sends the spans in batches. A collector that is away loses them, and holds nobody up."""

    def __init__(self, endpoint: str, version: str) -> None:
        """What else there is to say, as headers and attributes, comes from the usual variables ``OTEL_…``."""
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
        self._resource = Resource.create({"service.name": SCOPE, "service.version": version})
        self._scope = InstrumentationScope(SCOPE, version)
        self._processor = BatchSpanProcessor(self._exporter, max_queue_size=QUEUED_SPANS, schedule_delay_millis=1_000)

    def take(self, span: Span) -> None:
        """As an observer of spans."""
        self._processor.on_end(self._as_sdk(span))

    def _as_sdk(self, span: Span) -> ReadableSpan:
        status = Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK)
        attributes = {NAMES.get(name, f"vgproject.{name}"): value for name, value in span.attributes.items()}
        if span.error:
            attributes["error.type"] = span.error
        return ReadableSpan(
            name=_title(span),
            context=_context(span, span.span_id),
            parent=_context(span, span.parent_id) if span.parent_id else None,
            resource=self._resource,
            attributes=attributes,
            kind=_kind(span),
            status=status,
            start_time=round(span.started_at * 1e9),
            end_time=round(span.ended_at * 1e9),
            instrumentation_scope=self._scope,
        )

    def close(self) -> None:
        """Send what is left, if that is soon done. Blocks for so long."""
        # It would itself wait for half a minute, and try again in between.
        sending = Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)
        if sending.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # The library has left it so.


def _title(span: Span) -> str:
    """Few different ones, as collectors group by them."""
    of = span.attributes
    match span.name:
        case "command":
            return f"command {of['type']}"
        case "phase":
            return f"phase {of['phase']}"
        case "tool call":
            return f"execute_tool {of['tool']}"
        case "model call":
            return f"chat {of['model']}"
        case name:
            return name


def _kind(span: Span) -> SpanKind:
    match span.name:
        case "command":
            return SpanKind.SERVER
        case "model call":
            return SpanKind.CLIENT
        case _:
            return SpanKind.INTERNAL


def _context(span: Span, span_id: int) -> SpanContext:
    return SpanContext(span.trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

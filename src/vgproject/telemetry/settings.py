"""Whether spans are sent to a trace collector."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class TelemetrySettings(BaseModel):
    """``[telemetry]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    otlp_endpoint: Annotated[str, StringConstraints(pattern=r"^https?://")] | None = None
    """Of a collector that speaks OTLP over HTTP, as ``http://localhost:4318``. By default that of the variable
    ``OTEL_EXPORTER_OTLP_ENDPOINT``; with neither nothing is traced."""

    def traces_endpoint(self, environ: Mapping[str, str]) -> str | None:
        """The whole address; ``None`` where nothing is traced."""
        if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
            return None
        if not self.otlp_endpoint and (traces := environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
            return traces
        base = self.otlp_endpoint or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        return f"{base.rstrip('/')}/v1/traces" if base else None

"""Whether and where spans are sent."""

from vgproject.telemetry.settings import TelemetrySettings


def test_nothing_is_traced_without_an_endpoint_and_the_usual_variables_count() -> None:
    settings = TelemetrySettings()
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
    assert settings.traces_endpoint({}) is None
    assert settings.traces_endpoint(base) == "http://collector:4318/v1/traces"
    assert settings.traces_endpoint({**base, "OTEL_SDK_DISABLED": "true"}) is None
    assert settings.traces_endpoint({**base, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}) == "http://t/x"
    own = TelemetrySettings(otlp_endpoint="http://own:1")
    assert own.traces_endpoint(base) == "http://own:1/v1/traces"

"""Settings are understood or refused with a sentence, and never show a key."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from cellar_shared.errors import BadInput
from cellar_shared.telemetry.settings import TelemetrySettings

KEY = "0a1b2c3d-0000-1111-2222-333344445555"
AZURE = {"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:1/"}


def test_nothing_is_on_unasked():
    settings = TelemetrySettings.from_environment({})
    assert (settings.azure, settings.has_otlp, settings.metrics_folder, settings.log) == (None, False, None, None)


def test_everything_that_is_asked_for_is_taken():
    settings = TelemetrySettings.from_environment(
        AZURE
        | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "CELLAR_METRICS_FOLDER": "m", "CELLAR_LOG": "json",
           "CELLAR_DEPLOYMENT": "blue", "OTEL_METRIC_EXPORT_INTERVAL": "500", "CELLAR_TELEMETRY_SNAPSHOT_MS": "200",
           "CELLAR_TELEMETRY_STOP_MS": "300"}
    )  # fmt: skip
    assert (settings.has_otlp, settings.metrics_folder, settings.log, settings.deployment) == (True, Path("m"), "json", "blue")
    assert (settings.metrics_interval_ms, settings.snapshot_ms, settings.stop_ms) == (500, 200, 300)
    assert settings.azure == AZURE["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    assert KEY not in repr(settings)


def test_opentelemetrys_own_switch_turns_its_receivers_off():
    settings = TelemetrySettings.from_environment(
        AZURE | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
    )
    assert (settings.azure, settings.has_otlp) == (None, False)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CELLAR_TELEMETRY_SNAPSHOTS_MS": "5"}, "CELLAR_TELEMETRY_SNAPSHOTS_MS is not a setting"),
        ({"CELLAR_TELEMETRY_STOP_MS": "soon"}, "give milliseconds"),
        ({"CELLAR_TELEMETRY_STOP_MS": "5"}, "from 10 to 3600000"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "-1"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ({"CELLAR_LOG": "xml"}, "neither 'text' nor 'json'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf is the one"),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY[:-1]}"}, "copy the string whole"),
    ],
)
def test_what_cannot_be_meant_is_refused(environment, said):
    with pytest.raises(BadInput, match=said) as refused:
        TelemetrySettings.from_environment(environment)
    assert KEY[:-1] not in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "missing", "extra"),
    [(AZURE, "azure", "azure"), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "opentelemetry.exporter", "otlp")],
)
def test_an_exporter_that_is_not_installed_is_named_with_its_extra(environment, missing, extra, monkeypatch):
    found = importlib.util.find_spec

    def find(name: str, package: str | None = None):
        if name.startswith(missing):
            raise ModuleNotFoundError(name)
        return found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(BadInput, match=f"install the extra '{extra}'"):
        TelemetrySettings.from_environment(environment)

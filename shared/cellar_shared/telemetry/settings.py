"""What telemetry is asked for, read once from the environment; `service.app` reads it, `exporting` starts it."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self, cast

from cellar_shared.errors import BadInput

LogForm = Literal["text", "json"]

AZURE: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
OTLP: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
OTLP_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
METRICS_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
DISABLED: Final = "OTEL_SDK_DISABLED"
METRICS_FOLDER: Final = "CELLAR_METRICS_FOLDER"
LOG: Final = "CELLAR_LOG"
DEPLOYMENT: Final = "CELLAR_DEPLOYMENT"
OWN_PREFIX: Final = "CELLAR_TELEMETRY_"
SNAPSHOT_MS: Final = "CELLAR_TELEMETRY_SNAPSHOT_MS"
STOP_MS: Final = "CELLAR_TELEMETRY_STOP_MS"

_HAS_KEY = re.compile(r"(?:^|;)\s*InstrumentationKey=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where metrics, traces and logs go. None and False: nowhere."""

    azure: str | None = field(default=None, repr=False)  # the connection string holds a key
    has_otlp: bool = False
    metrics_folder: Path | None = None
    log: LogForm | None = None
    deployment: str = "local"
    metrics_interval_ms: int = 60_000  # OpenTelemetry's default
    snapshot_ms: int = 1_000
    stop_ms: int = 1_500

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings; BadInput for a key of ours that is unknown and for a value that cannot be meant."""
        known = {SNAPSHOT_MS, STOP_MS}
        for name in sorted(environment):
            if name.startswith(OWN_PREFIX) and name not in known:
                raise BadInput(f"{name} is not a setting of telemetry; there are {', '.join(sorted(known))}")
        form = environment.get(LOG) or None
        if form not in (None, "text", "json"):
            raise BadInput(f"{LOG} is neither 'text' nor 'json'; leave it out for text")
        is_off = environment.get(DISABLED, "").strip().lower() == "true"
        has_otlp = bool(environment.get(OTLP)) and not is_off
        protocol = environment.get(OTLP_PROTOCOL) or "http/protobuf"
        if has_otlp and protocol != "http/protobuf":
            raise BadInput(f"{OTLP_PROTOCOL} is {protocol!r}; http/protobuf is the one that is spoken here, leave it out")
        azure = (environment.get(AZURE) or None) if not is_off else None
        if azure is not None and not _HAS_KEY.search(azure):
            # Without quoting it: a part of it may be the key.
            raise BadInput(f"{AZURE} holds no InstrumentationKey; copy the string whole from the Application Insights resource")
        if has_otlp:
            _require_installed("opentelemetry.exporter.otlp.proto.http", OTLP, "otlp")
        if azure is not None:
            _require_installed("azure.monitor.opentelemetry.exporter", AZURE, "azure")
        folder = environment.get(METRICS_FOLDER)
        return cls(
            azure=azure,
            has_otlp=has_otlp,
            metrics_folder=Path(folder) if folder else None,
            log=cast("LogForm | None", form),
            deployment=environment.get(DEPLOYMENT) or "local",
            metrics_interval_ms=_milliseconds(environment, METRICS_INTERVAL, 60_000),
            snapshot_ms=_milliseconds(environment, SNAPSHOT_MS, 1_000),
            stop_ms=_milliseconds(environment, STOP_MS, 1_500),
        )


def _require_installed(module: str, variable: str, extra: str) -> None:
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        is_there = False
    if not is_there:
        raise BadInput(f"{variable} is set, and the module {module} is not installed: install the extra {extra!r} of cellar-shared")


def _milliseconds(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 10 <= int(text[:12]) <= 3_600_000:
        raise BadInput(f"{name} is {text[:40]!r}; give milliseconds, a whole number from 10 to 3600000")
    return int(text)

"""Who telemetry can be handed to besides a folder, an OTLP collector or Application Insights, and what each needs installed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final, Self

# Azure's exporter reports on itself and asks a control plane for settings unless it is told not to.
_AZURE_ASIDE: Final = (
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The three exporters of one receiver."""

    name: str
    metrics: Any
    spans: Any
    logs: Any

    @classmethod
    def otlp(cls) -> Self:
        """A collector that OTEL_EXPORTER_OTLP_* name, over http/protobuf; these variables are read by the exporters."""
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return cls("otlp", OTLPMetricExporter(), OTLPSpanExporter(), OTLPLogExporter())

    @classmethod
    def azure(cls, connection_string: str) -> Self:
        """Application Insights. Nothing is kept on disk for later: a receiver that is gone costs telemetry, no space."""
        for variable in _AZURE_ASIDE:
            os.environ.setdefault(variable, "true")
        from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorMetricExporter, AzureMonitorTraceExporter

        told: dict[str, Any] = {"connection_string": connection_string, "disable_offline_storage": True}
        return cls("azure", AzureMonitorMetricExporter(**told), AzureMonitorTraceExporter(**told), AzureMonitorLogExporter(**told))

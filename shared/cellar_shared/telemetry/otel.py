"""Hands what was recorded to OpenTelemetry's exporters: metrics in its data model, spans and log records through its SDK.

The only module that knows the SDK; `exporting` builds one pipeline per exporter, after the process has started.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry._logs import LogRecord as OtelRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.export import Metric as OtelMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from cellar_shared.telemetry import names
from cellar_shared.telemetry.logs import WithRequest, sentence_and_error
from cellar_shared.telemetry.receivers import Receiver
from cellar_shared.telemetry.recorder import Distribution, Family, Labels, Recorder

logger = logging.getLogger("cellar.telemetry")

TELL_AGAIN_S: Final = 60.0
LOGGERS: Final = ("cellar", "uvicorn.error")


class Told:
    """An exporter that counts what fails and says so now and then, without the receiver's address or its words."""

    def __init__(self, exporter: Any, receiver: str, signal: str, recorder: Recorder) -> None:
        self._exporter = exporter
        self._receiver, self._signal = receiver, signal
        self._recorder = recorder
        self._told_at = -TELL_AGAIN_S

    def export(self, batch: Any, *arguments: Any, **named: Any) -> Any:
        """The exporter's own result, or None where it raised."""
        result, kind = None, "refused or not reached"
        try:
            result = self._exporter.export(batch, *arguments, **named)
            if getattr(result, "name", "") == "SUCCESS":
                return result
        except Exception as error:
            kind = type(error).__name__
        self._recorder.count(names.EXPORT_FAILURES, 1, (self._receiver, self._signal))
        if time.monotonic() - self._told_at >= TELL_AGAIN_S:
            self._told_at = time.monotonic()
            logger.warning("%s could not be handed to %s (%s); what was in it is lost", self._signal, self._receiver, kind)
        return result

    def shutdown(self) -> None:
        """End the exporter; what it is sending may be cut short."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here."""
        return True


class Pipeline:
    """One receiver's threads: metrics every `interval_ms`, spans and log records in batches as they come."""

    def __init__(self, receiver: Receiver, resource: Resource, recorder: Recorder, interval_ms: int, tracers: TracerProvider) -> None:
        self._recorder = recorder
        self._resource = resource
        self._interval_s = interval_ms / 1000
        # The SDK's own readers ask the exporter so, too.
        preferred = receiver.metrics._preferred_temporality or {}
        self._is_delta = preferred.get(Counter) is AggregationTemporality.DELTA
        self._metrics = Told(receiver.metrics, receiver.name, "metrics", recorder)
        tracers.add_span_processor(BatchSpanProcessor(Told(receiver.spans, receiver.name, "traces", recorder)))  # type: ignore[arg-type] # quacks
        self._loggers = LoggerProvider(resource, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(Told(receiver.logs, receiver.name, "logs", recorder))  # type: ignore[arg-type] # quacks
        )
        self._handler = LogHandler(self._loggers)
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self._handler)
        self._began_ns = self._last_ns = time.time_ns()
        self._before: dict[tuple[str, Labels], float | Distribution] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_exporting, name=f"metrics-{receiver.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what is left and end; as long as the receiver takes, so `exporting` waits for it within bounds."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self._handler)
        self._closing.set()
        self._loggers.shutdown()
        self._thread.join()
        self._metrics.shutdown()

    def _keep_exporting(self) -> None:
        while not self._closing.wait(self._interval_s):
            self._export()
        self._export()

    def _export(self) -> None:
        now = time.time_ns()
        metrics = [made for family in self._recorder.families() if (made := self._metric(family, now))]
        self._last_ns = now
        if metrics:
            scope = ScopeMetrics(InstrumentationScope(names.SCOPE), metrics, "")
            self._metrics.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))

    def _metric(self, family: Family, now: int) -> OtelMetric | None:
        metric = family.metric
        temporality = AggregationTemporality.DELTA if self._is_delta else AggregationTemporality.CUMULATIVE
        since = self._last_ns if self._is_delta else self._began_ns
        data: Gauge | Sum | HistogramData
        if metric.kind == "gauge":
            # Always of one type: a receiver takes 1 and 0.5 for points of two metrics.
            data = Gauge(
                [NumberDataPoint(_attributes(family, labels), since, now, float(value)) for labels, value in family.numbers.items()]
            )
        elif metric.kind == "counter":
            points = [
                NumberDataPoint(_attributes(family, labels), since, now, self._since_before(metric.name, labels, value))
                for labels, value in family.numbers.items()
            ]
            data = Sum([point for point in points if point.value or not self._is_delta], temporality, is_monotonic=True)
        else:
            seen = {labels: self._seen_since(metric.name, labels, each) for labels, each in family.distributions.items()}
            rows = [
                HistogramDataPoint(
                    _attributes(family, labels),
                    since,
                    now,
                    sum(each.counts),
                    each.total,
                    each.counts,
                    metric.bounds,
                    each.lowest,
                    each.highest,
                )
                for labels, each in seen.items()
                if any(each.counts)
            ]
            data = HistogramData(rows, temporality)
        return OtelMetric(metric.name, metric.description, metric.unit, data) if data.data_points else None

    def _since_before(self, name: str, labels: Labels, value: float) -> float:
        if not self._is_delta:
            return value
        before = self._before.get((name, labels), 0.0)
        self._before[name, labels] = value
        return value - (before if isinstance(before, float | int) else 0.0)

    def _seen_since(self, name: str, labels: Labels, seen: Distribution) -> Distribution:
        """What came since the last export. Its extremes are not known: the edges of the outermost buckets stand for them."""
        if not self._is_delta:
            return seen
        before = self._before.get((name, labels))
        self._before[name, labels] = seen
        if not isinstance(before, Distribution):
            return seen
        counts = tuple(now - then for now, then in zip(seen.counts, before.counts, strict=True))
        return Distribution(counts, seen.total - before.total, *_edges(name, counts, seen))


def _edges(name: str, counts: Sequence[int], seen: Distribution) -> tuple[float, float]:
    bounds = next(metric.bounds for metric in names.METRICS if metric.name == name and metric.kind == "histogram")
    filled = [place for place, count in enumerate(counts) if count]
    if not filled:
        return seen.lowest, seen.highest
    lowest = bounds[filled[0] - 1] if filled[0] else 0.0
    highest = bounds[filled[-1]] if filled[-1] < len(bounds) else seen.highest
    return max(lowest, seen.lowest), min(highest, seen.highest)


def _attributes(family: Family, labels: Labels) -> dict[str, str | int]:
    """The labels by name, empty ones left out."""
    return {name: value for name, value in zip(family.metric.attributes, labels, strict=True) if value != ""}


class LogHandler(logging.Handler):
    """Turns log records into OpenTelemetry's: their sentence, their request's ids, a fault's class and frames."""

    def __init__(self, loggers: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._logger = loggers.get_logger(names.SCOPE)
        self.addFilter(WithRequest())

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record; a full queue drops it."""
        try:
            said, kind, frames = sentence_and_error(record)
            attributes = {
                names.LOGGER.name: record.name,
                names.REQUEST_ID.name: getattr(record, "request_id", ""),
                names.EXCEPTION_TYPE.name: kind,
                names.EXCEPTION_FRAMES.name: frames,
            }
            self._logger.emit(
                OtelRecord(
                    timestamp=int(record.created * 1e9),
                    context=_context(getattr(record, "trace_id", ""), getattr(record, "span_id", "")),
                    severity_text=record.levelname,
                    severity_number=_SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED),
                    body=said,
                    attributes={name: value for name, value in attributes.items() if value},
                )
            )
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """A record that cannot be exported is on standard error already."""


_SEVERITIES: Final = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}


def _context(trace_id: str, span_id: str) -> Context:
    if not trace_id or not span_id:
        return Context()
    own = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(own), Context())

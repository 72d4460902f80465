"""Every metric, span and attribute name, with kind, unit and meaning; whoever records, exports or adds up reads them here.

Names follow OpenTelemetry's semantic conventions where these have one; ours start with `cellar.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "histogram", "gauge"]
# What a gauge is over several processes: their sum, the largest, or what was written last.
Across = Literal["sum", "max", "last"]

# OpenTelemetry's advice for http.server.request.duration begins at 5 ms; most answers here take less than that.
REQUEST_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGE_BOUNDS_S: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

_PROMETHEUS_UNITS: Final = {"s": "seconds", "By": "bytes"}


# Compared by identity: a metric is a key on the hot path.
@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric; series of it are told apart by values of `attributes`, in their order, all from closed lists."""

    name: str
    kind: Kind
    unit: str  # UCUM, as OpenTelemetry has it: s, By, {request}
    description: str
    attributes: tuple[str, ...] = ()
    across: Across = "sum"
    bounds: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """The name in Prometheus' text, as OpenTelemetry maps it: unit spelt out, counters end in _total."""
        name = self.name.replace(".", "_")
        if unit := _PROMETHEUS_UNITS.get(self.unit):
            name += f"_{unit}"
        return f"{name}_total" if self.kind == "counter" else name


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of metrics, spans or log records."""

    name: str
    description: str


METHOD: Final = Attribute("http.request.method", "the method; _OTHER for one that is no method of HTTP")
ROUTE: Final = Attribute("http.route", "the route's pattern, never the path that was asked for; empty where none matches")
STATUS: Final = Attribute("http.response.status_code", "empty where the client left before the answer")
ERROR: Final = Attribute("error.type", "the problem's code, a bug's exception class, or empty")
STAGE: Final = Attribute("cellar.stage", "read, decode, store, features, model, score, encode")
REASON: Final = Attribute("cellar.reason", "a value of the answer's `degraded`")
STORE: Final = Attribute("cellar.store.kind", "lmdb or redis")
GENERATION: Final = Attribute("cellar.generation", "the generation's id")
BUNDLE: Final = Attribute("cellar.bundle", "the bundle's version")
OUTCOME: Final = Attribute("cellar.outcome", "what became of it")
EXPORTER: Final = Attribute("cellar.exporter", "azure, otlp or prometheus")
SIGNAL: Final = Attribute("cellar.signal", "metrics, traces or logs")
EVENT_KIND: Final = Attribute("cellar.event.kind", "rating, impression, outcome, bottle or preference")
REQUEST_ID: Final = Attribute("cellar.request_id", "the request's id, as it is echoed; on spans and log records only")
SERVER_TIMING: Final = Attribute("http.response.header.server-timing", "on spans: each stage's milliseconds, as in the answer's header")
EXCEPTION_TYPE: Final = Attribute("exception.type", "a bug's exception class, on log records")
EXCEPTION_FRAMES: Final = Attribute("exception.stacktrace", "the lines of code that the bug came through, without its message")
LOGGER: Final = Attribute("cellar.logger", "which part of the code wrote the log record")
SERVICE_NAME: Final = Attribute("service.name", "OTEL_SERVICE_NAME, else the service's name; on everything exported")
SERVICE_INSTANCE: Final = Attribute("service.instance.id", "the process's id; on everything exported")
DEPLOYMENT: Final = Attribute("cellar.deployment", "CELLAR_DEPLOYMENT, the slot; on everything exported")

# A span is named METHOD ROUTE, as the conventions for HTTP servers say.
REQUEST_SPAN: Final = "{method} {route}"
SCOPE: Final = "cellar"

REQUEST_DURATION: Final = Metric(
    "http.server.request.duration",
    "histogram",
    "s",
    "Time from a request's head to the end of its answer; its count is the number of requests",
    (METHOD.name, ROUTE.name, STATUS.name, ERROR.name),
    bounds=REQUEST_BOUNDS_S,
)
ACTIVE_REQUESTS: Final = Metric("http.server.active_requests", "gauge", "{request}", "Requests that are being answered")
STAGE_TIME: Final = Metric(
    "cellar.stage.duration", "histogram", "s", "Time that one stage of a request took", (STAGE.name,), bounds=STAGE_BOUNDS_S
)
REQUESTS_SHED: Final = Metric("cellar.requests.shed", "counter", "{request}", "Requests refused as too many at once")
DEADLINES_MISSED: Final = Metric("cellar.requests.deadline_missed", "counter", "{request}", "Requests given up past their deadline")
ANSWERS_DEGRADED: Final = Metric("cellar.answers.degraded", "counter", "{answer}", "Answers that had to do without", (REASON.name,))
STORE_FAILURES: Final = Metric("cellar.store.failures", "counter", "{read}", "Reads of the store that failed", (STORE.name,))
STORE_BREAKER: Final = Metric(
    "cellar.store.breaker",
    "gauge",
    "{state}",
    "0: the store is asked, 1: left alone, 0.5: tried again",
    (STORE.name,),
    across="max",
)
READY: Final = Metric("cellar.ready", "gauge", "{process}", "1 for a process that may answer; over processes: how many may")
GENERATION_INFO: Final = Metric(
    "cellar.generation.info", "gauge", "{process}", "Processes that serve this bundle on this generation", (BUNDLE.name, GENERATION.name)
)
GENERATION_AGE: Final = Metric(
    "cellar.generation.age", "gauge", "s", "Time since the latest event that the generation knows (its events_through)", across="max"
)
SWAPS: Final = Metric("cellar.generation.swaps", "counter", "{swap}", "Changes of generation or bundle while serving", (OUTCOME.name,))
PREDICTION_ROWS: Final = Metric(
    "cellar.predictions.rows",
    "counter",
    "{row}",
    "Rows of the prediction log: written, dropped (queue full or disk not writable), expired (over the size budget), forgotten",
    (OUTCOME.name,),
)
EVENTS: Final = Metric(
    "cellar.events",
    "counter",
    "{event}",
    "Events received: accepted, duplicate, conflict, rejected",
    (EVENT_KIND.name, OUTCOME.name),
)
RETRIEVAL_RECALL: Final = Metric(
    "cellar.retrieval.recall",
    "gauge",
    "1",
    "Share of the exact nearest 300 wines that the index finds for members who asked lately; 1 where it scans all wines",
    across="last",
)
EXPORT_FAILURES: Final = Metric(
    "cellar.telemetry.export_failures",
    "counter",
    "{export}",
    "Batches of telemetry that were lost",
    (EXPORTER.name, SIGNAL.name),
)

ATTRIBUTES: Final[tuple[Attribute, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Attribute))
METRICS: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
BY_PROMETHEUS_NAME: Final[Mapping[str, Metric]] = {metric.prometheus: metric for metric in METRICS}


def table() -> str:
    """Every metric as a Markdown table; `python -m cellar_shared.telemetry.names` prints it for docs/telemetry.md."""
    lines = ["| metric | kind | unit | attributes | meaning |", "|---|---|---|---|---|"]
    for metric in METRICS:
        across = f" ({metric.across} over processes)" if metric.kind == "gauge" else ""
        attributes = ", ".join(f"`{name}`" for name in metric.attributes)
        lines.append(f"| `{metric.name}` | {metric.kind}{across} | {metric.unit} | {attributes} | {metric.description} |")
    lines += ["", "| attribute | meaning |", "|---|---|"]
    lines += [f"| `{attribute.name}` | {attribute.description} |" for attribute in ATTRIBUTES]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201

"""Exporters at work in a real process: what arrives, that a dead receiver costs nobody anything, and that the end has a bound."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.parser import text_string_to_metric_families

from cellar_shared.telemetry import names
from cellar_shared.telemetry.exporting import Telemetry
from cellar_shared.telemetry.otel import Pipeline
from cellar_shared.telemetry.receivers import Receiver
from cellar_shared.telemetry.recorder import Recorder
from cellar_shared.telemetry.scrape import summed
from cellar_shared.telemetry.settings import TelemetrySettings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
FAST = {"OTEL_METRIC_EXPORT_INTERVAL": 50, "OTEL_BSP_SCHEDULE_DELAY": 50, "OTEL_BLRP_SCHEDULE_DELAY": 50}


def attributes(thing) -> dict[str, object]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in thing.attributes}


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An endpoint that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as kept:

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.enter_context(listener.accept()[0])

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_spans_metrics_and_logs_of_a_request_arrive(serving, collector, until):
    served = serving(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, CELLAR_DEPLOYMENT="green", **FAST)
    status, _ = served.ask({"act": "bug"}, traceparent=TRACEPARENT, x_ms_client_request_id="r-1")
    assert status == 500
    (span,) = until(lambda: [span for span in collector.spans() if span.name == "POST /score"])
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, span.SPAN_KIND_SERVER)
    told = attributes(span)
    assert (told["http.route"], told["http.response.status_code"], told["error.type"]) == ("/score", 500, "RuntimeError")
    assert told["cellar.request_id"] == "r-1"
    assert [lap.partition(";")[0] for lap in told["http.response.header.server-timing"].split(", ")] == ["read", "decode", "think"]
    (record,) = until(collector.logs)
    assert (record.body.string_value, record.trace_id, record.span_id) == ("request r-1 failed: RuntimeError", span.trace_id, span.span_id)
    assert attributes(record)["exception.type"] == "RuntimeError"
    metric = until(lambda: collector.metrics().get("http.server.request.duration"))
    points = [point for point in metric.histogram.data_points if attributes(point).get("error.type")]
    assert [(attributes(point)["http.response.status_code"], point.count) for point in points] == [(500, 1)]
    assert metric.unit == "s"
    until(lambda: collector.metrics()["cellar.ready"].gauge.data_points[0].as_double == 1)
    assert served.stop()[0] == 0


def test_what_is_left_arrives_at_the_end(serving, collector):
    slow = dict.fromkeys(FAST, 3_600_000)
    served = serving(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **slow)
    assert served.ask({"act": "warn"})[0] == 200
    assert served.stop()[0] == 0
    assert [span.name for span in collector.spans()].count("POST /score") == 1
    assert [record.body.string_value for record in collector.logs()] == ["something to look at"]
    assert "http.server.request.duration" in collector.metrics()


def test_the_callers_decision_not_to_sample_is_kept(serving, collector):
    served = serving(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **FAST)
    served.ask({}, traceparent=TRACEPARENT.removesuffix("01") + "00")
    served.ask({}, traceparent=TRACEPARENT)
    served.stop()
    assert [span.parent_span_id.hex() for span in collector.spans() if span.parent_span_id] == [PARENT]


def test_the_standard_sampler_setting_is_obeyed(serving, collector):
    served = serving(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0", **FAST
    )
    served.ask({})
    served.ask({}, traceparent=TRACEPARENT)
    served.stop()
    assert [span.name for span in collector.spans()] == ["POST /score"]


def test_a_log_line_names_trace_and_request_with_no_exporter_at_all(serving):
    served = serving(CELLAR_LOG="json")
    served.ask({"act": "warn"}, traceparent=TRACEPARENT, x_ms_client_request_id="r-7")
    _, said = served.stop()
    (line,) = [told for told in map(json.loads, said.splitlines()) if told["logger"] == "cellar.told"]
    assert (line["request_id"], line["trace_id"]) == ("r-7", TRACE)


def asked_about(folder: Path) -> list[float]:
    """How many scores the snapshots in the folder count."""
    families = {family.name: family for family in text_string_to_metric_families(summed(folder).decode())}
    if (durations := families.get("http_server_request_duration_seconds")) is None:
        return []
    asked = [sample for sample in durations.samples if sample.labels["http_route"] == "/score"]
    return [sample.value for sample in asked if sample.name.endswith("_count")]


@pytest.mark.parametrize("kind", ["never answers", "refuses"])
def test_a_dead_receiver_holds_up_neither_requests_nor_the_end(serving, black_hole, kind, tmp_path, until):
    endpoint = black_hole if kind == "never answers" else "http://127.0.0.1:9"
    # The exporter itself would go on for 10 minutes; the last snapshot takes its own time, which the stop leaves it.
    served = serving(
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT=600, CELLAR_METRICS_FOLDER=tmp_path,
        CELLAR_TELEMETRY_SNAPSHOT_MS=20, CELLAR_TELEMETRY_STOP_MS=300, **FAST
    )  # fmt: skip
    for _ in range(20):
        assert served.ask({})[0] == 200
    until(lambda: asked_about(tmp_path) == [20])
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert asked_about(tmp_path) == [20]


def test_failed_exports_are_counted_and_told_without_the_receivers_address(serving, until, tmp_path):
    served = serving(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://me:key@127.0.0.1:9", CELLAR_METRICS_FOLDER=tmp_path, CELLAR_TELEMETRY_SNAPSHOT_MS=20,
        OTEL_EXPORTER_OTLP_TIMEOUT="0.1", CELLAR_LOG="json", **FAST
    )  # fmt: skip
    served.ask({"act": "warn"})
    failures = names.EXPORT_FAILURES.prometheus
    until(
        lambda: all(
            f'{failures}{{cellar_exporter="otlp",cellar_signal="{signal}"}}' in summed(tmp_path).decode()
            for signal in ("metrics", "traces", "logs")
        )
    )
    said = served.stop()[1]
    assert "metrics could not be handed to otlp" in said
    assert "key@" not in said
    assert ":9" not in said.replace('"pid":9', "")


def test_snapshots_are_written_while_it_runs_and_at_the_end(serving, until, tmp_path):
    served = serving(CELLAR_METRICS_FOLDER=tmp_path, CELLAR_TELEMETRY_SNAPSHOT_MS=20)
    assert served.ask({"act": "refuse"})[0] == 429
    shed = f"{names.REQUESTS_SHED.prometheus} 1"
    until(lambda: shed in summed(tmp_path).decode())
    file = tmp_path / f"{served.process.pid}.prom"
    assert shed in file.read_text()
    assert f"{names.READY.prometheus} 1" in summed(tmp_path).decode()
    served.ask({"act": "refuse"})
    served.stop()
    assert f"{names.REQUESTS_SHED.prometheus} 2" in summed(tmp_path).decode()


def test_a_folder_that_cannot_be_written_costs_metrics_and_no_answer(serving, tmp_path):
    (tmp_path / "file").write_text("")
    served = serving(CELLAR_METRICS_FOLDER=tmp_path / "file")
    assert served.ask({})[0] == 200
    assert "metrics are not kept" in served.stop()[1]


def test_an_unknown_setting_stops_the_service_before_it_listens(program):
    process = program("from cellar_shared.telemetry.settings import TelemetrySettings as T; T.from_environment()", CELLAR_TELEMETRY_X="1")
    assert "CELLAR_TELEMETRY_X is not a setting" in process.communicate()[1]


def test_importing_and_building_starts_nothing(program):
    look = (
        "import threading\n"
        "from cellar_shared.service.app import build_app\n"
        "import sys; sys.path.insert(0, sys.argv[1]); import service\n"
        "build_app(service.Service())\n"
        "import opentelemetry.trace as t\n"
        "print(threading.active_count(), type(t.get_tracer_provider()).__name__, 'requests' in sys.modules)"
    )
    process = program(look, Path(__file__).parent, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert process.communicate()[0].split() == ["1", "ProxyTracerProvider", "False"]


def test_azures_exporters_are_built_and_end_in_time(until):
    recorder = Recorder()
    azure = "InstrumentationKey=0a1b2c3d-0000-1111-2222-333344445555;IngestionEndpoint=http://127.0.0.1:9/"
    telemetry = Telemetry(TelemetrySettings(azure=azure, metrics_interval_ms=20, stop_ms=200), "told", recorder)
    recorder.count(names.REQUESTS_SHED)
    try:
        until(lambda: any(family.metric is names.EXPORT_FAILURES for family in recorder.families()))
    finally:
        telemetry.stop()


class Kept(MetricExporter):
    """Keeps what it is given; wants differences, as Azure's exporter does."""

    def __init__(self) -> None:
        super().__init__(preferred_temporality={Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA})
        self.batches: list[dict[str, object]] = []

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        (resource,) = metrics_data.resource_metrics
        (scope,) = resource.scope_metrics
        self.batches.append({metric.name: metric for metric in scope.metrics})
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis=10_000):
        return True

    def shutdown(self, timeout_millis=30_000, **kwargs):
        pass


class Quiet:
    def export(self, batch):
        return None

    def shutdown(self):
        pass


def test_an_exporter_that_wants_differences_gets_each_measurement_once(until):
    recorder, kept = Recorder(), Kept()
    tracers = TracerProvider(shutdown_on_exit=False)
    pipeline = Pipeline(Receiver("kept", kept, Quiet(), Quiet()), Resource.create(), recorder, 10, tracers)
    for round_ in range(3):
        recorder.count(names.REQUESTS_SHED, 2)
        recorder.observe(names.STAGE_TIME, 0.003, ("model",))
        until(lambda before=round_: sum("cellar.requests.shed" in batch for batch in list(kept.batches)) > before)
    pipeline.close()
    tracers.shutdown()

    def points(name: str):
        return [point for batch in kept.batches if name in batch for point in batch[name].data.data_points]

    stages = points("cellar.stage.duration")
    assert (sum(point.value for point in points("cellar.requests.shed")), sum(point.count for point in stages)) == (6, 3)
    assert sum(point.sum for point in stages) == pytest.approx(0.009)
    for point in stages:
        assert point.min <= 0.003 <= point.max
        assert (point.count, sum(point.bucket_counts)) == (sum(point.bucket_counts), point.count)

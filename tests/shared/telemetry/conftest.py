"""A collector that takes OTLP over HTTP on a loopback port and keeps what it gets, and programs that record."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 60.0  # whatever is waited for ends the wait


class Collector:
    """Every body that arrived, by path, and what they decode to."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.bodies: list[tuple[str, bytes]] = []

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in list(self.bodies) if path == "/v1/traces"]
        return [span for request in requests for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]

    def metrics(self) -> dict[str, Any]:
        """The latest of each metric by name."""
        requests = [ExportMetricsServiceRequest.FromString(body) for path, body in list(self.bodies) if path == "/v1/metrics"]
        return {
            metric.name: metric
            for request in requests
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        }

    def logs(self) -> list[Any]:
        requests = [ExportLogsServiceRequest.FromString(body) for path, body in list(self.bodies) if path == "/v1/logs"]
        return [
            record for request in requests for group in request.resource_logs for scope in group.scope_logs for record in scope.log_records
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.bodies.append((self.path, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collected = Collector(server.server_port)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield collected
        server.shutdown()


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits until something holds and gives it; fails when it never does."""

    def wait(holds: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (found := holds()):
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python on a text in a process of its own, with pipes."""
    with ExitStack() as stack:

        def start(text: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
            words = [sys.executable, "-c", text, *map(str, arguments)]
            pipe = subprocess.PIPE
            process = stack.enter_context(
                subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment)
            )
            stack.callback(process.kill)
            return process

        yield start


class Served:
    """The service of service.py in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, body: dict[str, Any] | bytes, path: str = "/score", **headers: str) -> tuple[int, dict[str, Any]]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            told = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST" if content else "GET", path, content, told)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def stop(self) -> tuple[int, str]:
        """The exit status after SIGTERM and what it wrote to standard error."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, said


@pytest.fixture
def serving(until: Callable[..., Any]) -> Iterator[Callable[..., Served]]:
    """Starts the service with these variables set, ready to answer."""
    with ExitStack() as stack:

        def start(**environment: object) -> Served:
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "APPLICATIONINSIGHTS_"))}
            pipe = subprocess.PIPE
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(Path(__file__).with_name("service.py"))],
                    stdin=subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    text=True,
                    # A service that ends hands on what is left, however slowly, unless a test is about the end of its patience.
                    env=clean | {"CELLAR_TELEMETRY_STOP_MS": "60000"} | {name: str(value) for name, value in environment.items()},
                )
            )
            stack.callback(process.kill)
            line = process.stdout.readline() if process.stdout else ""
            assert line, process.communicate()[1]
            served = Served(process, int(line))
            until(lambda: served.ask(b"", "/v2/health/ready")[0] == 200)
            return served

        yield start

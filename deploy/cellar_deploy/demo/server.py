"""Starts services as processes of their own on free loopback ports and ends them; the demo uses it."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cellar_shared.errors import CellarError

READY_WITHIN_S: Final = 300.0
END_WITHIN_S: Final = 30.0
HOST: Final = "127.0.0.1"


@contextmanager
def running_services(bundles: Mapping[str, Path], store: str, work: Path) -> Iterator[dict[str, str]]:
    """The URLs by model of ready services on `bundles` and `store`; each one's output goes to a log in `work`, SIGTERM ends them.

    CellarError with a log's end when one is not ready in time.
    """
    with ExitStack() as running:
        # All of them start before the first is waited for.
        started = {model: running.enter_context(_started(model, bundle, store, _log(work, model))) for model, bundle in bundles.items()}
        for model, (process, port) in started.items():
            _wait_until_ready(process, port, _log(work, model))
        yield {model: f"http://{HOST}:{port}" for model, (_, port) in started.items()}


def _log(work: Path, model: str) -> Path:
    return work / f"{model}.log"


@contextmanager
def _started(model: str, bundle: Path, store: str, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = _free_port()
    command = [sys.executable, "-m", "cellar_shared", "serve", model, "--bundle", str(bundle), "--store", store, "--port", str(port)]
    command += ["--drain-notice-s", "0"]  # nobody probes it
    with log.open("wb") as output:
        # A process group of its own: Ctrl-C reaches the demo, and the demo ends the service.
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, process_group=0)
    try:
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise CellarError(f"the service was not ready within {READY_WITHIN_S:.0f} s; its log {log} ends:\n{log.read_text('utf-8')[-2000:]}")

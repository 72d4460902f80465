"""Starts the preference service as a process of its own on a free loopback port and ends it; the demo uses it."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from cellar_shared.errors import CellarError

READY_WITHIN_S: Final = 300.0
END_WITHIN_S: Final = 30.0
HOST: Final = "127.0.0.1"


@contextmanager
def running_service(bundle: Path, store: str, log: Path) -> Iterator[str]:
    """The URL of a ready service on `bundle` and `store`; its output goes to `log`, SIGTERM ends it.

    CellarError with the log's end when it is not ready in time.
    """
    port = _free_port()
    command = [sys.executable, "-m", "cellar_shared", "serve", "preference", "--bundle", str(bundle), "--store", store, "--port", str(port)]
    command += ["--drain-notice-s", "0"]  # nobody probes it
    with log.open("wb") as output:
        # A process group of its own: Ctrl-C reaches the demo, and the demo ends the service.
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, process_group=0)
    try:
        _wait_until_ready(process, port, log)
        yield f"http://{HOST}:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(url: str, request: dict[str, Any]) -> tuple[int, Any]:
    """POST `request` to the service's /score; the status and the decoded answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/score", msgspec.json.encode(request), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read())
    finally:
        connection.close()


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

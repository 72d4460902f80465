"""The service sends nothing anywhere unasked: the runtime's own telemetry is off, watched from below Python.

A library preloaded into the process sees each connect, send and name lookup that any code in it makes. ONNX Runtime, left
alone, looks its receiver up some ten seconds after it has been used; the service is watched for at least as long.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120.0  # whatever is waited for ends the wait
HANDED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_", "OMP_", "OPENBLAS_")

SERVICE = """
import sys
from pathlib import Path
from cellar_preference.serving.service import PreferenceService
from cellar_shared.service.app import build_app
from cellar_shared.service.limits import Limits
from cellar_shared.service.server import serve
from cellar_shared.store.lmdb_store import LmdbStore
service = PreferenceService(Path(sys.argv[1]), LmdbStore(Path(sys.argv[2])))
serve(build_app(service, limits=Limits(max_wait_ms=60_000)), port=0, on_listening=lambda host, port: print(port, flush=True))
"""
LIBRARY_ALONE = """
import sys
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print("loaded", flush=True)
sys.stdin.read()
"""
CONNECTING = """
import socket
for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
    try:
        socket.socket(family).connect((address, 9))
    except OSError:
        pass
try:
    socket.getaddrinfo("cellar.invalid", 80)
except OSError:
    pass
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
"""


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("watching a process from below takes Linux and a C compiler (gcc)")
    library = tmp_path_factory.mktemp("watch") / "watch.so"
    source = Path(__file__).with_name("watch.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def watched(watcher: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], Path]]]:
    """Starts a program watched; gives it and the file that fills with what it tries."""
    with ExitStack() as stack:

        def start(name: str, text: str, *arguments: object) -> tuple[subprocess.Popen[str], Path]:
            calls, home = tmp_path / f"{name}.calls", tmp_path / f"{name}.home"
            calls.touch()
            home.mkdir()
            # Only these are handed on: ONNX Runtime falls silent by itself where ORT_DISABLE_TELEMETRY or one of the many
            # variables of build services (CI, GITHUB_ACTIONS, ..) is set, and then nothing would be proven.
            env = {key: value for key, value in os.environ.items() if key.startswith(HANDED_ON)}
            # The library keeps what it has not sent in the home folder.
            env |= {"LD_PRELOAD": str(watcher), "WATCHED_CALLS": str(calls), "HOME": str(home), "XDG_CACHE_HOME": str(home)}
            words = [sys.executable, "-W", "ignore::ResourceWarning", "-c", text, *map(str, arguments)]
            pipe = subprocess.PIPE
            process = stack.enter_context(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=env))
            stack.callback(process.kill)
            return process, calls

        yield start


def ask(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status


def test_the_watcher_sees_every_way_out(watched):
    process, calls = watched("connecting", CONNECTING)
    assert process.wait(PATIENCE_S) == 0
    assert calls.read_text().splitlines() == [
        "connect 192.0.2.1",
        "connect 2001:db8::1",
        "getaddrinfo cellar.invalid",
        "sendto 127.0.0.1",
    ]


@pytest.mark.slow
def test_a_service_that_answers_tries_no_connection_and_no_lookup(watched, line, wine_ids, busiest):
    alone, calls_alone = watched("alone", LIBRARY_ALONE, line.bundle / "network.onnx")
    service, calls = watched("service", SERVICE, line.bundle, shutil.copytree(line.store, calls_alone.with_name("store")))
    assert alone.stdout.readline() == "loaded\n"
    port = int(service.stdout.readline())
    end = time.monotonic() + PATIENCE_S
    while ask(port, "GET", "/v2/health/ready") != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    request = {"member_id": busiest[0], "wines": [{"wine_id": wine} for wine in wine_ids[:5]], "as_of": "2021-06-15T12:00:00Z"}
    end = time.monotonic() + PATIENCE_S
    while not calls_alone.read_text() and time.monotonic() < end:
        assert ask(port, "POST", "/score", request) == 200
        time.sleep(0.02)
    assert ask(port, "POST", "/score", request) == 200
    service.terminate()
    assert service.wait(PATIENCE_S) == 0
    assert calls.read_text() == ""
    # A library that no longer tries would leave the service watched for PATIENCE_S; that it does is why it is switched off.
    assert "events.data.microsoft.com" in calls_alone.read_text()
    alone.stdin.close()
    alone.wait(PATIENCE_S)
    assert [file.name for file in calls.with_name("service.home").rglob("*")] == []

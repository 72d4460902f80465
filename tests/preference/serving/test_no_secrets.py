"""Nothing that a caller sends of itself leaves the service: every byte of metrics, traces, logs and prediction log is searched."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.events.predictions import read_predictions
from cellar_shared.telemetry.member_hash import MemberHash

PATIENCE_S = 120.0  # whatever is waited for ends the wait
AS_OF = "2021-06-15T12:00:00Z"

# Serves, and for some wines fails as no test of the service could foresee, with everything it knows in the message.
PROGRAM = """
import sys
from pathlib import Path
from cellar_preference.serving.service import PreferenceService
from cellar_shared.service.app import build_app
from cellar_shared.service.limits import Limits
from cellar_shared.service.server import serve
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.port import StoreUnavailable
from cellar_shared.telemetry import predictions
from cellar_shared.telemetry.predictions import PredictionSettings

class WithABug(PreferenceService):
    async def score(self, request, context):
        if request.wines[0].wine_id == "bug":
            try:
                {}[request.member_id]
            except KeyError as error:
                error.add_note(str(request))
                raise RuntimeError(f"no way to answer {request}") from error
        if request.wines[0].wine_id == "lost":
            self._following.pinned.generation.members.reader.read = lost
        return await super().score(request, context)

async def lost(member_id):
    try:
        int(member_id)
    except ValueError as error:
        raise StoreUnavailable(f"no {member_id}") from error

service = WithABug(Path(sys.argv[1]), LmdbStore(Path(sys.argv[2])), predictions=PredictionSettings.from_environment())
predictions.CLOSED_WITHIN_S = 60.0
serve(build_app(service, limits=Limits(max_wait_ms=60_000)), port=0, on_listening=lambda host, port: print(port, flush=True))
"""


class Secrets:
    """Markers to plant, each told apart by its name; all of them are searched for."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        return self.planted.setdefault(name, f"{secrets.token_hex(6)}zq")

    def found_in(self, content: bytes) -> list[str]:
        return [name for name, marker in self.planted.items() if marker.encode() in content.lower()]


@pytest.fixture
def bodies() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP collector's endpoint and what has arrived there; protobuf keeps text as it is."""
    arrived: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(self.path.encode() + b" " + self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", arrived
        server.shutdown()


class Told:
    """A service with every exporter on."""

    def __init__(self, line: Any, store: Path, place: Path, endpoint: str, hash_key: str, otlp_key: str) -> None:
        self.place = place
        with (place / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(line.bundle), str(store)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ
                | {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{otlp_key}",
                    "OTEL_METRIC_EXPORT_INTERVAL": "50",
                    "CELLAR_METRICS_FOLDER": str(place / "metrics"),
                    "CELLAR_PREDICTION_LOG": str(place / "predictions"),
                    "CELLAR_MEMBER_HASH_KEY": hash_key,
                    "CELLAR_LOG": "json",
                    "CELLAR_TELEMETRY_STOP_MS": "60000",
                },
            )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def ask(self, body: bytes | dict[str, Any] = b"", path: str = "/score", method: str = "POST", **headers: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            told = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, content, told)
            response = connection.getresponse()
            response.read()
            return response.status

    def raw(self, head: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    def wait_until_ready(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while self.ask(path="/v2/health/ready", method="GET") != 200:
            assert time.monotonic() < end
            time.sleep(0.02)

    def everything(self) -> dict[str, bytes]:
        """All that was written, by file, once the service has stopped."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0
        assert self.process.stdout
        self.process.stdout.close()
        return {str(file.relative_to(self.place)): file.read_bytes() for file in self.place.rglob("*") if file.is_file()}


@pytest.fixture
def told(line: Any, own: Any, tmp_path: Path, bodies: tuple[str, list[bytes]]) -> Iterator[Callable[[Secrets], Told]]:
    started: list[Told] = []

    def start(marked: Secrets) -> Told:
        place = tmp_path / "told"
        place.mkdir()
        started.append(Told(line, own.store, place, bodies[0], marked("hash key") * 2, marked("otlp key")))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def test_no_byte_of_what_a_caller_sends_of_itself_is_kept(told, bodies, wine_ids):
    s = Secrets()
    service = told(s)
    service.wait_until_ready()
    wines = [{"wine_id": wine_ids[0]}, {"wine_id": wine_ids[1], "vintage": 2015}]
    headers = {
        "authorization": f"Bearer {s('bearer key')}",
        "cookie": f"session={s('cookie')}",
        "user_agent": s("user agent"),
        f"x_{s('header name')}": s("header value"),
        "tracestate": f"vendor={s('tracestate')}",
        "baggage": f"member={s('baggage')}",
        "traceparent": f"00-{s('traceparent')}-00",
        "x_ms_client_request_id": f"not fit {s('request id')}",
    }
    member = s("member id")
    asked: list[tuple[int, Any, dict[str, str]]] = [
        (200, {"wines": wines, "member_id": member, "as_of": AS_OF}, headers | {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}),
        (200, {"wines": [{"wine_id": wine_ids[0], "about": {"producer": s("about")}}], "as_of": AS_OF,
               "history": [{"wine_id": s("history wine"), "rating": 4.5, "about": {"region": s("history about")}}]}, headers),
        (400, b'{"member_id": "' + s("invalid json").encode() + b'", ', headers),
        (400, b"\xff" + s("invalid utf-8").encode(), headers),
        (422, {"wines": wines, "member_id": {s("name of a wrong member"): s("wrong type")}}, headers),
        (422, {"wines": wines, "member_id": member, s("name of an unknown field"): s("unknown field")}, headers),
        (422, {"wines": [{"wine_id": "w", s("name deep inside"): 1}], "member_id": member}, headers),
        (422, {"wines": wines, "member_id": member, "note": s("note")}, headers),
        (422, {"wines": wines, "member_id": member, "scale": s("scale")}, headers),
        (422, {"wines": wines, "member_id": member, "as_of": s("as of")}, headers),
        (422, {"wines": wines, "member_id": member, "history": [{"wine_id": s("ambiguous wine"), "rating": 1}]}, headers),
        (500, {"wines": [{"wine_id": "bug"}], "member_id": member}, headers),
        (200, {"wines": [{"wine_id": "lost"}], "member_id": s("member lost"), "as_of": AS_OF}, headers),
    ]  # fmt: skip
    for status, body, sent in asked:
        assert service.ask(body, f"/score?note={s('query')}", **sent) == status, body
    assert service.ask(b"{}", **headers | {"content_type": f"text/{s('content type')}"}) == 415
    assert service.ask(path=f"/{s('path')}", method="GET", **headers) == 404
    assert service.ask(path=f"/v2/models/{s('model')}?q={s('query')}", method="GET", **headers) == 404
    assert service.ask(path="/score", method="DELETE", **headers) == 405
    service.raw(b"%s /score HTTP/1.1\r\nhost: x\r\n\r\n" % s("method").upper().encode())
    service.raw(b"POST /%s HTTP/9\r\n%s\r\n\r\n" % (s("bad head").encode(), s("bad header").encode()))
    service.raw(b"POST /score HTTP/1.1\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n" + s("cut short").encode())

    kept = service.everything() | {"otlp": b"\n".join(bodies[1])}
    assert {name: found for name, content in kept.items() if (found := s.found_in(content))} == {}
    assert len(s.planted) > 30
    # That everything was on, and that a search there finds what is there.
    logs = kept["stderr"].decode().splitlines()
    faults = [record for record in map(json.loads, logs) if record.get("error_type")]
    assert [record["error_type"] for record in faults] == ["RuntimeError"]
    assert "in WithABug.score" in faults[0]["frames"]
    assert b"/v1/traces" in kept["otlp"]
    assert b"/v1/logs" in kept["otlp"]
    assert b"POST /score" in kept["otlp"]
    assert b"members are answered without" in kept["otlp"]
    assert (b"\xaa" * 16) in kept["otlp"]
    (metrics,) = [content for name, content in kept.items() if name.startswith("metrics") and name.endswith(".prom")]
    for code in (b"invalid-json", b"unknown-field", b"wrong-type", b"member-ambiguous", b"RuntimeError", b"not-json"):
        assert b'error_type="%s"' % code in metrics
    assert b'http_route="/v2/models/{name}"' in metrics
    rows = read_predictions(service.place / "predictions").collect()
    key = s("hash key") * 2
    assert set(rows["member_hash"]) == {MemberHash(key).of(member), MemberHash(key).of(s("member lost")), None}
    assert set(rows["wine_id"]) == {wine_ids[0], wine_ids[1], "lost"}

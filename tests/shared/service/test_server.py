"""The app on a real port: live before ready, limits while streaming, a stop that loses nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import time

import pytest

from cellar_shared.errors import CellarError
from cellar_shared.service.protocol import MAX_HEAD_BYTES
from cellar_shared.service.server import serve

PATIENCE_S = 60
BODY = b'{"wines": [{"wine_id": "a"}]}'
HEAD = b"POST /score HTTP/1.1\r\nhost: echo\r\ncontent-type: application/json\r\n"


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request(method, path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def let_load(process, port: int) -> None:
    process.stdin.write("\n")
    process.stdin.flush()
    end = time.monotonic() + PATIENCE_S
    while ask(port, "GET", "/v2/health/ready")[0] != 200:
        assert time.monotonic() < end


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def answer_on(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def test_the_process_is_live_before_it_is_ready_and_ready_once_loaded(program):
    process, port = program
    assert ask(port, "GET", "/v2/health/live")[0] == 200
    assert ask(port, "GET", "/v2/health/ready")[0] == 503
    status, _, body = ask(port, "POST", "/score", BODY)
    assert (status, json.loads(body)["type"]) == (503, "urn:cellar:problem:not-ready")
    let_load(process, port)
    status, headers, _ = ask(port, "POST", "/score", BODY)
    assert (status, "server" in headers) == (200, False)


def test_a_stop_during_loading_is_obeyed(program):
    process, _ = program
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_sigterm_finishes_the_request_in_flight_and_exits_0(program):
    process, port = program
    let_load(process, port)
    with connect(port) as connection, connection.makefile("rb") as lines:
        connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        assert lines.readline() + lines.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"  # the app waits for the body
        process.send_signal(signal.SIGTERM)
        end = time.monotonic() + PATIENCE_S
        with contextlib.suppress(ConnectionError):
            while True:
                connect(port).close()
                assert time.monotonic() < end, "still accepting connections"
        connection.sendall(BODY)
        assert lines.readline() == b"HTTP/1.1 200 OK\r\n"
        assert b'"wine_id":"a"' in lines.read()
    assert process.wait(PATIENCE_S) == 0
    assert process.stderr.read() == ""


def test_an_endless_upload_is_refused_while_it_streams(program):
    _, port = program
    with connect(port) as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):  # one chunk past 1 MiB; the upload never ends
            connection.sendall(chunk)
        status, headers, body = answer_on(connection)
        assert (status, json.loads(body)["type"]) == (413, "urn:cellar:problem:too-large")
        assert headers["connection"] == "close"


def test_a_declared_length_past_the_limit_is_refused_without_reading_on(program):
    _, port = program
    with connect(port) as connection:
        connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: 1048577\r\n\r\n")
        assert answer_on(connection)[0] == 413  # and no 100 Continue before it


def test_a_client_that_sends_it_all_still_gets_to_read_the_refusal(program):
    _, port = program
    assert ask(port, "POST", "/score", b" " * (8 << 20))[0] == 413


def test_a_connection_serves_on_after_a_refusal(program):
    process, port = program
    let_load(process, port)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        for body, content_type, status in ((BODY, "text/plain", 415), (b"[", "application/json", 400),
                                           (BODY, "application/json", 200)):  # fmt: skip
            connection.request("POST", "/score", body, {"content-type": content_type})
            response = connection.getresponse()
            assert (response.status, response.read() != b"") == (status, True)
            assert connection.sock is not None


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 2 * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\nx: " + b"a" * 2 * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"x: 1\r\n" * MAX_HEAD_BYTES + b"\r\n",
    ],
)
def test_a_head_without_end_is_refused(program, head):
    _, port = program
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
        status, _, body = answer_on(connection)
        assert (status, str(MAX_HEAD_BYTES) in body.decode()) == (400, True)


def test_a_body_behind_an_upgrade_header_is_refused_rather_than_lost(program):
    _, port = program
    with connect(port) as connection:
        connection.sendall(HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 29\r\n\r\n" + BODY)
        status, _, body = answer_on(connection)
        assert (status, b"without the Upgrade header" in body) == (400, True)


def test_a_port_that_is_taken_is_refused_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CellarError, match="choose another port"):
        serve(None, port=taken.getsockname()[1])

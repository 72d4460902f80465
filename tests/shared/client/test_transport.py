"""What a call does when all is well, when the service refuses, and when the connection, the time or the answer fails it."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cellar_shared.client import connections, transport
from cellar_shared.client.errors import BadAnswer, ClientError, FieldError, ProblemError, TimedOut, Unreachable

LIVE = b'{"live": true}'
PATIENCE_S = 60


def problem(code: str, status: int, **further: object) -> bytes:
    document = {"type": f"urn:cellar:problem:{code}", "title": "Title", "status": status, "detail": "Do this.", "request_id": "theirs"}
    return json.dumps(document | further).encode()


@pytest.fixture
def connect(echo_client, scripted):
    """Makes clients of a port; they are closed in the end, before the servers."""
    opened = []

    def client_of(port, key=None, **options):
        opened.append(echo_client.EchoClient(f"http://127.0.0.1:{port}", key, **{"timeout_s": PATIENCE_S} | options))
        return opened[-1]

    yield client_of
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def echo_port(run_echo):
    with run_echo() as (_, port):
        yield port


def ask(client, module, wine_id="a", **options):
    return client.score(module.EchoRequest(wines=[module.Wine(wine_id=wine_id)]), **options)


def test_a_request_is_answered_in_types(connect, echo_client, echo_port):
    asked = echo_client.EchoRequest(wines=[echo_client.Wine(wine_id="é", vintage="NV", about=echo_client.About(grapes=["Nebbiolo"]))])
    answer = connect(echo_port).score(asked, request_id="order-66")
    assert isinstance(answer, echo_client.EchoAnswer)
    assert (answer.request_id, answer.wines) == ("order-66", asked.wines)


def test_what_is_left_out_is_not_sent(connect, echo_client, scripted, said):
    server = scripted([said(200, b'{"request_id": "r", "received_at": "2024-01-01T00:00:00Z", "wines": []}')])
    ask(connect(server.port), echo_client)
    assert json.loads(server.requests[0][1]) == {"wines": [{"wine_id": "a"}]}


def test_a_call_carries_the_key_the_time_left_and_an_id(connect, scripted, said):
    server = scripted([said(200, LIVE)] * 3)
    client = connect(server.port, "secret", headers={"azureml-model-deployment": "green"})
    client.live(timeout_s=70)
    assert server.header("authorization") == "Bearer secret"
    assert server.header("azureml-model-deployment") == "green"
    assert 1 <= int(server.header("x-deadline-ms")) <= 70_000
    assert re.fullmatch("[0-9a-f]{32}", server.header("x-ms-client-request-id"))
    client.live(request_id="mine", timeout_s=10_000)
    assert (server.header("x-ms-client-request-id"), server.header("x-deadline-ms")) == ("mine", "600000")
    client.live()
    assert server.header("x-ms-client-request-id", 2) != server.header("x-ms-client-request-id", 0)


def test_without_a_key_none_is_sent(connect, scripted, said):
    server = scripted([said(200, LIVE)])
    connect(server.port).live()
    assert server.header("authorization") is None


def test_parameters_of_a_path_stay_in_their_segment(connect, scripted, said):
    server = scripted([said(200, b'{"name": "x"}')])
    connect(server.port).model_ready("a/b?c#é")
    assert server.requests[0][0].startswith(b"GET /v2/models/a%2Fb%3Fc%23%C3%A9/ready HTTP/1.1")


def test_a_path_in_the_address_comes_first(echo_client, scripted, said):
    server = scripted([said(200, LIVE)])
    with echo_client.EchoClient(f"http://127.0.0.1:{server.port}/preference/", timeout_s=PATIENCE_S) as client:
        client.live()
    assert server.requests[0][0].startswith(b"GET /preference/v2/health/live HTTP/1.1")


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://host", "http://", "http://host?key=1", "http://user:secret@host", "http://host:x"])
def test_what_is_no_address_is_refused(echo_client, url):
    with pytest.raises(ValueError, match=r"expected http|Port could not"):
        echo_client.EchoClient(url)


@pytest.mark.parametrize("given", ["", "x" * 101, "a b", "é", "a\r\nb: c"])
def test_an_id_that_no_service_would_echo_is_refused(connect, given):
    with pytest.raises(ValueError, match="request id"):
        connect(1).live(request_id=given)


def test_a_key_cannot_smuggle_a_header(connect, scripted, said):
    server = scripted([said(200, LIVE)])
    with pytest.raises(ValueError, match="Invalid header value"):
        connect(server.port, "a\r\nhost: other").live()
    assert server.requests == []


# Connections


def test_calls_one_after_another_share_a_connection(connect, scripted, said):
    server = scripted([said(200, LIVE)] * 3)
    client = connect(server.port)
    assert [client.live().live for _ in range(3)] == [True] * 3


def test_an_answer_that_ends_the_connection_is_read_to_its_end(connect, scripted, said):
    server = scripted([said(200, LIVE, connection="close")], [said(200, LIVE, content_length="")], [said(200, LIVE)])
    client = connect(server.port)
    assert [client.live().live for _ in range(3)] == [True] * 3


def test_an_answer_in_chunks_is_one_answer(connect, scripted, said):
    chunked = said(200, b"6\r\n" + LIVE[:6] + b"\r\n8\r\n" + LIVE[6:] + b"\r\n0\r\n\r\n", content_length="", transfer_encoding="chunked")
    server = scripted([chunked, chunked])
    client = connect(server.port)
    assert client.live().live
    assert client.live().live


def test_a_service_killed_and_started_again_between_two_calls_is_asked_as_if_nothing_were(connect, echo_client, run_echo):
    with run_echo() as (process, port):
        client = connect(port)
        assert ask(client, echo_client).wines[0].wine_id == "a"
        process.send_signal(signal.SIGKILL)
        process.wait()
    with run_echo(port):
        assert ask(client, echo_client, "b").wines[0].wine_id == "b"


def test_a_service_that_is_gone_is_unreachable_by_name_of_the_request(connect, echo_client, run_echo):
    with run_echo() as (process, port):
        client = connect(port)
        ask(client, echo_client)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with pytest.raises(Unreachable, match=r"ConnectionRefusedError.*\(request mine\)") as refused:
        ask(client, echo_client, request_id="mine")
    assert refused.value.request_id == "mine"


def test_a_connection_that_the_service_closed_while_idle_is_not_used_again(connect, scripted, said):
    server = scripted([said(200, LIVE)], [said(200, LIVE)])
    client = connect(server.port)
    call = ("GET", "/v2/health/live", dict)
    assert client.call(*call, is_idempotent=False) == {"live": True}
    assert server.has_closed[0].wait(PATIENCE_S)
    # A call that may not be repeated cannot be saved by the retry.
    assert client.call(*call, is_idempotent=False) == {"live": True}
    assert len(server.requests) == 2


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", "chunk"])
def test_a_connection_that_breaks_is_made_good_once_on_a_new_one(connect, scripted, said, begun):
    if begun == "chunk":
        begun = said(200, b"6\r\n{", content_length="", transfer_encoding="chunked")
    server = scripted([said(200, LIVE), begun], [said(200, LIVE)])
    client = connect(server.port)
    client.live()
    assert client.live().live
    ids = [server.header("x-ms-client-request-id", place) for place in (1, 2)]
    assert ids[0] == ids[1]


def test_a_new_connection_that_breaks_is_made_good_too(connect, scripted, said):
    server = scripted([b""], [said(200, LIVE)])
    assert connect(server.port).live().live


def test_a_connection_that_breaks_twice_is_unreachable(connect, scripted):
    server = scripted([b""], [b""], [b""])
    with pytest.raises(Unreachable, match="Remote end closed connection"):
        connect(server.port).live()
    assert len(server.requests) == 2


def test_a_call_that_may_not_be_repeated_is_not(connect, scripted, said):
    server = scripted([b""], [said(200, LIVE)])
    with pytest.raises(Unreachable):
        connect(server.port).call("POST", "/x", dict, is_idempotent=False)
    assert len(server.requests) == 1


def test_one_broken_connection_takes_the_idle_ones_with_it(connect, scripted, said):
    gate = threading.Barrier(2, timeout=PATIENCE_S)

    def together(connection, ended):
        gate.wait()
        connection.sendall(said(200, LIVE))

    server = scripted([together, b""], [together, b""], [said(200, LIVE), said(200, LIVE)])
    client = connect(server.port)
    with ThreadPoolExecutor(2) as threads:
        assert all(done.live for done in threads.map(lambda _: client.live(), range(2)))
    assert client.live().live
    assert client.live().live
    assert len(server.requests) == 5


def test_threads_share_a_client_and_each_gets_its_own_answer(connect, echo_client, echo_port):
    client = connect(echo_port, idle_connections=2)
    with ThreadPoolExecutor(8) as threads:
        asked = [f"wine-{place}" for place in range(200)]
        assert [answer.wines[0].wine_id for answer in threads.map(lambda wine: ask(client, echo_client, wine), asked)] == asked


def test_a_forked_process_connects_for_itself(connect, echo_client, echo_port):
    client = connect(echo_port)
    ask(client, echo_client)
    (connection,) = client._pool._idle
    ours = connection.sock.socket.getsockname()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            answer = ask(client, echo_client, "b")
            (theirs,) = client._pool._idle
            status = 0 if answer.wines[0].wine_id == "b" and theirs.sock.socket.getsockname() != ours else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask(client, echo_client, "c").wines[0].wine_id == "c"
    assert client._pool._idle[0].sock.socket.getsockname() == ours


# Time


def drip(connection, ended):
    """One byte after another, each in good time, and never the end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    while not ended.wait(0.01):
        connection.sendall(b"x: y\r\n")


def drip_body(connection, ended):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while not ended.wait(0.01):
        connection.sendall(b" ")


def hang(connection, ended):
    ended.wait(PATIENCE_S)


@pytest.mark.parametrize("slow", [hang, drip, drip_body])
def test_a_service_that_takes_too_long_is_given_up_on(connect, scripted, said, slow):
    server = scripted([slow], [said(200, LIVE)])
    client = connect(server.port)
    with pytest.raises(TimedOut, match=r"no answer within 0\.2 s \(request mine\)"):
        client.live(timeout_s=0.2, request_id="mine")
    # On another connection: the late answer belongs to nobody. Had it been asked for again, that connection would be used up.
    assert client.live().live
    assert len(server.requests) <= 2  # one where this machine was too slow even to ask


@pytest.mark.parametrize("allowed_s", [0, -1])
def test_without_time_nothing_is_sent(connect, scripted, said, allowed_s):
    server = scripted([said(200, LIVE)])
    with pytest.raises(TimedOut):
        connect(server.port).live(timeout_s=allowed_s)
    assert server.requests == []


# Refusals


def test_a_refusal_says_what_where_and_what_to_do(connect, echo_client, echo_port):
    with pytest.raises(ProblemError) as refused:
        connect(echo_port).score(echo_client.EchoRequest(wines=[], weights={"a": "b"}), request_id="mine")
    error = refused.value
    assert (error.code, error.status, error.http_status, error.request_id) == ("wrong-type", 422, 422, "mine")
    assert [place.pointer for place in error.errors] == ["/weights/a"]
    assert error.detail in str(error)
    assert "(request mine)" in str(error)


def test_a_fault_of_the_service_is_a_problem_without_a_code(connect, echo_client, echo_port):
    with pytest.raises(ProblemError) as refused:
        connect(echo_port).score(echo_client.EchoRequest(wines=[], member_id="a bug"))
    assert (refused.value.code, refused.value.status, refused.value.title) == (None, 500, "Internal Server Error")


def test_behind_a_router_that_hides_it_the_status_in_the_body_is_the_truth(connect, scripted, said):
    errors = [{"pointer": "/wines", "code": "brand-new-code", "detail": "is so", "more": 1}]
    server = scripted([said(424, problem("out-of-range", 422, errors=errors, more=[1]), content_type="text/plain")])
    with pytest.raises(ProblemError) as refused:
        connect(server.port).live()
    error = refused.value
    assert (error.code, error.status, error.http_status, error.request_id) == ("out-of-range", 422, 424, "theirs")
    assert error.errors == (FieldError("/wines", "brand-new-code", "is so"),)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[]", b'{"status": "down"}', b"\xff", b'{"type": 1, "status": 502}'])
def test_a_refusal_that_is_no_problem_document_is_told_by_its_status(connect, scripted, said, body):
    server = scripted([said(502, body, content_type="text/html")])
    with pytest.raises(ProblemError) as refused:
        connect(server.port).live(request_id="mine")
    error = refused.value
    assert (error.code, error.status, error.title, error.request_id) == (None, 502, "Said", "mine")
    assert error.detail == body.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("status", "code", "http_status", "headers", "further"),
    [
        (503, "not-ready", 503, {}, {"retry_after_ms": 5}),
        (429, "overloaded", 429, {"retry_after": "600"}, {"retry_after_ms": 0}),
        (429, "overloaded", 424, {}, {"retry_after_ms": 5}),
        (429, "overloaded", 429, {}, {"retry_after_ms": -5}),
        (503, "not-ready", 503, {"retry_after": "0"}, {}),
    ],
    ids=["by the body", "the body is more exact", "hidden by a router", "a time that is over", "by the header"],
)
def test_who_is_told_when_to_come_back_comes_back(connect, scripted, said, status, code, http_status, headers, further):
    refusal = said(http_status, problem(code, status, **further), **headers)
    server = scripted([refusal, refusal, said(200, LIVE)])
    assert connect(server.port).live().live
    assert len(server.requests) == 3


class Clock:
    """Time that passes only while a client waits to come back; each wait takes `lasts_s` at least."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lasts_s = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, wait_s: float) -> None:
        self.now += max(wait_s, self.lasts_s)


@pytest.fixture
def clock(monkeypatch):
    turned = Clock()
    monkeypatch.setattr(transport, "time", turned)
    monkeypatch.setattr(connections, "time", turned)
    return turned


def test_who_is_sent_away_for_ever_gives_up_in_time_and_does_not_hammer(connect, scripted, said, clock):
    server = scripted([said(503, problem("not-ready", 503, retry_after_ms=0))] * 2000)
    with pytest.raises(ProblemError, match="503 not-ready"):
        connect(server.port).live(timeout_s=20)
    assert clock.now <= 120
    assert 2 <= len(server.requests) <= 20 / transport.WAIT_LEAST_S + 1


def test_who_came_back_and_got_no_answer_says_why_it_had_to(connect, scripted, said, clock):
    server = scripted([said(503, problem("not-ready", 503, retry_after_ms=0)), hang])
    clock.lasts_s = 59.9  # of 60: for the second answer a tenth of a second is left
    with pytest.raises(ProblemError, match="503 not-ready"):
        connect(server.port).live(timeout_s=60)
    assert server.has_got(2)


def test_a_busy_router_without_a_problem_document_is_obeyed_too(connect, scripted, said):
    server = scripted([said(503, b"busy", retry_after="0"), said(200, LIVE)])
    assert connect(server.port).live().live


@pytest.mark.parametrize(
    ("refusal", "headers"),
    [
        (problem("not-ready", 503), {}),
        (problem("overloaded", 429, retry_after_ms=60_000), {}),
        (problem("deadline", 504, retry_after_ms=1), {}),
        (problem("out-of-range", 422, retry_after_ms=1), {}),
        (problem("overloaded", 429), {"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}),
    ],
    ids=["no time named", "longer than allowed", "not for 504", "not for 422", "a date"],
)
def test_nobody_comes_back_in_vain(connect, scripted, said, refusal, headers):
    server = scripted([said(503, refusal, **headers), said(200, LIVE)])
    with pytest.raises(ProblemError):
        connect(server.port, timeout_s=20).live()
    assert len(server.requests) == 1


def test_what_may_not_be_repeated_is_not_repeated_for_a_busy_service(connect, scripted, said):
    server = scripted([said(503, problem("not-ready", 503, retry_after_ms=0)), said(200, LIVE)])
    with pytest.raises(ProblemError):
        connect(server.port).call("POST", "/x", dict, is_idempotent=False)
    assert len(server.requests) == 1


def test_a_loading_service_is_waited_for(connect, run_echo, monkeypatch):
    waits = []
    with run_echo(0, "wait") as (process, port):

        def sleep(wait_s):
            waits.append(wait_s)
            process.stdin.write("load\n")
            process.stdin.flush()
            time.sleep(wait_s)

        with pytest.raises(ProblemError, match="503 not-ready"):  # and as it may not be repeated, it is not waited for
            connect(port).call("GET", "/v2/health/ready", dict, is_idempotent=False)
        monkeypatch.setattr(transport, "time", SimpleNamespace(sleep=sleep))
        assert connect(port).ready().ready
    assert 1 <= waits[0] <= 1.1


# Answers that are none


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0"),
        (b"\x00\x01\x02\r\n\r\n", "no HTTP that can be read"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "2000"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "99999999999 bytes"),
    ],
)
def test_what_is_no_http_is_named(connect, scripted, answer, named):
    server = scripted([answer])
    with pytest.raises(BadAnswer, match=named):
        connect(server.port).live()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>Welcome</html>", "malformed"),
        (b"", "truncated"),
        (b'{"live": tru', "truncated"),
        (b'{"live": "yes"}', r"Expected `bool`, got `str` - at `\$\.live`"),
        (b"[]", "Expected `object`"),
        (b"[" * 100_000, "recursion|depth|malformed|Expected"),
    ],
)
def test_an_answer_that_the_contract_does_not_describe_is_named(connect, scripted, said, body, named):
    server = scripted([said(200, body, content_type="text/html")])
    with pytest.raises(BadAnswer, match=f"(?s)status 200, text/html, is not the answer that the contract describes.*({named})"):
        connect(server.port).live()


@pytest.mark.parametrize("length", ["", None])
def test_an_answer_without_end_is_not_kept(connect, scripted, said, monkeypatch, length):
    monkeypatch.setattr(transport, "ANSWER_MOST_BYTES", 1000)
    server = scripted([said(200, b" " * 1001, **({"content_length": ""} if length == "" else {}))])
    with pytest.raises(BadAnswer, match=r"an answer of .*100[01] bytes"):
        connect(server.port).live()


def test_answers_may_grow(connect, scripted, said):
    server = scripted([said(200, b'{"live": true, "since": {"a": [1]}}')])
    assert connect(server.port).live().live


def test_a_redirect_is_no_answer(connect, scripted, said):
    server = scripted([said(307, b"", location="http://127.0.0.1:1/")])
    with pytest.raises(ProblemError, match="307 Said"):
        connect(server.port).live()


def test_everything_that_is_raised_is_one_family():
    assert all(issubclass(kind, ClientError) for kind in (ProblemError, Unreachable, TimedOut, BadAnswer))

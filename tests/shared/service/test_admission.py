"""The three refusals that come before the work: bad-key, overloaded and deadline, in process and on a real port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import math
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.service.deadline import MAX_DEADLINE_MS, NO_DEADLINE, Deadline, deadline_of
from cellar_shared.service.keys import Keys, new_key
from cellar_shared.service.limits import Limits, Traffic, retry_after_ms
from cellar_shared.service.problems import Problem

BODY = b'{"wines": []}'
HEAD = b"POST /score HTTP/1.1\r\nhost: echo\r\ncontent-type: application/json\r\n"


@pytest.fixture
def held(tmp_path):
    """A keys file and the key it lets in."""
    key, line = new_key("app")
    file = tmp_path / "keys"
    file.write_text(line + "\n")
    return file, key


def code_of(document) -> str:
    return str(document["type"]).removeprefix("urn:cellar:problem:")


# Keys


def test_every_route_but_the_health_routes_asks_for_a_key(connect, held):
    file, key = held
    client = connect(keys=Keys(file)).settled()
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert client("GET", path).status_code == 200
    for method, path in (("POST", "/score"), ("GET", "/v2"), ("GET", "/v2/models/echo"), ("GET", "/v2/models/echo/ready"),
                         ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("GET", "/v2/health/other"),
                         ("GET", "/v2/health/live/")):  # fmt: skip
        response = client(method, path)
        assert (response.status_code, code_of(response.json()), response.headers["www-authenticate"]) == (401, "bad-key", "Bearer"), path
    good = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    assert client("POST", "/score", content=BODY, headers=good).status_code == 200
    assert client("GET", "/nowhere", headers=good).status_code == 404


def test_an_unknown_key_is_refused_without_saying_why_and_is_logged_nowhere(connect, tmp_path, caplog):
    (expired, line), (_, other) = new_key("old", "2001-01-01T00:00:00Z"), new_key("app")
    (tmp_path / "keys").write_text(f"{line}\n{other}\n")
    client = connect(keys=Keys(tmp_path / "keys")).settled()
    with caplog.at_level(logging.DEBUG, logger="cellar"):
        said = set()
        for given in (None, "", "Bearer", "Bearer ", f"Bearer {expired}", f"Basic {expired}", "Bearer guess", "Bearer \xe9"):
            headers = [] if given is None else [(b"authorization", given.encode("latin-1"))]
            response = client("GET", "/v2", headers=headers)
            said.add((response.status_code, response.json()["detail"]))
            assert expired not in response.text
    assert len(said) == 1
    assert expired not in caplog.text


def test_the_document_is_the_same_with_and_without_keys_and_names_the_scheme(connect, held):
    file, key = held
    with_keys = connect(keys=Keys(file))("GET", "/openapi.json", headers={"authorization": f"Bearer {key}"}).json()
    assert with_keys == connect()("GET", "/openapi.json").json()
    assert with_keys["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    score, live = with_keys["paths"]["/score"]["post"], with_keys["paths"]["/v2/health/live"]["get"]
    assert (score["security"], "security" in live) == ([{}, {"bearer": []}], False)
    assert {"401", "429", "504"} <= score["responses"].keys()
    assert [parameter["name"] for parameter in score["parameters"]] == ["x-ms-client-request-id", "x-deadline-ms"]


# Limits


def test_room_is_refused_by_number_and_by_the_time_waited():
    limits, traffic = Limits(max_in_flight=2, max_wait_ms=600_000), Traffic()
    first, second, third = (traffic.arrive() for _ in range(3))
    limits.require_room(first)
    limits.require_room(second)
    with pytest.raises(Problem, match="ask again") as refusal:
        limits.require_room(third)
    assert (refusal.value.code, traffic.in_flight) == ("overloaded", 2)  # one refused is not in the way of others
    second.leave()
    second.leave()
    assert traffic.in_flight == 1
    late = traffic.arrive()
    late.at_s -= 600.001
    with pytest.raises(Problem):
        limits.require_room(late)
    with pytest.raises(Problem):
        limits.require_room(traffic.arrive(is_crowded=True))


@given(st.floats(0, 1e7))
def test_a_retry_is_asked_for_after_twice_the_wait_met_and_within_bounds(waited_ms):
    asked = retry_after_ms(waited_ms)
    assert 200 <= asked <= 30_000
    assert asked >= min(round(2 * waited_ms), 15_000)
    assert asked <= max(400, math.ceil(4 * waited_ms))


def test_what_is_asked_beyond_the_limit_is_refused_in_process(echo, connect):
    client = connect(limits=Limits(max_in_flight=1)).settled()
    gate = asyncio.Event()

    async def upload():
        yield BODY[:3]
        await gate.wait()
        yield BODY[3:]

    async def both():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=client.app), base_url="http://echo") as http:
            first = asyncio.create_task(http.post("/score", content=upload(), headers={"content-type": "application/json"}))
            await asyncio.sleep(0)
            while not (refused := await http.get("/v2")).is_client_error:
                await asyncio.sleep(0)
            live = await http.get("/v2/health/live")
            gate.set()
            return await first, refused, live, await http.get("/v2")

    first, refused, live, after = client._runner.run(both())
    assert [each.status_code for each in (first, refused, live, after)] == [200, 429, 200, 200]
    assert code_of(refused.json()) == "overloaded"
    assert int(refused.headers["retry-after"]) == math.ceil(refused.json()["retry_after_ms"] / 1000)


def test_in_flight_requests_beyond_the_limit_are_refused_on_a_port_and_their_connections_serve_on(start):
    service = start("--max-in-flight", "2").ready()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=60)) for _ in range(2)]
        for connection in waiting:
            connection.sendall(HEAD + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(BODY))
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        third = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{service.port}"))
        big = {"wines": [], "member_id": "x" * 900_000}
        refused = third.post("/score", json=big)
        assert (refused.status_code, code_of(refused.json())) == (429, "overloaded")
        assert refused.json()["retry_after_ms"] >= 200
        assert service.ask("GET", "/v2/health/ready")[0] == 200
        for connection in waiting:
            connection.sendall(BODY)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert third.post("/score", json=big).status_code == 200


def test_a_client_that_goes_away_gives_its_place_back(start, until):
    service = start("--max-in-flight", "1").ready()
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as gone:
        gone.sendall(HEAD + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(BODY))
        assert gone.recv(100).startswith(b"HTTP/1.1 100")
        assert service.ask("POST", "/score", BODY)[0] == 429
    until(lambda: service.ask("POST", "/score", BODY)[0] == 200)


def burst(service) -> list[tuple[int, float, dict[str, object]]]:
    """Status, milliseconds until it came, and document of 40 that all wait, 40 ms of work each, when the service comes to look."""
    process = psutil.Process(service.process.pid)
    slow = b'{"wines": [], "member_id": "takes 40"}'
    with contextlib.ExitStack() as stack:
        process.suspend()
        asked = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=60)) for _ in range(40)]
        for each in asked:
            each.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(slow) + slow)
        since = time.perf_counter()
        process.resume()
        answers = []
        for each in asked:
            response = http.client.HTTPResponse(each)
            response.begin()
            document = json.loads(response.read())
            answers.append((response.status, (time.perf_counter() - since) * 1000, document))
        return answers


def test_overload_is_answered_within_bounds_and_memory_stays_flat(start, until):
    service = start("--max-in-flight", "1000", "--max-wait-ms", "250").ready()
    process = psutil.Process(service.process.pid)
    first = burst(service) + burst(service)
    before = process.memory_info().rss
    answers = first + burst(service) + burst(service)
    grown = process.memory_info().rss - before
    assert {status for status, _, _ in answers} == {200, 429}
    for _, took_ms, document in (answer for answer in answers if answer[0] == 429):
        # Refused for having waited: the hint is at least twice the 250 ms, and at most four times what was waited.
        assert 500 <= document["retry_after_ms"] <= 4 * took_ms + 1
    assert grown < 8 << 20
    until(lambda: service.ask("POST", "/score", BODY)[0] == 200)


def test_who_may_wait_longer_is_answered_in_the_same_rush(start):
    service = start("--max-wait-ms", "60000").ready()
    assert {status for status, _, _ in burst(service)} == {200}


CROWDED = """
import sys
sys.path.insert(0, sys.argv[1])
import echo
from cellar_shared.service.app import build_app
from cellar_shared.service.server import serve
serve(build_app(echo.Echo(), limits=echo.PATIENT), port=0, max_connections=2, on_listening=lambda host, port: print(port, flush=True))
"""


def test_more_connections_than_a_process_takes_are_refused_and_closed_and_a_flood_is_not_even_answered(echo, until):
    folder = str(Path(echo.__file__).parent)
    with (
        subprocess.Popen([sys.executable, "-c", CROWDED, folder], stdout=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stdout
        port = int(process.stdout.readline())

        def connection() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))

        def answer(asked: socket.socket, request: bytes) -> tuple[int, bool]:
            asked.sendall(request)
            response = http.client.HTTPResponse(asked)
            response.begin()
            response.read()
            return response.status, response.getheader("connection") == "close"

        score = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
        kept = [connection(), connection()]
        until(lambda: all(answer(each, score) == (200, False) for each in kept))  # it is loaded
        assert answer(connection(), score) == (429, True)
        assert answer(connection(), b"GET /v2/health/live HTTP/1.1\r\nhost: echo\r\n\r\n") == (200, True)
        flood = [connection() for _ in range(8)]
        with pytest.raises((ConnectionError, http.client.BadStatusLine)):
            answer(flood[-1], score)
        assert answer(kept[0], score) == (200, False)


# Deadlines


@given(st.integers(1, MAX_DEADLINE_MS), st.floats(-1e3, 1e3))
def test_what_is_left_counts_from_the_arrival(limit_ms, ago_s):
    now = 5_000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cellar_shared.service.deadline.perf_counter", lambda: now)
        deadline = deadline_of(b"%d" % limit_ms, now - ago_s)
        left_ms = deadline.left_ms()
        assert left_ms == pytest.approx(limit_ms - ago_s * 1000, abs=1e-3)
        if left_ms <= 0:
            with pytest.raises(Problem) as refusal:
                deadline.require()
            assert refusal.value.code == "deadline"
        else:
            deadline.require()


def test_without_a_deadline_there_is_always_time_left():
    NO_DEADLINE.require()
    assert NO_DEADLINE.left_ms() == math.inf
    assert Deadline(0.0, 1).left_ms() < 0


@pytest.mark.parametrize("given", ["0", "600001", "-1", "+5", "1.5", "1e3", " ", "", "soon", "1_000", "9" * 500, "\xb2"])
def test_a_deadline_that_is_none_is_out_of_range_and_the_header_is_named(client, given):
    headers = [(b"x-deadline-ms", given.encode("latin-1")), (b"content-type", b"application/json")]
    response = client("POST", "/score", content=BODY, headers=headers)
    document = response.json()
    assert (response.status_code, code_of(document)) == (422, "out-of-range")
    assert [(error["pointer"], error["code"]) for error in document["errors"]] == [("", "out-of-range")]
    assert "x-deadline-ms" in document["detail"] and document["detail"].endswith(".")


@pytest.mark.parametrize("given", ["60000", "600000", "060000", "099999"])
def test_a_deadline_in_its_range_is_kept_to(client, given):
    headers = {"x-deadline-ms": given, "content-type": "application/json"}
    assert client("POST", "/score", content=BODY, headers=headers).status_code == 200


def test_an_answer_that_comes_too_late_is_a_deadline_problem_in_process_and_on_a_port(client, start):
    late = b'{"wines": [], "member_id": "takes 60"}'
    response = client("POST", "/score", content=late, headers={"x-deadline-ms": "30", "content-type": "application/json"})
    assert (response.status_code, code_of(response.json())) == (504, "deadline")
    service = start().ready()
    status, _, document = service.ask("POST", "/score", late, x_deadline_ms="30")
    assert (status, code_of(document)) == (504, "deadline")


def test_the_service_itself_can_ask_how_much_time_is_left(echo, connect):
    seen = []

    class Asking(echo.Echo):
        def score(self, request, context):
            seen.append(context.deadline.left_ms())
            return super().score(request, context)

    asked = connect(service=Asking()).settled()
    asked("POST", "/score", content=BODY, headers={"x-deadline-ms": "60000", "content-type": "application/json"})
    asked.score(BODY)
    assert 0 < seen[0] <= 60_000
    assert seen[1] == math.inf


def test_waiting_in_the_queue_and_for_the_body_counts(start):
    service = start().ready()
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as busy:
        slow = b'{"wines": [], "member_id": "takes 200"}'
        late = HEAD + b"x-deadline-ms: 50\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
        # Both at once on one connection: the second waits for the first.
        busy.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(slow) + slow + late)
        received = b""
        while b"urn:cellar:problem:deadline" not in received:
            received += busy.recv(65536)
        assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"504"]
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as slow_body:
        slow_body.sendall(HEAD + b"x-deadline-ms: 50\r\ncontent-length: 100\r\n\r\n{")
        assert slow_body.recv(100).startswith(b"HTTP/1.1 504")

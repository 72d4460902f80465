"""Every problem code of the closed list, provoked over HTTP of the service as it is run: status, code, document."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, get_args

import pytest

from cellar_shared.client.preference import PreferenceClient
from cellar_shared.service.keys import new_key
from cellar_shared.service.problems import PROBLEMS, Code

PATIENCE_S = 120.0
WINES = [{"wine_id": "w"}]
GOOD = {"wines": WINES, "history": []}
LARGE = {"wines": WINES * 500, "history": [{"wine_id": "w", "rating": 3}] * 1000}
# By code: the body and what is changed in the headers of a good request.
PROVOKED: dict[str, tuple[Any, dict[str, str]]] = {
    "invalid-json": (b"{", {}),
    "bad-key": (GOOD, {"authorization": "Bearer another"}),
    "too-large": (b" " * ((1 << 20) + 1), {}),
    "not-json": (GOOD, {"content-type": "text/plain"}),
    "unknown-field": (GOOD | {"wine": 1}, {}),
    "wrong-type": (GOOD | {"wines": "w"}, {}),
    "out-of-range": (GOOD | {"wines": WINES * 501}, {}),
    "member-ambiguous": (GOOD | {"member_id": "m1"}, {}),
    "as-of-in-future": (GOOD | {"as_of": "2121-01-01T00:00:00Z"}, {}),
    "as-of-too-early": (GOOD | {"as_of": "1999-01-01T00:00:00Z"}, {}),
    "deadline": (LARGE, {"x-deadline-ms": "1"}),
}
BY_STATE = {"overloaded", "not-ready"}  # the service's, not the request's: provoked below

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def limited(line: Any, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, int, str]]:
    """A service with keys that takes one request at a time: its process, port and key."""
    key, entry = new_key("test", None)
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{entry}\n")
    keys.chmod(0o600)
    with serving(line, 0, "--keys", str(keys), "--max-in-flight", "1", "--drain-notice-s", "600") as (process, port):
        with PreferenceClient(f"http://127.0.0.1:{port}", key=key, timeout_s=PATIENCE_S) as client:
            client.ready()
        yield process, port, key


@pytest.fixture
def ask(limited: tuple[Any, int, str]) -> Ask:
    def asked(body: Any = GOOD, method: str = "POST", path: str = "/score", **headers: str) -> tuple[int, dict[str, Any]]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"content-type": "application/json", "authorization": f"Bearer {limited[2]}"}
        with closing(HTTPConnection("127.0.0.1", limited[1], timeout=PATIENCE_S)) as connection:
            connection.request(method, path, content, usual | headers)
            response = connection.getresponse()
            if response.status != 200:
                assert response.getheader("content-type") == "application/problem+json"
            return response.status, json.loads(response.read())

    return asked


def require(code: Code, answer: tuple[int, dict[str, Any]]) -> None:
    status, document = answer
    assert (status, document["status"], document["type"]) == (PROBLEMS[code].status,) * 2 + (f"urn:cellar:problem:{code}",)
    assert document["title"] == PROBLEMS[code].title
    assert document["detail"].endswith(".")
    assert document["request_id"]


def test_each_code_of_the_closed_list_is_provoked_here() -> None:
    assert {*PROVOKED, *BY_STATE} == set(PROBLEMS) == set(get_args(Code))


@pytest.mark.parametrize("code", PROVOKED)
def test_a_request_earns_the_code(ask: Ask, code: Code) -> None:
    body, headers = PROVOKED[code]
    while (status := ask()[0]) == 429:  # the rest of a body that was too large is being dropped, and takes its room till then
        pass
    assert status == 200
    require(code, ask(body, **headers))


def test_one_request_too_many_is_overloaded(ask: Ask, limited: tuple[Any, int, str]) -> None:
    _, port, key = limited
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as held:
        head = f"POST /score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        # The service asks for the body, so it has let the request in.
        held.sendall(f"{head}content-length: 10\r\nexpect: 100-continue\r\n\r\n".encode())
        assert held.recv(100).startswith(b"HTTP/1.1 100")
        answer = ask()
        require("overloaded", answer)
        assert answer[1]["retry_after_ms"] >= 200


def test_about_to_stop_it_is_not_ready(ask: Ask, limited: tuple[Any, int, str]) -> None:
    limited[0].send_signal(signal.SIGTERM)
    while (answer := ask(b"", "GET", "/v2/health/ready"))[0] == 200:
        pass
    require("not-ready", answer)

"""What the serve commands share: options, who may be asked without a key, the metrics port; and making keys."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import urllib.error
import urllib.request
from typing import Annotated, NamedTuple

import pytest
import typer

from cellar_shared.command import command_of
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.service.command import ServeOptions, keys_file, keys_new, with_serve_options
from cellar_shared.service.keys import new_key, read_keys
from cellar_shared.service.metrics_port import metrics_port

BODY = b'{"wines": []}'


class Ran(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def run(function, *words: str) -> Ran:
    """Run a command as `cellar` does."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command_of(function, "command")(list(words), standalone_mode=True)
        except SystemExit as end:
            return Ran(int(end.code or 0), out.getvalue(), err.getvalue())
    return Ran(0, out.getvalue(), err.getvalue())


def test_a_serve_command_has_its_own_options_and_the_shared_ones():
    seen = []

    @with_serve_options(port=8099)
    def serve(bundle: Annotated[str, typer.Option()], options: ServeOptions, store: str = "here") -> None:
        """Serve it."""
        seen.append((bundle, store, options))

    assert run(serve, "--help").stdout.count("--max-in-flight") == 1
    assert run(serve, "--port", "1").exit_code == 2  # the bundle is missing
    assert run(serve, "--bundle", "b").exit_code == 0
    assert run(serve, "--bundle", "b", "--workers", "3", "--drain-notice-s", "0.5", "--keys", "k").exit_code == 0
    assert [seen[0][:2], seen[0][2]] == [("b", "here"), ServeOptions(8099)]
    assert (seen[1][2].workers, seen[1][2].drain_notice_s, str(seen[1][2].keys)) == (3, 0.5, "k")
    assert run(serve, "--bundle", "b", "--workers", "0").exit_code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_no_key_is_asked_for_unless_told(host, tmp_path):
    assert keys_file(ServeOptions(1, host)) is None
    assert keys_file(ServeOptions(1, host, no_auth=True)) is None
    assert keys_file(ServeOptions(1, host, keys=tmp_path)) == tmp_path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "wines.example"])  # noqa: S104
def test_off_loopback_a_choice_is_needed_and_none_only_behind_a_router(host, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="give --keys"):
        keys_file(ServeOptions(1, host))
    with pytest.raises(BadInput, match="CELLAR_BEHIND_ROUTER=1"):
        keys_file(ServeOptions(1, host, no_auth=True))
    assert keys_file(ServeOptions(1, host, keys=tmp_path)) == tmp_path
    monkeypatch.setenv("CELLAR_BEHIND_ROUTER", "1")
    assert keys_file(ServeOptions(1, host, no_auth=True)) is None
    with pytest.raises(BadInput, match="give --keys"):
        keys_file(ServeOptions(1, host))


def test_keys_and_no_auth_exclude_each_other(tmp_path):
    with pytest.raises(BadInput, match="exclude each other"):
        keys_file(ServeOptions(1, keys=tmp_path, no_auth=True))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_options_that_do_not_go_together_end_the_command_with_2_and_one_sentence(start, tmp_path, workers):
    for words in (("--host", "0.0.0.0"), ("--keys", tmp_path / "none"), ("--keys", tmp_path / "none", "--no-auth")):  # noqa: S104
        process = start.run("--workers", workers, *words)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said.count("error: "), "Traceback" in said) == (2, 1, False)


def test_a_served_process_asks_for_keys_and_takes_new_ones_without_a_restart(start, until, tmp_path):
    file = tmp_path / "keys"
    made = run(keys_new, "app", "--file", str(file))
    key = made.stdout.strip()
    assert (made.exit_code, [held.digest for held in read_keys(file)]) == (0, [hashlib.sha256(key.encode()).digest()])
    service = start("--workers", "2", "--keys", file, "--drain-notice-s", "0").ready()
    status, headers, document = service.ask("POST", "/score", BODY)
    assert (status, headers["www-authenticate"], document["type"]) == (401, "Bearer", "urn:cellar:problem:bad-key")
    assert service.ask("POST", "/score", BODY, authorization=f"Bearer {key}")[0] == 200
    new = run(keys_new, "app-2", "--file", str(file)).stdout.strip()
    until(lambda: all(service.ask("POST", "/score", BODY, authorization=f"Bearer {new}")[0] == 200 for _ in range(8)))
    assert service.ask("POST", "/score", BODY, authorization=f"Bearer {key}")[0] == 200
    assert service.stop() == 0


def test_a_key_made_without_a_file_comes_with_its_line():
    made = run(keys_new, "app", "--expires", "2030-01-31T00:00:00Z")
    key = made.stdout.strip()
    assert f"{hashlib.sha256(key.encode()).hexdigest()} app expires=2030-01-31T00:00:00Z" in made.stderr.splitlines()
    assert key not in made.stderr


def get(port: int, path: str) -> tuple[int, bytes, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
            return response.status, response.read(), response.headers["content-type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b"", ""


def test_metrics_are_served_on_their_own_port_as_they_are_now(caplog):
    contents = iter([b"one 1\n", b"one 2\n"])
    with metrics_port(lambda: next(contents), "127.0.0.1", 0) as port:
        assert get(port, "/metrics") == (200, b"one 1\n", "text/plain; version=0.0.4; charset=utf-8")
        assert get(port, "/score")[0] == 404
        assert get(port, "/metrics?x")[1] == b"one 2\n"
        with caplog.at_level(logging.ERROR):
            assert get(port, "/metrics")[0] == 500  # StopIteration
        assert len(caplog.records) == 1
        with pytest.raises(CellarError, match="--metrics-port"), metrics_port(bytes, "127.0.0.1", port):
            pass
    with pytest.raises(urllib.error.URLError):
        get(port, "/metrics")


def test_a_service_may_answer_another_route_than_score(echo, connect):
    class Events(echo.Echo):
        route = "/events"

    client = connect(service=Events()).settled()
    assert client("POST", "/events", json={"wines": []}).status_code == 200
    assert client.score(BODY).status_code == 404
    paths = client("GET", "/openapi.json").json()["paths"]
    assert (paths["/events"]["post"]["operationId"], "/score" in paths) == ("events", False)
    page = client("GET", "/docs").text
    assert ("POST /events" in page, "/score" in page, 'data-target="events"' in page) == (True, False, True)


def test_a_key_is_shown_nowhere_but_on_standard_output(tmp_path):
    key, line = new_key("app")
    (tmp_path / "keys").write_text(f"{key} app\n")  # the key itself, put in by mistake
    with pytest.raises(BadInput) as refusal:
        read_keys(tmp_path / "keys")
    assert key not in str(refusal.value) and line.split()[0] not in str(refusal.value)

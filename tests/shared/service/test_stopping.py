"""Stopping and dying under a real load of keep-alive connections: what breaks is counted, and the count is exact."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cellar_shared.service import workers

PATIENCE_S = 60


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        return False
    return False


def answer_on(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


# One process


def test_a_process_told_to_stop_is_not_ready_at_once_and_serves_on_for_its_notice(start, until, load):
    service = start("--drain-notice-s", "600").ready()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_S)) as kept:

        def score() -> str | None:
            kept.request("POST", "/score", load.BODY, {"content-type": "application/json"})
            response = kept.getresponse()
            assert (response.status, b'"wine_id":"a"' in response.read()) == (200, True)
            return response.getheader("connection")

        assert score() is None
        service.process.send_signal(signal.SIGTERM)
        until(lambda: service.ask("GET", "/v2/health/ready")[0] == 503)
        assert "stop" in service.ask("GET", "/v2/health/ready")[2]["detail"]
        assert service.ask("GET", "/v2/models/echo/ready")[0] == 503
        assert service.ask("GET", "/v2/health/live")[0] == 200
        assert score() == "close"  # on a connection kept from before
        assert service.ask("POST", "/score", load.BODY)[0] == 200  # and on a new one
    service.process.send_signal(signal.SIGTERM)  # a second one ends the notice
    assert service.process.wait(PATIENCE_S) == 0


def test_ctrl_c_gives_no_notice(start):
    service = start("--drain-notice-s", "600").ready()
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(PATIENCE_S) == 0


def test_after_its_notice_a_process_refuses_connections_and_answers_what_is_on_its_way(start, until, load):
    service = start("--drain-notice-s", "0").ready()
    with contextlib.ExitStack() as stack:
        unused, begun, waiting, used = (
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)) for _ in range(4)
        )
        used.sendall(load.REQUEST)
        answer_on(used)
        begun.sendall(load.REQUEST[:20])
        waiting.sendall(load.REQUEST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")[: -len(load.BODY)])
        assert waiting.recv(100).startswith(b"HTTP/1.1 100")
        service.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service.port))
        for connection, rest in ((unused, load.REQUEST), (begun, load.REQUEST[20:]), (waiting, load.BODY), (used, load.REQUEST)):
            connection.sendall(rest)
            with connection.makefile("rb") as answer:
                head = answer.read().partition(b"\r\n\r\n")[0].lower()
            assert (head.split()[1], b"connection: close" in head) == (b"200", True)
    assert service.process.wait(PATIENCE_S) == 0


WITH_LITTLE_PATIENCE = """
import sys
sys.path.insert(0, sys.argv[1])
import echo
from cellar_shared.service import server
from cellar_shared.service.app import build_app
server.EXPECTED_WITHIN_S = 0.05
server.serve(build_app(echo.Echo(), limits=echo.PATIENT), port=0, on_listening=lambda host, port: print(port, flush=True))
"""


def test_who_keeps_a_connection_and_asks_nothing_holds_up_no_end(echo, load, until):
    words = [sys.executable, "-c", WITH_LITTLE_PATIENCE, str(Path(echo.__file__).parent)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout
        port = int(process.stdout.readline())
        unused, used = (stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) for _ in range(2))

        def is_answered() -> bool:
            used.sendall(load.REQUEST)
            return answer_on(used) == 200

        until(is_answered)  # it is loaded
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert (unused.recv(1), used.recv(1)) == (b"", b"")


def test_under_load_a_single_process_stops_without_losing_a_request_that_it_took(start, load):
    service = start("--drain-notice-s", "1").ready()
    done = load.Load(service.port, 10**9, is_left_when_refused=True, at={1000: lambda: service.process.send_signal(signal.SIGTERM)}).run()
    assert done.failures == []
    assert (done.answered.keys(), done.refused) == ({200}, done.clients)
    assert service.process.wait(PATIENCE_S) == 0


# Workers


@pytest.mark.parametrize("notice_s", ["1", "0"])
def test_sigterm_to_one_of_two_workers_under_load_loses_no_request_of_5000(start, notice_s, until, load):
    service = start("--workers", "2", "--drain-notice-s", notice_s).ready()
    before = service.workers(2)
    done = load.Load(service.port, total=5000, at={1000: lambda: os.kill(before["1"], signal.SIGTERM)}).run()
    assert done.failures == []
    assert (done.answered, done.retried) == ({200: 5000}, 0)
    until(lambda: not psutil.pid_exists(before["1"]))
    after = service.workers(2)
    assert (after["2"] == before["2"], after["1"] != before["1"]) == (True, True)
    assert service.stop() == 0


def test_kill_9_of_a_worker_under_load_breaks_only_what_it_had_in_hand_and_it_comes_back(start, load):
    service = start("--workers", "2", "--drain-notice-s", "0").ready()
    before = service.workers(2)
    killed: dict[str, set[int]] = {}  # its clients' ports

    def kill() -> None:
        ports = {
            number: {each.raddr.port for each in psutil.Process(pid).net_connections("tcp") if each.raddr} for number, pid in before.items()
        }
        number = max(ports, key=lambda number: len(ports[number]))
        psutil.Process(before[number]).kill()
        killed[number] = ports[number]

    done = load.Load(service.port, total=5000, retries=1, at={1000: kill}).run()
    assert done.failures == []
    assert done.answered == {200: 5000}
    ((number, ports),) = killed.items()
    # Each client has one request in hand: those on the killed worker's connections break, and are tried once more.
    assert done.retried == len(done.broken) == len(ports & set(done.broken))
    assert 0 < done.retried <= done.clients
    after = service.workers(2)
    assert {each for each in before if before[each] != after[each]} == {number}
    assert service.stop() == 0


def test_a_stop_of_all_workers_is_not_ready_at_once_and_serves_on_for_its_notice(start, until, load):
    service = start("--workers", "2", "--drain-notice-s", "600").ready()
    workers = service.workers(2)
    service.process.send_signal(signal.SIGTERM)
    until(lambda: all(service.ask("GET", "/v2/health/ready")[0] == 503 for _ in range(8)))
    assert {service.ask("POST", "/score", load.BODY)[0] for _ in range(20)} == {200}
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE_S) == 0
    assert not any(psutil.pid_exists(process) for process in workers.values())


def test_workers_die_with_their_supervisor_and_leave_the_port(start, until):
    service = start("--workers", "2", "--drain-notice-s", "600").ready()
    workers = service.workers(2)
    service.process.kill()
    until(lambda: not any(psutil.pid_exists(process) for process in workers.values()))
    assert refuses(service.port)


def test_a_worker_that_leaves_while_nobody_else_can_accept_serves_until_somebody_can(start, tmp_path, until, load):
    loads = tmp_path / "loads"
    loads.write_text("")
    service = start("--workers", "2", "--loads", loads, "--drain-notice-s", "600").ready()
    before = service.workers(2)
    loads.unlink()  # from here on no worker comes to the end of loading
    os.kill(before["1"], signal.SIGKILL)
    until(lambda: not psutil.pid_exists(before["1"]))
    os.kill(before["2"], signal.SIGTERM)
    until(lambda: len(list(tmp_path.glob("loading-*"))) == 4)  # two before, and two now that load while one of those serves on
    assert {service.ask("POST", "/score", load.BODY)[0] for _ in range(200)} == {200}
    loads.write_text("")
    until(lambda: not psutil.pid_exists(before["2"]))
    assert not set(before.values()) & set(service.workers(2).values())


# Starting


def test_a_refused_load_leaves_the_supervisor_and_one_worker_that_says_why(start, tmp_path, until):
    loads = tmp_path / "loads"
    loads.write_text("the golden cases differ")
    service = start("--workers", "2", "--loads", loads, "--drain-notice-s", "0")
    until(lambda: "golden" in service.ask("GET", "/v2/health/ready")[2]["detail"])
    assert service.ask("GET", "/v2/health/live")[0] == 200
    assert len(psutil.Process(service.process.pid).children()) == 1
    assert service.stop() == 0


def test_a_first_worker_that_waits_for_something_serves_when_it_is_there_and_others_follow(start, tmp_path, until):
    loads = tmp_path / "loads"
    loads.write_text("... there is no generation")
    service = start("--workers", "2", "--loads", loads, "--drain-notice-s", "0")
    until(lambda: "no generation" in service.ask("GET", "/v2/health/ready")[2]["detail"])
    (waiting,) = psutil.Process(service.process.pid).children()
    loads.write_text("")
    service.ready()
    assert waiting.pid in service.workers(2).values()
    assert service.stop() == 0


def test_a_worker_that_cannot_load_keeps_out_of_the_way_of_those_that_could(start, tmp_path, until, load):
    loads = tmp_path / "loads"
    loads.write_text("")
    service = start("--workers", "2", "--loads", loads, "--drain-notice-s", "0").ready()
    before = service.workers(2)
    loads.write_text("gone for now")
    os.kill(before["1"], signal.SIGKILL)
    until(lambda: not psutil.pid_exists(before["1"]))
    assert {service.ask("POST", "/score", load.BODY)[0] for _ in range(200)} == {200}
    loads.write_text("")
    assert service.workers(2)["2"] == before["2"]


@pytest.mark.parametrize(("status", "expected"), [("3", 3), ("1", 1)])
def test_a_start_that_never_succeeds_ends_the_supervisor_with_its_status(start, tmp_path, status, expected):
    dies = tmp_path / "dies"
    dies.write_text(status)
    process = start.run("--workers", "2", "--dies", dies)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == expected
    assert len(re.findall("next start in", said)) == (0 if expected == 3 else 4)
    assert "no worker comes to listen" in said


def test_starts_that_take_long_to_fail_are_as_hopeless_as_quick_ones(monkeypatch):
    starts = []
    popen = subprocess.Popen

    def started(*words, **options):
        starts.append(words)
        assert len(starts) <= workers.HOPELESS_AFTER
        return popen(*words, **options)

    monkeypatch.setattr(workers, "WELL_AFTER_S", 0.0)  # each lives longer than that
    monkeypatch.setattr(workers, "FIRST_DELAY_S", 0.0)
    monkeypatch.setattr(workers.subprocess, "Popen", started)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert workers.Supervisor(["false"], listener, 1, 0).run() == 1
    assert len(starts) == workers.HOPELESS_AFTER

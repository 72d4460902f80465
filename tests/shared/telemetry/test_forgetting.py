"""Forgetting a member: no row stays, wherever it was, and nobody else's is lost however often it is cut short."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.telemetry import forgetting, predictions
from cellar_shared.telemetry.forgetting import LIST, entries, forget, without
from cellar_shared.telemetry.member_hash import MemberHash
from cellar_shared.telemetry.prediction_files import LogFile, open_files, sealed_files
from cellar_shared.telemetry.predictions import Answered, PredictionLog, PredictionSettings
from cellar_shared.telemetry.recorder import Recorder

from .test_predictions import KEY, WRITER, lines

M1, M2 = MemberHash(KEY).of("m1"), MemberHash(KEY).of("m2")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "EVERY_S", 0.005)


def a_row(member: str | None) -> Answered:
    return Answered("r", datetime.now(UTC), "2026-03-01T00:00:00Z", member, ["w"], [1], [0.5], [0.6], "b", "g", "blue", 1, [], "f")


def logged(folder: Path, *members: str | None) -> None:
    """One sealed file with a row of each member's."""
    log = PredictionLog(PredictionSettings(folder, key=KEY), Recorder())
    for member in members:
        log.record(a_row(member))
    log.close()


def members(folder: Path) -> list[str | None]:
    return [row["member_hash"] for row in lines(folder)]


def test_a_members_rows_go_and_all_others_stay(tmp_path):
    for _ in range(3):
        logged(tmp_path, "m1", "m2", None, "m1")
    logged(tmp_path, "m1")
    assert forget(tmp_path, [M1]) == (7, 0)
    assert members(tmp_path) == [M2, None] * 3
    assert len(sealed_files(tmp_path)) == 3
    assert forget(tmp_path, [M1]) == (0, 0)
    assert forget(tmp_path / "none", [M1]) == (0, 0)


def test_a_member_who_comes_back_is_logged_again(tmp_path):
    logged(tmp_path, "m1")
    forget(tmp_path, [M1])
    logged(tmp_path, "m1")
    assert members(tmp_path) == [M1]


def test_a_file_that_a_crash_left_is_sealed_and_cleared(tmp_path, program):
    process = program(WRITER, tmp_path)
    for member in ("m1", "m2"):
        process.stdin.write(f"{member}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert forget(tmp_path, [M1]) == (1, 0)
    assert (members(tmp_path), open_files(tmp_path)) == ([M2], [])


def test_a_living_writer_lets_go_at_once(tmp_path, program):
    process = program(WRITER, tmp_path)
    for member in ("m1", "m2"):
        process.stdin.write(f"{member}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "there\n"
    assert forget(tmp_path, [M1], wait_s=60) == (1, 0)
    assert members(tmp_path) == [M2]
    process.stdin.write("m1\n")  # asked after it
    process.stdin.flush()
    assert process.stdout.readline() == "there\n"
    process.stdin.close()
    assert process.wait(60) == 0
    assert sorted(members(tmp_path)) == sorted([M2, M1])


def test_a_writer_that_stands_still_is_reported_and_lets_go_when_it_wakes(tmp_path, program, until):
    process = program(WRITER, tmp_path)
    process.stdin.write("m1\n")
    process.stdin.flush()
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGSTOP)
    assert forget(tmp_path, [M1], wait_s=0.01) == (0, 1)
    assert members(tmp_path) == [M1]
    process.send_signal(signal.SIGCONT)
    until(lambda: not open_files(tmp_path))
    assert members(tmp_path) == []
    process.stdin.close()
    process.wait(60)


def test_rows_that_were_waiting_to_be_written_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "EVERY_S", 3_600)
    log = PredictionLog(PredictionSettings(tmp_path, key=KEY), Recorder())
    for member in ("m1", "m2"):
        log.record(a_row(member))
    forget(tmp_path, [M1])
    log.close()
    assert members(tmp_path) == [M2]


def test_cut_short_at_any_file_it_is_finished_by_the_next_call(tmp_path, monkeypatch):
    for _ in range(3):
        logged(tmp_path, "m1", "m2")
    original, done = forgetting.replaced, []

    def replaced(file: Path, content: bytes) -> None:
        if file.name != LIST:
            done.append(file)
            if len(done) == 2:
                raise KeyboardInterrupt
        original(file, content)

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "replaced", replaced)
        with pytest.raises(KeyboardInterrupt):
            forget(tmp_path, [M1])
    assert sorted(members(tmp_path)) == sorted([M2, M2, M2, M1, M1])
    assert forget(tmp_path, [M1]) == (2, 0)
    assert members(tmp_path) == [M2] * 3


def test_copies_that_a_crash_left_half_written_go_and_a_file_being_opened_stays(tmp_path):
    logged(tmp_path, "m1")
    (sealed,) = sealed_files(tmp_path)
    left = [sealed.with_name(f".{sealed.name}.0a1b2c3d"), sealed.with_name(f".{sealed.name}.open.0a1b2c3d")]
    opening = sealed.with_name(f".{sealed.name}.open")
    for file in (*left, opening):
        file.write_bytes(sealed.read_bytes())
    forget(tmp_path, [M1])
    assert [file.exists() for file in (*left, opening, sealed)] == [False, False, True, False]


def test_the_list_forgets_too_once_nobody_needs_it(tmp_path, monkeypatch):
    logged(tmp_path, "m1", "m2")
    forget(tmp_path, [M1])
    assert list(entries(tmp_path)) == [M1]
    monkeypatch.setattr(forgetting, "ENTRY_KEPT_US", 0)
    logged(tmp_path, "m2")
    assert entries(tmp_path) == {}


def test_an_entry_stays_while_a_file_from_before_it_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(forgetting, "ENTRY_KEPT_US", 0)
    file = LogFile.create(tmp_path)
    assert forget(tmp_path, [M1], wait_s=0).pending == 1
    logged(tmp_path, "m2")
    assert list(entries(tmp_path)) == [M1]
    file.abandon()
    logged(tmp_path, "m2")
    logged(tmp_path, "m2")
    assert entries(tmp_path) == {}


rows = st.lists(st.tuples(st.sampled_from(["a" * 32, "b" * 32, None]), st.integers(0, 5)), max_size=12)


@given(rows, st.dictionaries(st.sampled_from(["a" * 32, "b" * 32]), st.integers(-1, 5)))
def test_a_line_goes_exactly_when_its_member_was_forgotten_after_it(drawn, seconds):
    def line(member: str | None, second: int) -> bytes:
        # The other member's hash stands elsewhere in the line.
        return json.dumps({"asked_at": f"2026-01-01T00:00:0{second}Z", "member_hash": member, "wine_id": "a" * 32}).encode() + b"\n"

    since = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
    forgotten = {member: since + second * 1_000_000 for member, second in seconds.items()}
    content = b"".join(line(*row) for row in drawn)
    kept = b"".join(line(member, second) for member, second in drawn if member is None or second > seconds.get(member, -1))
    assert without(content, forgotten) == kept
    assert without(kept, forgotten) == kept

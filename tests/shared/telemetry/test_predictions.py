"""The prediction log: what is asked for is in it, a crash loses no whole line, and nothing grows without bound."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.predictions import read_predictions
from cellar_shared.events.tables import dtypes_of, schema_of
from cellar_shared.telemetry import names, prediction_files, predictions
from cellar_shared.telemetry.member_hash import MemberHash
from cellar_shared.telemetry.prediction_files import open_files, sealed_files
from cellar_shared.telemetry.predictions import Answered, PredictionLog, PredictionRow, PredictionSettings, is_sampled
from cellar_shared.telemetry.recorder import Recorder

ASKED_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
KEY = "k" * 32
DESIGNED = [
    "request_id", "position", "asked_at", "as_of", "member_hash", "wine_id", "vintage", "raw_score", "probability", "lo", "hi",
    "bundle", "generation", "deployment", "attempt", "degraded", "feature_fingerprint", "sample_rate",
]  # fmt: skip

# Logs one wine for each line that arrives and says so once it is on disk.
WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from cellar_shared.telemetry import predictions
from cellar_shared.telemetry.names import PREDICTION_ROWS
from cellar_shared.telemetry.recorder import Recorder
recorder = Recorder()
predictions.EVERY_S, predictions.CLOSED_WITHIN_S = 0.005, 60.0
log = predictions.PredictionLog(predictions.PredictionSettings(Path(sys.argv[1]), key="k" * 32), recorder)
count = 0
for line in sys.stdin:
    log.record(predictions.Answered(line.strip(), datetime.now(UTC), "2026-03-01T00:00:00Z", line.strip(), ["w"], [None], [0.5], [0.6],
               "b", "g", "blue", 1, [], "f"))
    count += 1
    while sum(n for family in recorder.families() for n in family.numbers.values()) < count:
        pass
    print("there", flush=True)
log.close()
"""


def answered(request_id: str = "r", wines: int = 2, member_id: str | None = "m1", **changed: Any) -> Answered:
    fields: dict[str, Any] = {
        "request_id": request_id, "asked_at": ASKED_AT, "as_of": "2026-03-01T11:00:00Z", "member_id": member_id,
        "wine_ids": [f"w{n}" for n in range(wines)], "vintages": [2015, 0, None, *[None] * wines][:wines],
        "raw_scores": [0.25 * n for n in range(wines)], "probabilities": [0.5] * wines, "bundle": "b1", "generation": "g1",
        "deployment": "blue", "attempt": 1, "degraded": ["features_stale"], "feature_fingerprint": "f1",
    }  # fmt: skip
    return Answered(**(fields | changed))


class Opened:
    """A log, what it counted, and its folder."""

    def __init__(self, settings: PredictionSettings) -> None:
        self.recorder = Recorder()
        self.folder = settings.folder
        self.log = PredictionLog(settings, self.recorder)

    def counted(self, outcome: str) -> float:
        found = [family.numbers for family in self.recorder.families() if family.metric is names.PREDICTION_ROWS]
        return found[0].get((outcome,), 0) if found else 0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "EVERY_S", 0.005)
    monkeypatch.setattr(predictions, "CLOSED_WITHIN_S", 60.0)  # a busy disk is not what is asked about


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    with ExitStack() as stack:

        def opened(**settings: Any) -> Opened:
            made = Opened(PredictionSettings(**({"folder": tmp_path / "log", "key": KEY} | settings)))
            stack.callback(made.log.close)
            return made

        yield opened


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in [*sealed_files(folder), *open_files(folder)] for line in file.read_text().splitlines()]


def test_the_table_has_the_columns_that_were_designed_in_their_order():
    schema = schema_of("predictions")
    assert list(schema["properties"]) == schema["required"] == DESIGNED == list(PredictionRow.__struct_fields__)
    assert set(schema["x-key"]) < set(DESIGNED)


def test_a_row_for_each_wine_is_read_back_as_it_was_answered(start):
    opened = start(sample_rate=1.0)
    opened.log.record(answered("r1", 3, attempt=2))
    opened.log.record(answered("r2", 1, member_id=None, asked_at=ASKED_AT.replace(microsecond=0)))
    opened.log.close()
    rows = read_predictions(opened.folder).sort("request_id", "position").collect()
    assert dict(rows.schema) == dtypes_of("predictions")
    first, *_, last = rows.iter_rows(named=True)
    member_hash = MemberHash(KEY).of("m1")
    assert (len(rows), len(member_hash), int(member_hash, 16) >= 0) == (4, 32, True)
    assert first == {
        "request_id": "r1", "position": 0, "asked_at": ASKED_AT, "as_of": datetime(2026, 3, 1, 11, tzinfo=UTC), "member_hash": member_hash,
        "wine_id": "w0", "vintage": 2015, "raw_score": 0.0, "probability": 0.5, "lo": None, "hi": None, "bundle": "b1", "generation": "g1",
        "deployment": "blue", "attempt": 2, "degraded": ["features_stale"], "feature_fingerprint": "f1", "sample_rate": 1.0,
    }  # fmt: skip
    assert (last["member_hash"], last["asked_at"]) == (None, ASKED_AT.replace(microsecond=0))
    assert rows["vintage"].to_list() == [2015, 0, None, 2015]
    assert opened.counted("written") == 4


def test_each_line_obeys_the_published_schema(start):
    from jsonschema import Draft202012Validator

    opened = start()
    opened.log.record(answered("r1", 3))
    opened.log.record(answered("r2", 1, member_id=None, degraded=[]))
    opened.log.close()
    for row in lines(opened.folder):
        Draft202012Validator(schema_of("predictions")).validate(row)


def test_an_empty_log_reads_as_no_rows_and_no_folder_is_refused(tmp_path):
    (tmp_path / "log").mkdir()
    assert read_predictions(tmp_path / "log").collect().height == 0
    with pytest.raises(BadInput, match="--prediction-log"):
        read_predictions(tmp_path / "none")


def test_after_a_kill_every_whole_line_is_read_and_the_next_start_seals_them(start, program, tmp_path):
    folder = tmp_path / "log"
    process = program(WRITER, folder)
    for number in range(5):
        process.stdin.write(f"r{number}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = open_files(folder)
    with left.open("ab") as stream:
        stream.write(b'{"request_id":"half a li')
    assert read_predictions(folder).collect().height == 5
    opened = start()
    opened.log.close()
    assert (open_files(folder), len(sealed_files(folder))) == ([], 1)
    assert sorted(row["request_id"] for row in lines(folder)) == [f"r{number}" for number in range(5)]


def test_a_file_that_a_living_process_writes_is_left_to_it(start, program, tmp_path):
    folder = tmp_path / "log"
    process = program(WRITER, folder)
    process.stdin.write("r0\n")
    process.stdin.flush()
    assert process.stdout.readline() == "there\n"
    start().log.close()
    assert len(open_files(folder)) == 1
    process.stdin.close()
    assert process.wait(60) == 0
    assert (open_files(folder), [row["request_id"] for row in lines(folder)]) == ([], ["r0"])


def test_a_full_file_is_sealed_and_the_oldest_go_when_the_budget_is_spent(start, until):
    opened = start(file_bytes=2_000, budget_bytes=8_000)
    for number in range(60):
        opened.log.record(answered(f"r{number:02d}", 2))
        until(lambda before=number: opened.counted("written") == 2 * (before + 1))
    opened.log.close()
    assert opened.counted("expired") > 0
    kept = {row["request_id"] for row in lines(opened.folder)}
    assert len(kept) * 2 + opened.counted("expired") == 120
    assert max(kept) == "r59"
    assert kept == {f"r{number:02d}" for number in range(60 - len(kept), 60)}
    assert sum(file.stat().st_size for file in sealed_files(opened.folder)) <= 8_000


def test_files_are_sealed_when_full_however_much_waits_to_be_written(start, monkeypatch):
    """As under a load that never lets the queue run empty."""
    monkeypatch.setattr(predictions, "EVERY_S", 3_600)
    opened = start(file_bytes=10_000)
    for number in range(200):
        opened.log.record(answered(f"r{number:03d}", 2))
    opened.log.close()  # writes it all in one step
    sizes = [file.stat().st_size for file in sealed_files(opened.folder)]
    assert opened.counted("written") == len(lines(opened.folder)) == 400
    assert max(sizes) < 11_000


def test_an_hour_has_a_file_of_its_own(start, until, monkeypatch):
    opened = start()
    opened.log.record(answered("before"))
    until(lambda: opened.counted("written"))
    now = prediction_files.now_us()
    monkeypatch.setattr(predictions, "now_us", lambda: now + predictions.HOUR_US)
    until(lambda: sealed_files(opened.folder))
    assert open_files(opened.folder) == []


def test_a_full_queue_drops_and_counts(start, monkeypatch):
    monkeypatch.setattr(predictions, "QUEUED_ROWS_MOST", 10)
    monkeypatch.setattr(predictions, "EVERY_S", 3_600)
    opened = start()
    for number in range(4):
        opened.log.record(answered(f"r{number}", 4))
    assert opened.counted("dropped") == 8
    opened.log.close()
    assert opened.counted("written") == 8
    opened.log.record(answered("late", 1))
    assert opened.counted("dropped") == 9


def test_a_disk_that_refuses_drops_whole_answers_and_never_a_request(program, tmp_path):
    # A real limit on the size of files stands for the full disk.
    limit = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    )
    process = program(limit + WRITER, tmp_path / "log")
    for number in range(8):
        process.stdin.write(f"r{number}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "there\n"
    said = process.communicate()[1]
    assert process.returncode == 0
    assert "cannot be written (File too large); rows are dropped" in said
    rows = lines(tmp_path / "log")
    assert 1 <= len(rows) < 8


def test_what_cannot_be_logged_costs_its_rows_and_no_others(start, until):
    opened = start()
    opened.log.record(answered("r1", 2, raw_scores=[object(), 1.0]))
    opened.log.record(answered("r2", 2, raw_scores=[1.0]))
    opened.log.record(None)  # type: ignore[arg-type]
    opened.log.record(answered("r3", 2))
    until(lambda: opened.counted("written") == 2)
    assert opened.counted("dropped") == 5
    opened.log.close()
    assert {row["request_id"] for row in lines(opened.folder)} == {"r3"}


@given(st.text(st.characters(codec="ascii"), max_size=50), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_smaller_sample_is_part_of_a_larger_one(request_id, one, other):
    assert is_sampled(request_id, 1.0)
    if is_sampled(request_id, min(one, other)):
        assert is_sampled(request_id, max(one, other))


def test_a_sample_has_its_share_and_says_which(start):
    opened = start(sample_rate=0.25)
    for number in range(2_000):
        opened.log.record(answered(f"r{number}", 1))
    opened.log.close()
    rows = lines(opened.folder)
    assert 400 < len(rows) < 600
    assert {row["sample_rate"] for row in rows} == {0.25}
    assert {row["request_id"] for row in rows} == {f"r{number}" for number in range(2_000) if is_sampled(f"r{number}", 0.25)}


def test_the_key_is_made_once_for_everybody_and_kept_private(tmp_path, program):
    look = (
        "import sys; from pathlib import Path; from cellar_shared.telemetry.member_hash import MemberHash\n"
        "print(MemberHash.beside(Path(sys.argv[1]), None).of('m1'))"
    )
    processes = [program(look, tmp_path / "deep" / "log") for _ in range(4)]
    hashes = {process.communicate()[0] for process in processes}
    assert len(hashes) == 1
    file = tmp_path / "deep" / "log.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["log.key"]
    assert hashes == {MemberHash(file.read_text()).of("m1") + "\n"}
    assert MemberHash.beside(tmp_path / "deep" / "log", KEY).of("m1") + "\n" not in hashes


def test_a_key_that_is_short_or_cannot_be_read_is_refused_without_showing_it(tmp_path):
    with pytest.raises(BadInput, match="CELLAR_MEMBER_HASH_KEY has fewer than 16") as refused:
        MemberHash.beside(tmp_path / "log", "short-secret")
    assert "short-secret" not in str(refused.value)
    (tmp_path / "log.key").write_bytes(b"\xff" * 40)
    with pytest.raises(BadInput, match=r"log.key cannot be used \(not text\)"):
        MemberHash.beside(tmp_path / "log", None)
    assert "k" * 8 not in repr(MemberHash(KEY))
    assert KEY not in repr(PredictionSettings(tmp_path, key=KEY))


def test_hashes_of_members_differ_and_are_not_plain_digests():
    from hashlib import sha256

    members = [secrets.token_hex(4) for _ in range(1_000)]
    hashes = {MemberHash(KEY).of(member) for member in members}
    assert len(hashes) == len(set(members))
    assert not hashes & {sha256(member.encode()).hexdigest()[:32] for member in members}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CELLAR_PREDICTION_LOG_RATE": "1"}, "CELLAR_PREDICTION_LOG_RATE is not a setting"),
        ({"CELLAR_PREDICTION_LOG_SAMPLE_RATE": "1.5"}, "a number above 0 and up to 1"),
        ({"CELLAR_PREDICTION_LOG_SAMPLE_RATE": "nan"}, "a number above 0"),
        ({"CELLAR_PREDICTION_LOG_BUDGET_MIB": "much"}, "a number above 0"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(environment, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        PredictionSettings.from_environment(tmp_path, environment)


def test_the_option_goes_before_the_environment_and_neither_is_no_log(tmp_path):
    environment = {"CELLAR_PREDICTION_LOG": str(tmp_path / "named"), "CELLAR_PREDICTION_LOG_SAMPLE_RATE": "0.5"}
    assert PredictionSettings.from_environment(None, {}) is None
    assert PredictionSettings.from_environment(None, environment).folder == tmp_path / "named"
    settings = PredictionSettings.from_environment(tmp_path / "given", environment)
    assert (settings.folder, settings.sample_rate, settings.folder.is_dir()) == (tmp_path / "given", 0.5, True)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be made"):
        PredictionSettings.from_environment(tmp_path / "file" / "log", {})

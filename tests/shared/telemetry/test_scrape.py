"""The sum over processes: parts make the whole, the dead stay counted, and a killed fold counts nobody twice."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from cellar_shared.telemetry import names, scrape
from cellar_shared.telemetry.exposition import of_recorded, read, written
from cellar_shared.telemetry.recorder import Recorder
from cellar_shared.telemetry.scrape import DEAD_FILE, DEAD_MOST, fold_dead, summed
from cellar_shared.telemetry.snapshots import RUN_LINE, SnapshotWriter, folder_lock

DEGRADED, READY, BREAKER = (metric.prometheus for metric in (names.ANSWERS_DEGRADED, names.READY, names.STORE_BREAKER))

# Counts a request a line that arrives, and says so once its snapshot holds it.
WORKER = """
import sys
from pathlib import Path
from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import Recorder
from cellar_shared.telemetry.snapshots import SnapshotWriter
recorder = Recorder()
writer = SnapshotWriter(recorder, Path(sys.argv[1]), 3_600_000)
recorder.set(names.READY, 1)
for line in sys.stdin:
    recorder.count(names.ANSWERS_DEGRADED, 1, ("features_stale",))
    recorder.observe(names.STAGE_TIME, 0.25, ("model",))
    writer.write()
    print("written", flush=True)
"""

measurements = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.just(names.ANSWERS_DEGRADED), st.integers(1, 9), st.tuples(st.sampled_from(["a", "b\n", 'c"\\']))),
        st.tuples(
            st.just("observe"), st.just(names.STAGE_TIME), st.integers(0, 64).map(lambda n: n / 64), st.tuples(st.sampled_from("xy"))
        ),
    ),
    max_size=30,
)


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By Prometheus' own parser."""
    families = text_string_to_metric_families(text.decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def value(text: bytes, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def left_behind(folder: Path, name: str, recorder: Recorder) -> None:
    """A snapshot whose process is gone."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.prom").write_text(f"{RUN_LINE}{name}\n{written(of_recorded(recorder.families()))}")


@given(st.lists(measurements, max_size=12))
def test_the_sum_of_the_parts_is_the_whole(parts):
    whole = Recorder()
    with TemporaryDirectory() as place:
        for number, part in enumerate(parts):
            recorder = Recorder()
            for act, metric, amount, labels in part:
                getattr(recorder, act)(metric, amount, labels)
                getattr(whole, act)(metric, amount, labels)
            left_behind(Path(place), f"p{number}", recorder)
        expected = written(of_recorded(whole.families())).encode()
        once, again = summed(Path(place)), summed(Path(place))
        assert len(list(Path(place).glob("*.prom"))) <= DEAD_MOST
    assert samples(once) == samples(expected)
    assert once == again == expected


@given(measurements)
def test_what_is_written_is_read_back_and_prometheus_reads_the_same(part):
    recorder = Recorder()
    for act, metric, amount, labels in part:
        getattr(recorder, act)(metric, amount, labels)
    text = written(of_recorded(recorder.families()))
    assert written(read(text)) == text
    buckets = samples(text.encode())
    for (name, labels), count in buckets.items():
        if name == f"{names.STAGE_TIME.prometheus}_count":
            assert buckets[f"{names.STAGE_TIME.prometheus}_bucket", labels | {("le", "+Inf")}] == count


def test_every_metric_passes_prometheus_own_parser(tmp_path):
    recorder = Recorder()
    for metric in names.METRICS:
        labels = tuple(f"v{place}" for place in range(len(metric.attributes)))
        if metric.kind == "histogram":
            recorder.observe(metric, 0.003, labels)
        elif metric.kind == "gauge":
            recorder.set(metric, 0.5, labels)
        else:
            recorder.count(metric, 2, labels)
    writer = SnapshotWriter(recorder, tmp_path, 3_600_000)
    families = {family.name: family for family in text_string_to_metric_families(summed(tmp_path).decode())}
    writer.close(60)
    assert set(families) == {metric.prometheus.removesuffix("_total") for metric in names.METRICS}
    for metric in names.METRICS:
        family = families[metric.prometheus.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.description)


def test_gauges_speak_of_the_living_by_their_rule(tmp_path):
    writers = []
    for ready, breaker in ((1, 0.5), (1, 1.0)):
        recorder = Recorder()
        recorder.set(names.READY, ready)
        recorder.set(names.STORE_BREAKER, breaker, ("redis",))
        writers.append(SnapshotWriter(recorder, tmp_path, 3_600_000))
    gone = Recorder()
    gone.set(names.READY, 1)
    gone.set(names.STORE_BREAKER, 7, ("redis",))
    left_behind(tmp_path, "gone", gone)
    text = summed(tmp_path)
    assert (value(text, READY), value(text, BREAKER, cellar_store_kind="redis")) == (2, 1)
    for writer in writers:
        writer.close(60)
    assert summed(tmp_path) == b""


def test_of_a_gauge_that_takes_the_last_the_latest_counts(tmp_path, monkeypatch):
    last = names.Metric("cellar.test.last", "gauge", "{thing}", "a gauge", across="last")
    monkeypatch.setattr(scrape, "BY_PROMETHEUS_NAME", {last.prometheus: last})
    writers = []
    for number in (9, 3):
        recorder = Recorder()
        recorder.set(last, number)
        writers.append(SnapshotWriter(recorder, tmp_path, 3_600_000))
    os.utime(writers[0]._file, ns=(1, 1))
    assert value(summed(tmp_path), last.prometheus) == 3
    os.utime(writers[0]._file, ns=(2**62, 2**62))
    assert value(summed(tmp_path), last.prometheus) == 9
    for writer in writers:
        writer.close(60)


def test_a_killed_process_stays_counted_and_is_no_longer_ready(tmp_path, program):
    processes = [program(WORKER, tmp_path) for _ in range(2)]
    for process in processes:
        for _ in range(3):
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "written\n"
    before = summed(tmp_path)
    assert (value(before, DEGRADED, cellar_reason="features_stale"), value(before, READY)) == (6, 2)
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    after = summed(tmp_path)
    assert (value(after, DEGRADED, cellar_reason="features_stale"), value(after, READY)) == (6, 1)
    assert value(after, f"{names.STAGE_TIME.prometheus}_count", cellar_stage="model") == 6


def test_a_process_id_that_comes_again_keeps_the_earlier_counts(tmp_path):
    for _ in range(3):
        recorder = Recorder()
        recorder.count(names.REQUESTS_SHED)
        writer = SnapshotWriter(recorder, tmp_path, 3_600_000)
        writer.close(60)
    assert value(summed(tmp_path), names.REQUESTS_SHED.prometheus) == 3
    assert (tmp_path / f"{os.getpid()}.prom").is_file()


def test_two_processes_of_one_id_write_beside_each_other(tmp_path):
    # As in two containers that share the folder.
    writers = []
    for _ in range(2):
        recorder = Recorder()
        recorder.set(names.READY, 1)
        writers.append(SnapshotWriter(recorder, tmp_path, 3_600_000))
    assert value(summed(tmp_path), READY) == 2
    for writer in writers:
        writer.close(60)


def test_the_folder_stays_small_under_restarts(tmp_path):
    for number in range(50):
        recorder = Recorder()
        recorder.count(names.REQUESTS_SHED, 2)
        left_behind(tmp_path, f"run{number}", recorder)
        assert value(summed(tmp_path), names.REQUESTS_SHED.prometheus) == 2 * (number + 1)
    assert len(list(tmp_path.iterdir())) <= DEAD_MOST + 2


@pytest.mark.parametrize("unlinked", range(5))
def test_a_fold_that_is_cut_short_counts_nobody_twice(tmp_path, unlinked, monkeypatch):
    for number in range(4):
        recorder = Recorder()
        recorder.count(names.REQUESTS_SHED)
        left_behind(tmp_path, f"run{number}", recorder)
    original, done = Path.unlink, []

    def unlink(file: Path, missing_ok: bool = False) -> None:
        if len(done) == unlinked * 2:  # each has a lock beside it
            raise KeyboardInterrupt
        done.append(file)
        original(file, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        if unlinked < 4:
            with pytest.raises(KeyboardInterrupt):
                fold_dead(tmp_path)
        else:
            fold_dead(tmp_path)
    for _ in range(2):
        assert value(summed(tmp_path), names.REQUESTS_SHED.prometheus) == 4
        fold_dead(tmp_path)
    assert list(tmp_path.glob("*.prom")) == []
    assert RUN_LINE not in (tmp_path / DEAD_FILE).read_text()


def test_while_somebody_folds_nobody_reads_half_of_it(tmp_path, program, until):
    look = "import sys; from pathlib import Path; from cellar_shared.telemetry.scrape import summed; summed(Path(sys.argv[1]))"
    with folder_lock(tmp_path, fcntl.LOCK_EX):
        reader = program(look, tmp_path)
        waits = re.compile(rf"-> FLOCK .* {reader.pid} ")
        until(lambda: waits.search(Path("/proc/locks").read_text()))
        assert reader.poll() is None
    assert reader.wait(60) == 0


def test_a_file_that_is_no_snapshot_is_left_out_and_named(tmp_path, caplog):
    recorder = Recorder()
    recorder.count(names.REQUESTS_SHED)
    left_behind(tmp_path, "good", recorder)
    (tmp_path / "bad.prom").write_text(json.dumps({"not": "metrics"}))
    assert value(summed(tmp_path), names.REQUESTS_SHED.prometheus) == 1
    assert "bad.prom is no snapshot" in caplog.text


def test_no_folder_and_an_empty_one_give_nothing(tmp_path):
    assert summed(tmp_path / "none") == summed(tmp_path) == b""


def test_series_with_other_bounds_after_a_release_still_make_a_histogram(tmp_path):
    recorder = Recorder()
    recorder.observe(names.STAGE_TIME, 0.3, ("model",))
    left_behind(tmp_path, "now", recorder)
    name = names.STAGE_TIME.prometheus
    (tmp_path / "before.prom").write_text(
        f'# HELP {name} x\n# TYPE {name} histogram\n{name}_bucket{{cellar_stage="model",le="0.3"}} 2\n'
        f'{name}_bucket{{cellar_stage="model",le="+Inf"}} 5\n{name}_sum{{cellar_stage="model"}} 4\n{name}_count{{cellar_stage="model"}} 5\n'
    )
    text = samples(summed(tmp_path))
    buckets = sorted((float(dict(labels)["le"]), count) for (sample, labels), count in text.items() if sample == f"{name}_bucket")
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1][1] == text[f"{name}_count", frozenset({("cellar_stage", "model")})] == 6

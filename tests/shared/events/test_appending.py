"""Appending to a data folder: all at once or not at all, one at a time, whoever reads meanwhile and whenever it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.checks import check_folder
from cellar_shared.events.locking import LOCK, writing_alone
from cellar_shared.events.tables import DataFolder, DataWriter

BytesOf = Callable[[Path], dict[str, bytes]]

# What a process that is killed at its nth step on the disk leaves behind: every step that makes something durable or visible.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
import polars as pl
import cellar_shared.events.appending as appending

left = int(sys.argv[2])

def stepping(step):
    def stepped(*words, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return step(*words, **named)
    return stepped

with appending.DataAppender(Path(sys.argv[1])) as appender:
    for module, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        setattr(module, name, stepping(getattr(module, name)))
    folder = appender.folder
    ratings = {name: pl.read_parquet(part) for name, part in folder.parts("ratings").items()}
    appender.add("ratings", ratings["part-00000.parquet"].with_columns(event_id=pl.format("later {}", "event_id")))
    appender.replace("ratings", [("part-00001.parquet", ratings["part-00001.parquet"].filter(pl.col("member_id") != "m1"))])
    appender.journal_through = 42
"""
HOLDING = """
import sys
from pathlib import Path
from cellar_shared.events.appending import DataAppender
with DataAppender(Path(sys.argv[1])) as appender:
    print("held", flush=True)
    sys.stdin.read()
    appender.journal_through += 1
"""


def ratings(first: int, count: int) -> pl.DataFrame:
    return pl.DataFrame({"n": range(first, first + count)}).select(
        event_id=pl.format("e{}", "n"),
        member_id=pl.format("m{}", pl.col("n") % 3),
        wine_id=pl.format("w{}", "n"),
        vintage=pl.lit(2015),
        rating_raw=pl.lit(4.0),
        scale=pl.lit("1-5"),
        like=pl.lit(True),
        rated_at=pl.lit(datetime(2020, 1, 1, tzinfo=UTC)),
        time_precision=pl.lit("datetime"),
        defective=pl.lit(False),
        source=pl.lit("made"),
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two parts of six ratings each."""
    with DataWriter(tmp_path / "data", "made", "1-5", "test") as writer:
        writer.add("ratings", ratings(0, 6))
        writer.add("ratings", ratings(6, 6))
    return tmp_path / "data"


def ids(data: Path) -> list[str]:
    return DataFolder.open(data).scan("ratings").collect()["event_id"].to_list()


def without(member: str, folder: DataFolder) -> Iterator[tuple[str, pl.DataFrame]]:
    for name, part in folder.parts("ratings").items():
        rows = pl.read_parquet(part)
        if (rows["member_id"] == member).any():
            yield name, rows.filter(pl.col("member_id") != member)


def test_what_is_added_comes_after_what_was_there(data: Path) -> None:
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(12, 3))
        appender.add("ratings", ratings(15, 1).select(pl.all().reverse()).select(reversed(ratings(0, 0).columns)))
        appender.journal_through = 7
    assert ids(data) == [f"e{n}" for n in range(16)]
    manifest = DataFolder.open(data).manifest
    assert (manifest.tables["ratings"].rows, len(manifest.tables["ratings"].parts), manifest.journal_through) == (16, 4, 7)
    assert check_folder(data)["ratings"] == 16


def test_a_table_that_was_not_there_is_begun(data: Path) -> None:
    with DataAppender(data) as appender:
        appender.add("truth", pl.DataFrame({"event_id": ["e1"], "probability": [0.5]}))
    assert check_folder(data)["truth"] == 1


def test_an_added_column_is_null_in_the_parts_before_and_after_it(data: Path) -> None:
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(12, 1).with_columns(shelf=pl.lit("top")))
        appender.add("ratings", ratings(13, 1))
    assert DataFolder.open(data).scan("ratings").collect()["shelf"].to_list() == [None] * 12 + ["top", None]


def test_an_appender_that_adds_nothing_changes_no_byte(data: Path, bytes_of: BytesOf) -> None:
    before = bytes_of(data)
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(0, 0))
        appender.add("wines", pl.DataFrame())
        appender.replace("ratings", without("nobody", appender.folder))
    assert bytes_of(data) == before


def test_the_journals_position_is_no_content(data: Path) -> None:
    before = DataFolder.open(data).digest()
    with DataAppender(data) as appender:
        appender.journal_through = 12
        appender.notes["folded"] = "by a test"
    folder = DataFolder.open(data)
    assert (folder.manifest.journal_through, folder.manifest.notes) == (12, {"folded": "by a test"})
    assert folder.digest() == before
    with DataAppender(data) as appender:
        assert appender.journal_through == 12
        appender.add("ratings", ratings(12, 1))
    assert DataFolder.open(data).digest() != before
    assert DataFolder.open(data).manifest.journal_through == 12


def test_equal_appends_to_equal_folders_give_equal_digests(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        with DataWriter(tmp_path / name, "made", "1-5", "test") as writer:
            writer.add("ratings", ratings(0, 6))
        with DataAppender(tmp_path / name) as appender:
            appender.add("ratings", ratings(6, 2))
        digests.append(DataFolder.open(tmp_path / name).digest())
    assert digests[0] == digests[1]


def test_a_members_rows_go_from_the_disk_and_parts_without_them_stay(data: Path) -> None:
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(12, 6).filter(pl.col("member_id") != "m1"))
    untouched = list(DataFolder.open(data).parts("ratings"))[-1]
    with DataAppender(data) as appender:
        appender.replace("ratings", without("m1", appender.folder))
    assert ids(data) == [f"e{n}" for n in range(18) if n % 3 != 1]
    folder = DataFolder.open(data)
    assert list(folder.parts("ratings"))[-1] == untouched
    assert folder.manifest.tables["ratings"].rows == 12
    assert sorted(file.name for file in (data / "ratings").iterdir()) == sorted(folder.parts("ratings"))
    assert "part-00000.parquet" not in folder.parts("ratings")
    check_folder(data)


def test_a_table_of_which_nothing_is_left_is_read_as_empty(data: Path) -> None:
    with DataAppender(data) as appender:
        appender.replace("ratings", [(name, ratings(0, 0)) for name in appender.folder.parts("ratings")])
    assert ids(data) == []
    assert check_folder(data)["ratings"] == 0
    assert not list((data / "ratings").iterdir())
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(0, 2))
    assert ids(data) == ["e0", "e1"]


def test_a_part_there_is_not_cannot_be_replaced(data: Path, bytes_of: BytesOf) -> None:
    before = bytes_of(data)
    with pytest.raises(BadInput, match=r"ratings has no part part-7\.parquet"), DataAppender(data) as appender:
        appender.replace("ratings", [("part-7.parquet", ratings(0, 1))])
    with pytest.raises(BadInput, match="there is no table 'corks'; the tables are"), DataAppender(data) as appender:
        appender.add("corks", ratings(0, 1))
    assert bytes_of(data) == before


def test_a_name_never_stands_for_other_rows(data: Path) -> None:
    seen: dict[str, str] = dict(DataFolder.open(data).manifest.tables["ratings"].parts)
    for first in (12, 14, 12):
        with DataAppender(data) as appender:
            appender.add("ratings", ratings(first, 2))
        parts = DataFolder.open(data).manifest.tables["ratings"].parts
        assert {name: seen.get(name, digest) for name, digest in parts.items()} == parts
        seen |= parts
        with DataAppender(data) as appender:
            appender.replace("ratings", [(list(appender.folder.parts("ratings"))[-1], ratings(0, 0))])
    assert ids(data) == [f"e{n}" for n in range(12)]


def test_an_error_in_the_block_leaves_every_byte_as_it_was(data: Path, bytes_of: BytesOf) -> None:
    before = bytes_of(data)
    with pytest.raises(BadInput, match="column like is missing"), DataAppender(data) as appender:
        appender.add("ratings", ratings(12, 3))
        appender.replace("ratings", without("m1", appender.folder))
        appender.add("truth", pl.DataFrame({"event_id": ["e1"], "probability": [0.5]}))
        appender.journal_through = 9
        appender.add("ratings", ratings(15, 3).drop("like"))
    assert bytes_of(data) == before


def test_what_was_refused_within_the_block_and_caught_there_is_not_half_there(data: Path) -> None:
    with DataAppender(data) as appender:
        for refused in (
            lambda: appender.replace("ratings", [("part-00000.parquet", ratings(0, 6).drop("like"))]),
            lambda: appender.add("ratings", ratings(6, 6).drop("like")),
            lambda: appender.add("truth", ratings(6, 6)),
        ):
            with pytest.raises(BadInput, match="is missing"):
                refused()
        appender.add("ratings", ratings(12, 1))
    assert ids(data) == [f"e{n}" for n in range(13)]
    assert sorted(file.name for file in data.iterdir()) == [LOCK, "data.json", "ratings"]


def test_a_reader_that_opened_before_reads_on_and_one_that_opens_after_sees_the_new_rows(data: Path) -> None:
    before = DataFolder.open(data)
    with DataAppender(data) as appender:
        appender.add("ratings", ratings(12, 3))
        assert DataFolder.open(data).scan("ratings").collect().height == 12
    assert before.scan("ratings").collect().height == 12
    assert DataFolder.open(data).scan("ratings").collect().height == 15


def test_a_reader_that_meets_a_replaced_part_reads_the_new_manifest(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cellar_shared.events import tables

    read, late = tables.read_manifest, []

    def read_then_replaced(path: Path) -> Any:
        manifest = read(path)
        if not late:
            late.append(True)
            with DataAppender(path) as appender:
                appender.replace("ratings", without("m1", appender.folder))
        return manifest

    monkeypatch.setattr(tables, "read_manifest", read_then_replaced)
    assert DataFolder.open(data).scan("ratings").collect()["member_id"].unique().sort().to_list() == ["m0", "m2"]


def test_a_kill_at_any_step_leaves_all_or_nothing_and_the_next_appender_cleans_up(tmp_path: Path, bytes_of: BytesOf) -> None:
    outcomes = []
    for step in range(20):  # the last is beyond the appender's end
        data = tmp_path / f"data{step}"
        with DataWriter(data, "made", "1-5", "test") as writer:
            writer.add("ratings", ratings(0, 6))
            writer.add("ratings", ratings(6, 6))
        before = bytes_of(data)
        done = subprocess.run([sys.executable, "-c", KILLED_AT, str(data), str(step)], timeout=300, check=False, capture_output=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        folder = DataFolder.open(data)
        changed = bytes_of(data)["data.json"] != before["data.json"]
        assert folder.manifest.journal_through == (42 if changed else 0)
        assert folder.scan("ratings").collect().height == (16 if changed else 12)
        assert check_folder(data)["ratings"] == (16 if changed else 12)

        with DataAppender(data):
            pass
        assert sorted(file.name for file in (data / "ratings").iterdir()) == sorted(DataFolder.open(data).parts("ratings"))
        assert sorted(file.name for file in data.iterdir()) == [LOCK, "data.json", "ratings"]
        if not changed:
            assert bytes_of(data) == before
        outcomes.append((done.returncode, changed))
    assert outcomes == sorted(outcomes, key=lambda outcome: (outcome[0] == 0, outcome[1]))
    assert {(-signal.SIGKILL, False), (-signal.SIGKILL, True), (0, True)} == set(outcomes)


def test_appenders_take_turns_and_nothing_is_lost(data: Path) -> None:
    def append(first: int) -> None:
        for turn in range(5):
            with DataAppender(data) as appender:
                appender.journal_through += 1
                appender.add("ratings", ratings(first + turn, 1))

    threads = [threading.Thread(target=append, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DataFolder.open(data).manifest.journal_through == 15
    assert len(ids(data)) == len(set(ids(data))) == 27
    check_folder(data)


def test_an_appender_waits_for_another_process_and_refuses_when_it_takes_too_long(data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match=r"is being written by another command, and still was after 0\.1 s"), DataAppender(data, 0.1):
            pass
        other.stdin.close()
        with DataAppender(data) as appender:
            assert appender.journal_through == 1
    assert other.returncode == 0


def test_a_killed_holder_holds_nothing(data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        other.kill()
        other.wait()
    with DataAppender(data, 0.0) as appender:
        assert appender.journal_through == 0


def test_a_folder_that_is_replaced_meanwhile_is_the_new_one_that_is_appended_to(data: Path) -> None:
    appended = threading.Event()

    def append() -> None:
        with DataAppender(data) as appender:
            appender.add("ratings", ratings(500, 1))
        appended.set()

    thread = threading.Thread(target=append)
    with DataWriter(data, "made", "1-5", "test", replace=True) as writer:
        thread.start()
        assert not appended.wait(0.2)
        writer.add("ratings", ratings(900, 2))
    thread.join()
    assert ids(data) == ["e900", "e901", "e500"]


def test_a_folder_that_is_being_appended_to_is_not_replaced(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellar_shared.events.tables.writing_alone", lambda folder: writing_alone(folder, 0.1))
    with DataAppender(data) as appender:
        with pytest.raises(BadInput, match="is being written by another"), DataWriter(data, "made", "1-5", "test", replace=True):
            pass
        appender.add("ratings", ratings(12, 1))
    assert len(ids(data)) == 13


def test_a_folder_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a data folder"), DataAppender(tmp_path):
        pass
    assert not list(tmp_path.iterdir())

"""The journal between processes and when its folder changes under it; what it keeps is tested with the stores."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cellar_shared.errors import CellarError
from cellar_shared.events import journal as journals
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import RatingEvent
from cellar_shared.events.tables import DataWriter


def rating(event_id: str) -> RatingEvent:
    return RatingEvent(event_id=event_id, member_id="m", occurred_at=datetime(2021, 1, 1, tzinfo=UTC), wine_id="w", rating=4, scale="1-5")


@pytest.fixture
def folder(tmp_path) -> Path:
    with DataWriter(tmp_path / "data", "made", "1-5", "a test"):
        pass
    return tmp_path / "data"


@pytest.fixture
def journal(folder):
    opened = Journal(folder)
    yield opened
    opened.close()


def test_a_journal_whose_folder_was_replaced_takes_nothing_more_in(journal, folder, tmp_path):
    journal.append([rating("e1")], now_s=0)
    folder.rename(tmp_path / "old")
    with pytest.raises(CellarError, match="open it anew"):
        journal.append([rating("e2")], now_s=0)
    shutil.copytree(tmp_path / "old", folder, ignore=shutil.ignore_patterns("journal*"))
    Journal(folder).close()
    with pytest.raises(CellarError, match="open it anew"):
        journal.append([rating("e2")], now_s=0)
    shutil.rmtree(folder)
    (tmp_path / "old").rename(folder)
    assert [receipt.status for receipt in journal.append([rating("e1"), rating("e2")], now_s=0)] == ["duplicate", "accepted"]


def test_a_journal_that_another_holds_for_too_long_is_refused_and_free_again_written(journal, folder, monkeypatch):
    monkeypatch.setattr(journals, "BUSY_MS", 20)
    other = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CellarError, match="locked"):
        journal.append([rating("e1")], now_s=0)
    other.execute("COMMIT")
    other.close()
    assert journal.append([rating("e1")], now_s=0)[0].status == "accepted"


def test_processes_that_write_at_once_take_turns_and_share_one_order(journal, folder):
    program = (
        "import sys, pathlib\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import test_journal as t\n"
        "journal = t.Journal(pathlib.Path(sys.argv[2]))\n"
        "print('open', flush=True)\n"
        "input()\n"
        "for n in range(60):\n"
        "    receipts = journal.append([t.rating(f'both-{n}'), t.rating(f'theirs-{n}')], now_s=0)\n"
        "    print(receipts[0].status, flush=True)\n"
        "journal.close()\n"
    )
    words = [sys.executable, "-c", program, str(Path(__file__).parent), str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == "open\n"
        go = threading.Thread(target=lambda: (other.stdin.write("\n"), other.stdin.flush()))
        go.start()
        ours = [journal.append([rating(f"both-{n}"), rating(f"ours-{n}")], now_s=0)[0].status for n in range(60)]
        go.join()
        theirs = other.stdout.read().split()
    assert [sorted(pair) for pair in zip(ours, theirs, strict=True)] == [["accepted", "duplicate"]] * 60
    entries = list(journal.after(0))
    assert [entry.position for entry in entries] == list(range(1, 181))
    assert len({entry.event.event_id for entry in entries}) == 180

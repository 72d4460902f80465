"""A night that is killed at any moment and started again ends with the bytes of one that nobody disturbed, and does nothing twice.

A kill comes as a file or folder gets its name, just before it or just after: nothing else of a night outlives it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from cellar_recommender.night.layout import Folder, Receipt
from cellar_recommender.night.manifest import read_manifest
from cellar_shared.errors import CellarError
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.tables import dtypes_of
from cellar_shared.store.list_packing import MemberList
from cellar_shared.store.port import KEY_BYTES

DAY = 86_400_000_000
MEMBERS_A_PART = 90
NOW = 1_641_094_200_000_000
WITHIN_S = 300

PROGRAM = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path

from cellar_recommender.night import members
from cellar_recommender.night.night import run_night
from cellar_shared.store.lmdb_store import LmdbStore

bundle, data, store, out, now, kill_at, when = sys.argv[1:]
members.MEMBERS_A_PART = {members_a_part}
rename = Path.replace

def replace(self, target):
    is_last = bool(kill_at) and str(target).endswith(kill_at)
    if is_last and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = rename(self, target)
    if is_last:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

Path.replace = replace

@contextmanager
def watch(title, total):
    yield lambda rows: None

run_night(Path(bundle), Path(data), LmdbStore(Path(store)), Path(out), now=int(now), watch=watch, say=print)"""


def run(place, out, now=NOW, kill_at="", when="after"):
    program = PROGRAM.replace("{members_a_part}", str(MEMBERS_A_PART))
    words = [sys.executable, "-c", program, place.bundle, place.data, place.root, out, now, kill_at, when]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=WITHIN_S, check=False)


def written(folder):
    """Every file by its content's digest; of the night's manifest all but how long it took."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            if file.name == "night.json":
                content = json.dumps({key: value for key, value in json.loads(content).items() if key != "seconds"}).encode()
            found[str(file.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def finished(out):
    """The Parquet files of the parts that are finished in a night that runs, and which file on the disk each is."""
    folder = Folder(out)
    terms = folder.begun()
    if terms is None:
        return {}
    files = [folder.rows(terms.night, part) for part in range(terms.parts) if folder.receipt(terms.night, part) is not None]
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.mark.slow
def test_a_night_that_is_killed_again_and_again_ends_as_one_that_was_not(standing, place, tmp_path):
    whole = run(place, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    first = read_manifest(tmp_path / "whole" / "night.json")
    undisturbed = written(tmp_path / "whole"), written(place.root / "lists")
    again = type(place)(place.data, place.bundle, shutil.copytree(standing.root, tmp_path / "store"), tmp_path / "killed")
    assert len(first.parts) == 5
    kills = (
        ("terms.json", "after"),
        ("members", "before"),
        ("members", "after"),
        ("-00000.parquet", "after"),
        ("00001.lists", "before"),
        ("00002.json", "after"),
        (first.lists, "before"),
        (first.lists, "after"),
        ("CURRENT", "after"),
        ("night.json", "before"),
    )
    for later, (kill_at, when) in enumerate(kills):
        stood = finished(again.out)
        killed = run(again, again.out, now=NOW + later, kill_at=kill_at, when=when)
        assert killed.returncode == -signal.SIGKILL, (kill_at, killed.stdout, killed.stderr)
        assert stood.items() <= finished(again.out).items()
    assert len(stood) == len(first.parts)
    done = run(again, again.out, now=NOW + DAY // 2)
    assert done.returncode == 0, done.stderr
    assert "going on with the night of 2022-01-02T03:30:00Z\n5 of 5 parts are finished" in done.stdout
    assert (written(again.out), written(again.root / "lists")) == undisturbed


def test_what_was_begun_with_other_data_or_long_ago_is_begun_anew(place, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "lists_of", die)
    with pytest.raises(KeyboardInterrupt):
        place.night(NOW)
    assert len(finished(place.out)) == 1
    monkeypatch.undo()
    said = []
    empty = dict.fromkeys(dtypes_of("bottles"))
    with DataAppender(place.data) as appender:
        bottles = [empty | {"bottle_id": "b", "member_id": "came since", "wine_id": "w", "state": "stored"}]
        appender.add("bottles", pl.DataFrame(bottles, schema=dtypes_of("bottles")))
    manifest = place.night(NOW + 1, say=said.append)
    assert manifest.precomputed_at == "2022-01-02T03:30:00.000001Z"
    assert "came since" in set(place.rows(manifest)["member_id"])
    monkeypatch.setattr(Folder, "lists_of", die)
    with pytest.raises(KeyboardInterrupt):
        place.night(NOW + 2)
    monkeypatch.undo()
    assert place.night(NOW + 2 + 7 * DAY, say=said.append).precomputed_at == "2022-01-09T03:30:00.000002Z"
    assert not any("going on" in line for line in said)


def test_a_night_that_was_killed_over_its_tidying_up_is_over(place, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "prune", die)
    with pytest.raises(KeyboardInterrupt):
        place.night(NOW)
    monkeypatch.undo()
    first = read_manifest(place.out / "night.json")
    second = place.night(NOW + DAY)
    assert (second.computed, second.copied) == (0, first.computed)
    assert second.precomputed_at == "2022-01-03T03:30:00Z"


def test_a_damaged_list_of_a_finished_part_is_named(place, monkeypatch):
    place.out.mkdir()
    folder = Folder(place.out)
    made = MemberList(np.arange(3), np.array([3, 2, 1], dtype=np.float32), np.zeros(3, dtype=np.uint8), NOW, bytes(16))
    folder.finish("n", 0, b"rows", [(bytes([at]) * KEY_BYTES, made) for at in range(3)], Receipt(3, 3, 0, 9, "", []))
    assert [key for key, _ in folder.lists_of(0)] == [bytes([at]) * KEY_BYTES for at in range(3)]
    file = folder.running / "00000.lists"
    whole = file.read_bytes()
    for spoilt in (whole[:-1], whole[:-20] + b"x" + whole[-19:], whole + b"1"):
        file.write_bytes(spoilt)
        with pytest.raises(CellarError, match=r"00000\.lists is damaged"):
            list(folder.lists_of(0))

"""`cellar score recommender` as a person runs it."""

from __future__ import annotations

import json

import lmdb
import pytest

from cellar_shared.store.port import member_key

pytestmark = pytest.mark.slow


def test_lists_are_computed_once_and_told(cellar, place):
    words = ("score", "recommender", "--bundle", place.bundle, "--data", place.data, "--store", f"lmdb://{place.root}", "--out", place.out)
    first = cellar(*words, "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told == json.loads((place.out / "night.json").read_text())
    assert told["members"] == told["computed"] > 300
    assert "left" in first.stderr
    second = cellar(*words)
    assert second.returncode == 0, second.stderr
    assert f"{told['members']:,} members: 0 lists computed, {told['members']:,} stood" in second.stdout


def test_damaged_members_are_told_by_the_exit_status(cellar, place):
    (place.root / "overlay").mkdir()
    with lmdb.open(str(place.root / "overlay"), map_size=1 << 20) as overlay, overlay.begin(write=True) as writing:
        writing.put(member_key("m5"), bytes(9))  # no whole number of pushed ratings
    words = ("score", "recommender", "--bundle", place.bundle, "--data", place.data, "--store", f"lmdb://{place.root}", "--out", place.out)
    done = cellar(*words)
    assert done.returncode == 1
    assert "1 members were set aside, 0 may be; the others' lists are in use" in done.stderr
    assert "set aside m5: what is kept of a member is damaged" in done.stdout
    assert cellar(*words, "--error-threshold", "1").returncode == 0

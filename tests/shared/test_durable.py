"""Folders and files that are there whole or not at all, whatever becomes of who writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cellar_shared.durable import staged_folder, write_durably

# Writes half of a folder, or sets the old one aside, and is gone without a chance to clean up.
KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from cellar_shared.durable import staged_folder
with staged_folder(Path(sys.argv[1])) as staging:
    (staging / "half").write_text("written")
    os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_BETWEEN_RENAMES = """
import os, signal, sys
from pathlib import Path
from cellar_shared import durable
rename = Path.replace
def once(self, target):
    moved = rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
    return moved
with durable.staged_folder(Path(sys.argv[1])) as staging:
    (staging / "new").write_text("new")
    Path.replace = once
"""


def run(program: str, place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", program, str(place)], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr


def write(place: Path, name: str) -> None:
    with staged_folder(place) as staging:
        (staging / name).write_text(name)


def test_a_new_folder_stands_whole_and_alone(tmp_path: Path) -> None:
    write(tmp_path / "place", "one")
    write(tmp_path / "place", "two")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["place", "place/two"]


def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "place", "old")
    with pytest.raises(RuntimeError, match="halfway"), staged_folder(tmp_path / "place") as staging:
        (staging / "new").write_text("new")
        raise RuntimeError("halfway")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["place", "place/old"]


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    place = tmp_path / "place"
    run(KILLED_WHILE_WRITING, place)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".place.new-")]
    write(place, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_folder_set_aside_by_a_killed_writer_comes_back(tmp_path: Path) -> None:
    place = tmp_path / "place"
    write(place, "old")
    run(KILLED_BETWEEN_RENAMES, place)
    assert not place.exists()
    with pytest.raises(RuntimeError, match="seen"), staged_folder(place):
        assert (place / "old").read_text() == "old"
        raise RuntimeError("seen")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["place", "place/old"]


def test_a_running_writer_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with staged_folder(place) as first:
        write(place, "second")
        assert first.is_dir()
        (first / "first").write_text("first")
    assert [path.name for path in place.iterdir()] == ["first"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_durably(tmp_path / "below" / "file", b"old")
    write_durably(tmp_path / "below" / "file", b"new")
    assert (tmp_path / "below" / "file").read_bytes() == b"new"
    assert len(list((tmp_path / "below").iterdir())) == 1

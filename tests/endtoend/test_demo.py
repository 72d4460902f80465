"""The demo as a person runs it: it answers, stays up, and leaves nothing running when it is ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 1200


@pytest.mark.parametrize(
    ("data", "ending", "says"),
    [
        ("made", signal.SIGINT, r"This data has no cellars, .*no bottle to open"),
        ("cellars", signal.SIGTERM, r"Which of their own bottles member m\d+ may open then(?:.*\n)+.*(?:early|peak|late)"),
    ],
)
def test_the_demo_stays_up_until_it_is_ended_and_takes_its_services_along(
    tmp_path: Path, request: pytest.FixtureRequest, data: str, ending: signal.Signals, says: str
) -> None:
    world = request.getfixturevalue(data)
    folder = world.data if data == "made" else world.world
    work, log = tmp_path / "demo", tmp_path / "log"
    words = [str(Path(sys.executable).with_name("cellar")), "demo", "--data", str(folder), "--work", str(work), "--threads", "1"]
    with log.open("wb") as output:
        demo = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"COLUMNS": "200"})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C ends it" not in log.read_text("utf-8") and demo.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        shown = log.read_text("utf-8")
        assert demo.poll() is None, shown
        ports = dict(re.findall(r"(preference|recommender) stays up at http://127\.0\.0\.1:(\d+)", shown))
        assert set(ports) == {"preference", "recommender"}, shown
        assert "ratings the model has not seen" in shown
        assert re.search(r"What member m\d+ may buy next(?:.*\n)+.*%.*(?:towers|item item|popular)", shown), shown
        assert re.search(says, shown), shown
        demo.send_signal(ending)
        assert demo.wait(120) == 0, log.read_text("utf-8")
    finally:
        demo.kill()
    words_running = [set(_read(entry).split(b"\0")) for entry in Path("/proc").glob("[0-9]*/cmdline")]
    assert [words for words in words_running if words & {port.encode() for port in ports.values()}] == []


def test_a_folder_that_no_demo_made_is_left_alone(cellar, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    done = cellar("demo", "--work", tmp_path)
    assert done.returncode == 2
    assert "was not made by a demo" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process ended meanwhile
        return b""

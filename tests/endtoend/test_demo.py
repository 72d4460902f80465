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


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_stays_up_until_it_is_ended_and_takes_its_service_along(tmp_path: Path, made, ending: signal.Signals) -> None:
    work, log = tmp_path / "demo", tmp_path / "log"
    words = [str(Path(sys.executable).with_name("cellar")), "demo", "--data", str(made.data), "--work", str(work), "--threads", "1"]
    with log.open("wb") as output:
        demo = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"COLUMNS": "200"})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C ends it" not in log.read_text("utf-8") and demo.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        shown = log.read_text("utf-8")
        assert demo.poll() is None, shown
        port = re.search(r"stays up at http://127\.0\.0\.1:(\d+)", shown)
        assert port is not None, shown
        assert "ratings the model has not seen" in shown
        demo.send_signal(ending)
        assert demo.wait(120) == 0, log.read_text("utf-8")
    finally:
        demo.kill()
    serving = [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if port[1].encode() in _read(entry).split(b"\0")]
    assert serving == []


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process ended meanwhile
        return b""

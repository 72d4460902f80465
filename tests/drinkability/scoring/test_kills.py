"""A night that is killed at any moment and started again ends with the bytes of one that nobody disturbed.

Three kills; CELLAR_NIGHT_KILLS=10 for ten of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
import time
from datetime import date

import psutil
import pytest

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("CELLAR_NIGHT_KILLS", "3"))
WITHIN_S = 900


def written(out):
    """Every file but the cache's by its content's digest; of manifests all but their times."""
    found = {}
    for file in sorted(out.rglob("*")):
        name = str(file.relative_to(out))
        if not file.is_file() or name.startswith("cache/"):
            continue
        content = file.read_bytes()
        if name == "night.json" or name.startswith("nights/"):
            content = json.dumps({key: value for key, value in json.loads(content).items() if key != "times"}).encode()
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def test_a_night_that_is_killed_again_and_again_ends_as_one_that_was_not(make_data, many_bottles, many_places, program, tmp_path):
    data = make_data(many_bottles(12, 2500), places=many_places)
    nights = [date(2025, 6, 1), date(2025, 9, 1)]
    took = []
    for as_of in nights:
        began = time.monotonic()
        subprocess.run(program(data, tmp_path / "whole", as_of=as_of), check=True, timeout=WITHIN_S, capture_output=True)
        took.append(time.monotonic() - began)
    draw = random.Random(5)
    killed = 0
    out = tmp_path / "killed"
    while killed < KILLS:
        night = killed % 2
        process = subprocess.Popen(program(data, out, as_of=nights[night]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.1, 0.95) * took[night])
        ended = process.poll() is not None
        family = [process.pid, *(each.pid for each in psutil.Process(process.pid).children(recursive=True))] if not ended else []
        # Sometimes all at once, sometimes the one that watches alone: workers then end by themselves, while the next night begins.
        for victim in family if draw.random() < 0.5 else family[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, 9)
        process.wait(WITHIN_S)
        killed += not ended
        if ended and killed % 2 == night:  # it was done before its moment came: let the next find work
            for file in [*(out / "bottles").iterdir(), *(out / "curves").iterdir()]:
                file.unlink()
    for as_of in nights:
        subprocess.run(program(data, out, as_of=as_of), check=True, timeout=WITHIN_S, capture_output=True)
    assert written(out) == written(tmp_path / "whole")

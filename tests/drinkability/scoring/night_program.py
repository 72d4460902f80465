"""A night as a process of its own, to be killed or looked at from outside: DATA BUNDLE OUT AS_OF [local|daft]."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from cellar_drinkability.scoring import pool
from cellar_drinkability.scoring.night import run_night
from cellar_shared.display import Reporter

if __name__ == "__main__":
    data, bundle, out, as_of, engine = sys.argv[1:6]
    running = pool.run
    if engine == "daft":
        from cellar_drinkability.scoring.daft_engine import run as running
    reporter = Reporter()
    report = run_night(
        Path(data), Path(bundle), Path(out), date.fromisoformat(as_of), engine=running, model="night_model:ArithmeticModel",
        watch=reporter.measuring, say=reporter.say,
    )  # fmt: skip
    sys.stdout.write("\n".join(each.part for each in report.set_aside))

"""What commands show: progress on standard error, one result on standard output, as text or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES: Final = 5.0


class Reporter:
    """Shows a command's progress and its result; with `as_json` the result is one JSON document for machines."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def counting(self, title: str) -> Iterator[Callable[[str, int], None]]:
        """Progress of work whose end is not known: yields `tell(what, count)`."""
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(title)
            yield lambda what, count: bar.update(task, description=f"{title}: {count:,} {what}")

    @contextmanager
    def advancing(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        """Progress of a known number of steps: yields `step(note)`, to be called after each. In a log, a line a step."""
        if not self.console.is_terminal:
            done, began = 0, time.monotonic()

            def log(note: str = "") -> None:
                nonlocal done
                done += 1
                self.say(f"{title} {done}/{total} {note} ({time.monotonic() - began:.0f} s)")

            yield log
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(title, total=total)

            def step(note: str = "") -> None:
                bar.update(task, advance=1, description=f"{title} {note}".rstrip())

            yield step

    @contextmanager
    def measuring(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress of `total` rows: yields `tell(rows)`, to be called for each lot that is done. Shows rows a second and the time left.

        In a log it writes a line at most every few seconds, and one at the end.
        """
        done, began = 0, time.monotonic()
        said = began
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        ) as bar:  # fmt: skip
            task = bar.add_task(title, total=total)

            def tell(rows: int) -> None:
                nonlocal done, said
                done += rows
                now = time.monotonic()
                text = f"{title} {_so_far(done, total, now - began)}"
                bar.update(task, completed=done, description=text)
                if not self.console.is_terminal and (now - said >= SECONDS_BETWEEN_LINES or done >= total):
                    said = now
                    self.say(text)

            yield tell

    def say(self, text: str) -> None:
        """A line for the person who watches, on standard error."""
        self.console.print(text, markup=False)

    def result(self, facts: Mapping[str, Any], text: str) -> None:
        """The command's result on standard output."""
        sys.stdout.write((json.dumps(facts, default=str) if self.as_json else text) + "\n")
        sys.stdout.flush()


def _so_far(done: int, total: int, seconds: float) -> str:
    per_second = done / max(seconds, 1e-9)
    left = (total - done) / max(per_second, 1e-9)
    return f"{done:,} of {total:,} rows, {per_second:,.0f} a second, {left:,.0f} s left"

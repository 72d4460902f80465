"""Adds up the metrics of every process that writes into one folder, living or dead; whoever serves /metrics calls it.

Counters and histograms add up over all processes that ever wrote: a restart is no reset. Gauges speak of those that live.
"""

from __future__ import annotations

import fcntl
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cellar_shared.durable import write_durably
from cellar_shared.telemetry.exposition import Buckets, TextFamily, read, written
from cellar_shared.telemetry.names import BY_PROMETHEUS_NAME
from cellar_shared.telemetry.snapshots import LOCK, RUN_LINE, SNAPSHOT, folder_lock, is_live

logger = logging.getLogger("cellar.telemetry")

# What dead processes left is added up in one file once it lies in more than this many (judgement: a folder stays small).
DEAD_MOST: Final = 8
DEAD_FILE: Final = "dead.sum"

_RUN = re.compile(rf"^{RUN_LINE}(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    file: Path
    is_live: bool
    written_ns: int
    runs: frozenset[str]
    families: list[TextFamily]


def summed(folder: Path) -> bytes:
    """Prometheus' text of all snapshots in `folder` together; empty where there are none."""
    if not folder.is_dir():
        return b""
    if sum(not is_live(file) for file in folder.glob(f"*{SNAPSHOT}")) > DEAD_MOST:
        fold_dead(folder)
    with folder_lock(folder, fcntl.LOCK_SH):
        snapshots = _snapshots(folder)
    latest_last = sorted(snapshots, key=lambda snapshot: (snapshot.is_live, snapshot.written_ns))
    return written(together(snapshot.families for snapshot in latest_last)).encode()


def fold_dead(folder: Path) -> None:
    """Put what dead processes left into one file. Whenever it is cut short, each of them is still counted once."""
    with folder_lock(folder, fcntl.LOCK_EX):
        snapshots = _snapshots(folder)
        dead = [snapshot for snapshot in snapshots if not snapshot.is_live]
        total = written(together(snapshot.families for snapshot in dead))
        runs = sorted(frozenset[str]().union(*(snapshot.runs for snapshot in dead)))
        write_durably(folder / DEAD_FILE, ("".join(f"{RUN_LINE}{run}\n" for run in runs) + total).encode())
        live = {snapshot.file for snapshot in snapshots if snapshot.is_live}
        for file in folder.glob(f"*{SNAPSHOT}"):
            if file not in live:
                file.unlink(missing_ok=True)
                file.with_suffix(LOCK).unlink(missing_ok=True)
        # What was folded is gone, so its names need not be kept.
        write_durably(folder / DEAD_FILE, total.encode())


def _snapshots(folder: Path) -> list[_Snapshot]:
    """The dead's sum and every snapshot that it does not hold already; gauges of the dead are left out."""
    folded = _opened(folder / DEAD_FILE, is_live=False) if (folder / DEAD_FILE).is_file() else None
    found = [] if folded is None else [folded]
    for file in sorted(folder.glob(f"*{SNAPSHOT}")):
        snapshot = _opened(file, is_live(file))
        if snapshot and (snapshot.is_live or folded is None or not snapshot.runs & folded.runs):
            found.append(snapshot)
    return found


def _opened(file: Path, is_live: bool) -> _Snapshot | None:
    try:
        text = file.read_text("utf-8")
        families = read(text)
    except (OSError, ValueError) as error:
        logger.warning("%s is no snapshot of metrics and is left out (%s)", file, type(error).__name__)
        return None
    lasting = [family for family in families if is_live or family.kind != "gauge"]
    return _Snapshot(file, is_live, file.stat().st_mtime_ns, frozenset(_RUN.findall(text)), lasting)


def together(parts: Iterable[Iterable[TextFamily]]) -> list[TextFamily]:
    """One set of families out of several; of a gauge that takes the last, the later part's counts."""
    merged: dict[str, TextFamily] = {}
    for part in parts:
        for family in part:
            into = merged.setdefault(family.name, TextFamily(family.name, family.kind, family.description))
            metric = BY_PROMETHEUS_NAME.get(family.name)
            across = metric.across if metric and family.kind == "gauge" else "sum"
            for pairs, value in family.numbers.items():
                before = into.numbers.get(pairs)
                if before is None or across == "last":
                    into.numbers[pairs] = value
                else:
                    into.numbers[pairs] = max(before, value) if across == "max" else before + value
            for pairs, buckets in family.buckets.items():
                into.buckets[pairs] = _added(into.buckets.get(pairs, Buckets()), buckets)
    return list(merged.values())


def _added(one: Buckets, other: Buckets) -> Buckets:
    """Both series in one. Where their bounds differ, as after a release that changed them, counts are lower bounds."""
    bounds = one.upto.keys() | other.upto.keys()
    return Buckets({bound: one.at(bound) + other.at(bound) for bound in bounds}, one.total + other.total)

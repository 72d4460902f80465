"""The prediction log: a row for each wine answered, off the request's path, bounded in memory and on disk.

A service calls `record`; a thread of its own hashes, encodes and writes. Whatever fails costs rows, which are counted
(`cellar.predictions.rows`), and never a request.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import msgspec

from cellar_shared.errors import BadInput
from cellar_shared.telemetry import names
from cellar_shared.telemetry.forgetting import LIST, Entries, entries, sealed, sealed_after_crash
from cellar_shared.telemetry.member_hash import KEY_VARIABLE, MemberHash
from cellar_shared.telemetry.prediction_files import LogFile, now_us, tidied
from cellar_shared.telemetry.recorder import RECORDER, Recorder

logger = logging.getLogger("cellar.telemetry")

FOLDER: Final = "CELLAR_PREDICTION_LOG"
SAMPLE_RATE: Final = "CELLAR_PREDICTION_LOG_SAMPLE_RATE"
BUDGET_MIB: Final = "CELLAR_PREDICTION_LOG_BUDGET_MIB"
FILE_MIB: Final = "CELLAR_PREDICTION_LOG_FILE_MIB"

# Seconds of a busy service, some tens of megabytes (judgement).
QUEUED_ROWS_MOST: Final = 50_000
EVERY_S: Final = 0.1
CLOSED_WITHIN_S: Final = 5.0
TELL_AGAIN_S: Final = 60.0
HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class PredictionSettings:
    """Where the prediction log goes and how much of it there may be."""

    folder: Path
    sample_rate: float = 1.0
    budget_bytes: int = 10 << 30
    file_bytes: int = 64 << 20
    key: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> Self | None:
        """The settings, `folder` before the environment's; None without a folder; BadInput for what cannot be meant.

        The folder and the key beside it are made here, so that whoever starts the service hears what is wrong with them.
        """
        known = {SAMPLE_RATE, BUDGET_MIB, FILE_MIB}
        for name in sorted(environment):
            if name.startswith(f"{FOLDER}_") and name not in known:
                raise BadInput(f"{name} is not a setting of the prediction log; there are {', '.join(sorted(known))}")
        named = folder or (Path(environment[FOLDER]) if environment.get(FOLDER) else None)
        if named is None:
            return None
        settings = cls(
            named,
            _number(environment, SAMPLE_RATE, 1.0, 1.0),
            int(_number(environment, BUDGET_MIB, 10_240, 1 << 30) * (1 << 20)),
            int(_number(environment, FILE_MIB, 64, 1 << 12) * (1 << 20)),
            environment.get(KEY_VARIABLE),
        )
        try:
            named.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"the prediction log's folder {named} cannot be made ({error.strerror}); name another") from error
        settings.member_hash()
        return settings

    def member_hash(self) -> MemberHash:
        """The hash that members stand under in this log; `cellar forget` asks for the same."""
        return MemberHash.beside(self.folder, self.key)


def _number(environment: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = environment.get(name)
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not 0 < value <= most:
        raise BadInput(f"{name} is {str(text)[:40]!r}; give a number above 0 and up to {most:g}")
    return value


@dataclass(frozen=True, slots=True)
class Answered:
    """One request's answer, as the log takes it; sequences hold one value a wine, in the order asked."""

    request_id: str
    asked_at: datetime
    as_of: str  # RFC 3339
    member_id: str | None
    wine_ids: Sequence[str]
    vintages: Sequence[int | None]
    raw_scores: Sequence[float]
    probabilities: Sequence[float]
    bundle: str
    generation: str
    deployment: str
    attempt: int
    degraded: Sequence[str]
    feature_fingerprint: str


class PredictionRow(msgspec.Struct, frozen=True):
    """A row of table predictions, columns in its schema's order."""

    request_id: str
    position: int
    asked_at: datetime
    as_of: str
    member_hash: str | None
    wine_id: str
    vintage: int | None
    raw_score: float
    probability: float
    lo: float | None
    hi: float | None
    bundle: str
    generation: str
    deployment: str
    attempt: int
    degraded: Sequence[str]
    feature_fingerprint: str
    sample_rate: float


def is_sampled(request_id: str, rate: float) -> bool:
    """Does a log with this rate hold the request? Every process and slot decides the same."""
    return rate >= 1 or int.from_bytes(sha256(request_id.encode()).digest()[:8]) < rate * 2.0**64


class PredictionLog:
    """One process's part of the log; made after the process has started, for it starts a thread."""

    def __init__(self, settings: PredictionSettings, recorder: Recorder = RECORDER) -> None:
        self._settings = settings
        self._recorder = recorder
        self._hash = settings.member_hash()
        self._queue: deque[Answered] = deque()
        self._queued_rows = 0
        self._lock = threading.Lock()
        self._file: LogFile | None = None
        self._forgotten: Entries = {}
        self._forgotten_at: int | None = None
        self._told_at = -TELL_AGAIN_S
        self._encoder = msgspec.json.Encoder()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def record(self, answered: Answered) -> None:
        """Take the rows in, if the request is in the sample and there is room; returns at once and never raises."""
        try:
            rows = len(answered.wine_ids)
            if not is_sampled(answered.request_id, self._settings.sample_rate):
                return
            with self._lock:
                if self._queued_rows + rows <= QUEUED_ROWS_MOST and not self._closing.is_set():
                    self._queued_rows += rows
                    self._queue.append(answered)
                    return
            self._recorder.count(names.PREDICTION_ROWS, rows, ("dropped",))
        except Exception:
            self._recorder.count(names.PREDICTION_ROWS, 1, ("dropped",))

    def close(self) -> None:
        """Write what is queued and seal the file, within bounds; what a stuck disk holds up is left for the next start."""
        self._closing.set()
        self._thread.join(CLOSED_WITHIN_S)

    def _run(self) -> None:
        self._safely(self._start)
        while not self._closing.wait(EVERY_S):
            self._safely(self._step)
        self._safely(self._step)
        self._safely(self._seal)
        self._recorder.count(names.PREDICTION_ROWS, self._queued_rows, ("dropped",))  # what the disk refused to the last

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            # Of an OSError the system's own words; of anything else its class: a message may hold a row.
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            if time.monotonic() - self._told_at >= TELL_AGAIN_S:
                self._told_at = time.monotonic()
                logger.error("the prediction log in %s cannot be written (%s); rows are dropped", self._settings.folder, reason)

    def _start(self) -> None:
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        sealed_after_crash(self._settings.folder)
        self._tidy()

    def _step(self) -> None:
        self._look_around()
        while self._queue:
            self._look_around()  # the queue may never run empty
            with self._lock:
                answered = self._queue.popleft()
                self._queued_rows -= len(answered.wine_ids)
            self._write(answered)
            time.sleep(0)  # a request that waits for the interpreter goes first

    def _look_around(self) -> None:
        """Seal the file when it is full, its hour is over or somebody in it was forgotten."""
        self._look_who_is_forgotten()
        if self._file and (self._file.size >= self._settings.file_bytes or now_us() // HOUR_US != self._file.opened_us // HOUR_US):
            self._seal()

    def _write(self, answered: Answered) -> None:
        rows = len(answered.wine_ids)
        try:
            member_hash = self._hash.of(answered.member_id) if answered.member_id is not None else None
            until = self._forgotten.get(member_hash or "")
            if until is not None and answered.asked_at.timestamp() * 1_000_000 <= until:
                self._recorder.count(names.PREDICTION_ROWS, rows, ("forgotten",))
                return
            lines = self._encoder.encode_lines(list(_rows(answered, member_hash, self._settings.sample_rate)))
            if self._file is None:
                self._file = LogFile.create(self._settings.folder)
            self._file.append(lines)
        except Exception:
            self._recorder.count(names.PREDICTION_ROWS, rows, ("dropped",))
            raise
        self._recorder.count(names.PREDICTION_ROWS, rows, ("written",))

    def _look_who_is_forgotten(self) -> None:
        """Read the list when it has changed; a file that holds rows from before an entry is sealed without them."""
        try:
            changed_at = (self._settings.folder / LIST).stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed_at == self._forgotten_at:
            return
        self._forgotten = entries(self._settings.folder)
        self._forgotten_at = changed_at
        if self._file and any(moment >= self._file.opened_us for moment in self._forgotten.values()):
            self._seal()

    def _seal(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            rows = sealed(file, self._settings.folder)
        except Exception:
            file.abandon()
            raise
        self._recorder.count(names.PREDICTION_ROWS, rows, ("forgotten",))
        self._tidy()

    def _tidy(self) -> None:
        self._recorder.count(names.PREDICTION_ROWS, tidied(self._settings.folder, self._settings.budget_bytes), ("expired",))


def _rows(answered: Answered, member_hash: str | None, sample_rate: float) -> Iterator[PredictionRow]:
    wines = zip(answered.wine_ids, answered.vintages, answered.raw_scores, answered.probabilities, strict=True)
    for position, (wine_id, vintage, raw_score, probability) in enumerate(wines):
        yield PredictionRow(
            answered.request_id,
            position,
            answered.asked_at,
            answered.as_of,
            member_hash,
            wine_id,
            vintage,
            raw_score,
            probability,
            None,
            None,
            answered.bundle,
            answered.generation,
            answered.deployment,
            answered.attempt,
            answered.degraded,
            answered.feature_fingerprint,
            sample_rate,
        )

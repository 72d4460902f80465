"""Takes members out of the prediction log: `cellar forget` calls `forget`, and writers ask the list it leaves them.

A file that a living process writes is not touched by anybody else. The list says who was forgotten when; its writer sees
that at once, leaves the rows out and seals the file. An entry goes when no file from before it is open any longer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cellar_shared.telemetry.prediction_files import OPEN, SEALED, LogFile, held, now_us, open_files, opened_us, replaced, sealed_files

LIST: Final = "forgotten.json"
FORGETTING_LOCK: Final = ".forgetting"
# Past this a writer that is alive has seen the list, and rows that it had not written yet are gone.
ENTRY_KEPT_US: Final = 60_000_000
POLL_S: Final = 0.05

# Who, by member hash, and up to which moment (microseconds since 1970) nothing about them may stay.
Entries = Mapping[str, int]


class Forgotten(NamedTuple):
    """What came of it: rows taken out of files, and files whose writer had not yet let go of theirs."""

    rows: int
    pending: int


class _Line(msgspec.Struct):
    asked_at: datetime
    member_hash: str | None


_decode = msgspec.json.Decoder(_Line).decode


def entries(folder: Path) -> Entries:
    """The list; empty where there is none."""
    try:
        return msgspec.json.decode((folder / LIST).read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}


def without(content: bytes, forgotten: Entries) -> bytes:
    """The lines of a file but for those of a forgotten member from before their moment."""
    needles = [member_hash.encode() for member_hash in forgotten]
    if not any(needle in content for needle in needles):
        return content
    return b"".join(line for line in content.splitlines(keepends=True) if not _is_forgotten(line, needles, forgotten))


def _is_forgotten(line: bytes, needles: list[bytes], forgotten: Entries) -> bool:
    if not any(needle in line for needle in needles):
        return False
    row = _decode(line)
    until = forgotten.get(row.member_hash or "")
    return until is not None and round(row.asked_at.timestamp() * 1_000_000) <= until


def sealed(file: LogFile, folder: Path) -> int:
    """Seal a file without what is to be forgotten, and shorten the list; how many rows were left out."""
    with held(folder):
        return _sealed(file, folder)


def _sealed(file: LogFile, folder: Path) -> int:
    listed = entries(folder)
    rows = file.seal(lambda content: without(content, listed))
    _shorten(folder, listed)
    return rows


def sealed_after_crash(folder: Path) -> int:
    """Seal every open file whose process is gone; how many."""
    count = 0
    with held(folder):
        _swept(folder, f".predictions-*{OPEN}.*")
    for path in open_files(folder):
        with held(folder):
            if file := LogFile.adopt(path):
                _sealed(file, folder)
                count += 1
    return count


def forget(folder: Path, member_hashes: Iterable[str], wait_s: float = 2.0) -> Forgotten:
    """Take every row of these members out of the log in `folder`, written up to now; again does no harm.

    Waits up to `wait_s` for living writers. Whenever it is cut short, calling it again finishes it; a row is never lost
    with it that belongs to somebody else.
    """
    if not folder.is_dir():
        return Forgotten(0, 0)
    moment = now_us()
    rows = 0
    with held(folder, FORGETTING_LOCK):
        sealed_after_crash(folder)
        _swept(folder, f".predictions-*{SEALED}.*")
        with held(folder):
            listed = dict(entries(folder)) | dict.fromkeys(member_hashes, moment)
            replaced(folder / LIST, msgspec.json.encode(listed))
            files = sealed_files(folder)
            waiting = {file: _rows_in(file, listed) for file in open_files(folder)}
        for file in files:
            with suppress(FileNotFoundError):  # deleted meanwhile to keep to the budget
                content = file.read_bytes()
                kept = without(content, listed)
                if len(kept) != len(content):
                    rows += content.count(b"\n") - kept.count(b"\n")
                    if kept:
                        replaced(file, kept)
                    else:
                        file.unlink()
    end = time.monotonic() + wait_s
    while (pending := [file for file in waiting if file.exists()]) and time.monotonic() < end:
        time.sleep(POLL_S)
    rows += sum(found for file, found in waiting.items() if file not in pending)  # which their writers took out
    return Forgotten(rows, len(pending))


def _rows_in(file: Path, forgotten: Entries) -> int:
    """How many rows of a file that is being written are to go; a line that is half written is none yet."""
    with suppress(FileNotFoundError):  # sealed meanwhile
        content = file.read_bytes()
        content = content[: content.rfind(b"\n") + 1]
        return content.count(b"\n") - without(content, forgotten).count(b"\n")
    return 0


def _swept(folder: Path, pattern: str) -> None:
    """Delete half-written copies of files that a crash left; the caller holds the lock under which they are written."""
    for left in folder.glob(pattern):
        if re.fullmatch(r"[0-9a-f]{8}", left.name.rpartition(".")[2]):
            left.unlink(missing_ok=True)


def _shorten(folder: Path, listed: Entries) -> None:
    """Drop entries that no open file needs any longer; the caller holds the folder."""
    oldest = min((opened_us(file) for file in open_files(folder)), default=now_us())
    still = {member_hash: moment for member_hash, moment in listed.items() if moment >= min(oldest, now_us() - ENTRY_KEPT_US)}
    if len(still) != len(listed):
        replaced(folder / LIST, msgspec.json.encode(still))

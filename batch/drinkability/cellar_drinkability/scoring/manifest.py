"""What a night says of itself: its parts with their digests, its counts, what has changed since the night before; `close` writes it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from cellar_drinkability.scoring.layout import MANIFEST, Broken
from cellar_drinkability.scoring.reasons import CODES
from cellar_shared.ageing.curve import PHASES
from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput

FORMAT: Final = 1
NO_PHASE: Final = "none"


class ListedPart(msgspec.Struct, frozen=True):
    """One part of the night: what it was made of, its files' names and the SHA-256 of its rows; `as_it_stood` as in Part."""

    part: str
    part_digest: str
    bottles: str
    curves: str
    sha256: str
    bytes: int
    rows_in: int
    consumed: int
    rows: int
    as_it_stood: date | None = None


class Share(msgspec.Struct, frozen=True):
    """How many bottles, and what share of all."""

    bottles: int
    share: float


class Changes(msgspec.Struct, frozen=True):
    """What has changed since the night of `since`: bottles by what happened; `files` of table changes list them.

    `gone` are the files that keep what had been said of bottles that are no longer there.
    """

    since: date
    bottles: dict[str, int]
    files: list[str]
    gone: list[str] = []


class NightManifest(msgspec.Struct, frozen=True):
    """What a night was. All but `times` is the same however often it was interrupted.

    `rows_in` = `rows` + `consumed`, in sum and in each part; `consumed` are those that were not there, in a night of the past also
    bottles that came later. `reasons` has every code and, last, `null`: nothing to add.
    """

    format: int
    as_of: date
    bundle: str
    code: str
    inputs: str
    rows_in: int
    consumed: int
    rows: int
    curves: int
    phases: dict[str, Share]
    reasons: dict[str, Share]
    parts: list[ListedPart]
    set_aside: list[Broken]
    changes: Changes | None
    pace: list[str]
    times: dict[str, Any]

    def text(self) -> str:
        """The night for a person."""
        lines = [f"{self.as_of}: {self.rows:,} bottles scored, {self.consumed:,} consumed, {len(self.parts):,} parts, bundle {self.bundle}"]
        lines.append("phase: " + ", ".join(f"{name} {each.share:.1%}" for name, each in self.phases.items() if each.bottles))
        said = ", ".join(f"{code} {each.share:.2%}" for code, each in self.reasons.items() if each.bottles)
        lines.append(f"reason: {said}")
        if self.changes is not None:
            happened = ", ".join(f"{count:,} {what}" for what, count in self.changes.bottles.items())
            lines.append(f"since {self.changes.since}: {happened}")
        lines += [f"set aside {each.part}: {each.error}" for each in self.set_aside]
        return "\n".join(lines)


def shares(counts: list[int], names: tuple[str, ...], last: str) -> dict[str, Share]:
    """Counts by name, `last` being what has none."""
    total = sum(counts)
    return {name: Share(count, round(count / total, 6) if total else 0.0) for name, count in zip((*names, last), counts, strict=True)}


def phase_shares(counts: list[int]) -> dict[str, Share]:
    return shares(counts, PHASES, NO_PHASE)


def reason_shares(counts: list[int]) -> dict[str, Share]:
    return shares(counts, CODES, "null")


def write_manifest(manifest: NightManifest, *places: Path) -> None:
    """Write the manifest to each of `places`."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    for place in places:
        write_durably(place, content)


def read_manifest(file: Path) -> NightManifest:
    """The manifest in `file`; BadInput when it is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=NightManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{file} is no night's {MANIFEST} ({error}); name the --out of a night that was closed") from error

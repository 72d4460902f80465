"""Where the marks of a picture go: a line a name, its interval and its value above one axis; evaluation pages draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.wording import ticks

WIDTH: Final = 420.0  # of the axis, in SVG units
ROW: Final = 40.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One line: places along the axis (None where undefined) and the height `y` at which its name stands."""

    name: str
    y: float
    x: float | None
    low: float | None
    high: float | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Picture:
    """Marks from above to below; `ticks` are places along the axis with their labels, `zero` the place of 0 where the axis holds it."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float | None
    width: float
    height: float


def picture_of(found: Mapping[str, Estimate]) -> Picture:
    """The picture of `found`, in its order, on an axis that holds every value and every interval."""
    known = [value for each in found.values() for value in (each.low, each.value, each.high) if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    padding = 0.05 * (high - low) or 0.001
    start, end = low - padding, high + padding

    def place(value: float) -> float:
        return WIDTH * (value - start) / (end - start)

    def place_known(value: float | None) -> float | None:
        return None if value is None else place(value)

    marks = tuple(
        Mark(name, 16 + ROW * row, place_known(each.value), place_known(each.low), place_known(each.high), each)
        for row, (name, each) in enumerate(found.items())
    )
    axis = tuple((place(value), label) for value, label in ticks(start, end))
    return Picture(marks, axis, place(0.0) if start <= 0 <= end else None, WIDTH, 16 + ROW * len(marks))

"""A number with its interval, as evaluations write it."""

from __future__ import annotations

import msgspec


class Estimate(msgspec.Struct, frozen=True):
    """A number and its 95 % interval; None where it is undefined (no pair to rank, fewer than two clusters)."""

    value: float | None
    low: float | None
    high: float | None

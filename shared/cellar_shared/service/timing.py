"""Where a request's time went: the score route and services mark stages, `frame` writes Server-Timing from them."""

from __future__ import annotations

from time import perf_counter


class Stages:
    """A lap stopwatch that starts when it is made."""

    __slots__ = ("_laps", "_last")

    def __init__(self) -> None:
        self._last = perf_counter()
        self._laps: list[tuple[str, float]] = []

    def lap(self, name: str) -> None:
        """Book the time since the last lap to `name`, a token (RFC 9110: letters, digits, - and _ will do)."""
        now = perf_counter()
        self._laps.append((name, (now - self._last) * 1000))
        self._last = now

    @property
    def laps(self) -> list[tuple[str, float]]:
        """Every stage so far and its milliseconds, in order."""
        return self._laps

    def header(self) -> bytes:
        """The Server-Timing value, durations in milliseconds, in the order of the laps; empty without one."""
        return ", ".join([f"{name};dur={ms:.3f}" for name, ms in self._laps]).encode()

"""Which kind of answer there is time for: ranked, else the list of the night, else what is popular; the service asks it per request."""

from __future__ import annotations

from typing import Final, Literal

Rung = Literal["ranked", "precomputed", "popular"]

SPARE: Final = 1.5  # ranking may take this much longer than it lately did before it would be too late (judgement)
NEWEST: Final = 0.1  # weight of the newest ranking in what one is taken to cost
FORGOTTEN: Final = 0.98  # of that, with every answer that was not ranked: after a busy minute it is tried again


class Ladder:
    """How long ranking lately took, and what that leaves time for. Of one event loop."""

    __slots__ = ("ranking_ms",)

    def __init__(self, ranking_ms: float = 0.0) -> None:
        """`ranking_ms` is what one ranking is taken to cost; 0 until the first has been seen."""
        self.ranking_ms = ranking_ms

    def rung(self, left_ms: float, has_list: bool) -> Rung:
        """The best that `left_ms` until the deadline allow."""
        if left_ms >= SPARE * self.ranking_ms:
            return "ranked"
        self.ranking_ms *= FORGOTTEN
        return "precomputed" if has_list else "popular"

    def took(self, ms: float) -> None:
        """One ranking took `ms`."""
        self.ranking_ms = ms if not self.ranking_ms else self.ranking_ms + NEWEST * (ms - self.ranking_ms)

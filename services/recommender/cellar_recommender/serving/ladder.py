"""Which kind of answer there is time for: ranked, else the list of the night, else what is popular; the service asks it per request."""

from __future__ import annotations

from typing import Final, Literal

Rung = Literal["ranked", "precomputed", "popular"]

SPARE: Final = 1.5  # ranking may take this much longer than it lately did before it would be too late (judgement)
NEWEST: Final = 0.1  # weight of the newest ranking in what one is taken to cost
FORGOTTEN: Final = 0.98  # of that, with every answer that was not ranked: after a busy minute it is tried again


class Ladder:
    """How long ranking lately took, and what that leaves time for. Of one event loop.

    Several members' chances are told for every candidate, one's only for what is shown: so for several it is another figure, of each.
    """

    __slots__ = ("several_ms", "single_ms")

    def __init__(self, ranking_ms: float = 0.0) -> None:
        """`ranking_ms` is what one ranking is taken to cost for each member; 0 until the first has been seen."""
        self.single_ms = self.several_ms = ranking_ms

    def rung(self, left_ms: float, has_list: bool, members: int = 1) -> Rung:
        """The best that `left_ms` until the deadline allow for so many `members`."""
        if left_ms >= SPARE * members * (self.single_ms if members == 1 else self.several_ms):
            return "ranked"
        if members == 1:
            self.single_ms *= FORGOTTEN
        else:
            self.several_ms *= FORGOTTEN
        return "precomputed" if has_list else "popular"

    def took(self, ms: float, members: int = 1) -> None:
        """One ranking for so many `members` took `ms`."""
        if members == 1:
            self.single_ms = _newer(self.single_ms, ms)
        else:
            self.several_ms = _newer(self.several_ms, ms / members)


def _newer(before_ms: float, ms: float) -> float:
    return ms if not before_ms else before_ms + NEWEST * (ms - before_ms)

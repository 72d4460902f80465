"""A member's bottles as filters see them: which are there, what is known of each; out of the store or out of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.columns import Identities, Mask, Vintages
from cellar_recommender.serving.contract import BOTTLES_TOLD_MOST, BottleGiven, BottleTold
from cellar_shared.ageing.curve import DATES, LAST_DAY, PHASES
from cellar_shared.features.histories import NON_VINTAGE, UNKNOWN_VINTAGE
from cellar_shared.features.identity import identity
from cellar_shared.store.cellars import NO_PHASE, UNKNOWN, Cellar

_EPOCH: Final = date(1970, 1, 1).toordinal()
FIRST_DAY: Final = date.min.toordinal() - _EPOCH  # a window that nobody gave a beginning


@dataclass(frozen=True, slots=True)
class Bottles:
    """Bottles that are not consumed: `cellar` as the store has it, `wines` (bottles,) int64 identities.

    What is not there is on its way: it is owned, and cannot be opened.
    """

    cellar: Cellar
    wines: Identities

    @property
    def is_there(self) -> Mask:
        """Which bottles lie in the cellar; (bottles,) bool."""
        return self.cellar.is_there

    @classmethod
    def stored(cls, cellar: Cellar) -> Self:
        """A stored cellar's bottles."""
        return cls(cellar, _identities(cellar.wine_ids))

    @classmethod
    def given(cls, bottles: Sequence[BottleGiven]) -> Self:
        """The bottles of a request; of two with one id the last counts."""
        kept = [bottle for bottle in {bottle.bottle_id: bottle for bottle in bottles}.values() if bottle.state != "consumed"]
        cellar = Cellar(
            [bottle.bottle_id for bottle in kept],
            [bottle.wine_id for bottle in kept],
            [bottle.location for bottle in kept],
            [bottle.bin for bottle in kept],
            np.array([_vintage(bottle.vintage) for bottle in kept], dtype=np.int64),
            np.array([UNKNOWN if bottle.size_ml is None else bottle.size_ml for bottle in kept], dtype=np.int64),
            np.array([dates_given(bottle) for bottle in kept], dtype=np.int64).reshape(-1, len(DATES)).T,
            np.array([bottle.state == "stored" for bottle in kept], dtype=bool),
        )
        return cls(cellar, _identities(cellar.wine_ids))

    @classmethod
    def none(cls) -> Self:
        """No bottle at all."""
        return cls.given([])

    def with_more(self, other: Bottles) -> Bottles:
        """These bottles and `other`: those of several members, who drink together."""
        return Bottles(self.cellar.with_more(other.cellar), np.concatenate([self.wines, other.wines]))

    def told(self, wines: Identities, vintages: Vintages, shown: Mask, day: int, *, is_of_bottles: bool = False) -> list[list[BottleTold]]:
        """Of each wine in its vintage (items,) the bottles that are `shown` (bottles,), as an answer has them, with their phases on `day`.

        BOTTLES_TOLD_MOST of an item at most. What must be drunk soonest comes first, where nobody knows by when last; otherwise in the
        order of the cellar. A vintage unknown on either side fits any; not so where items are wines of bottles (`is_of_bottles`):
        there it is one of its own.
        """
        last = self.cellar.dates[-1]
        soonest = np.argsort(np.where(last == UNKNOWN, LAST_DAY + 1, last), kind="stable")
        soonest = soonest[shown[soonest] & np.isin(self.wines[soonest], wines)]
        held: dict[int, list[tuple[int, int]]] = {}
        for at, wine, vintage in zip(soonest.tolist(), self.wines[soonest].tolist(), self.vintages[soonest].tolist(), strict=True):
            held.setdefault(wine, []).append((at, vintage))
        phases = self.cellar.phases(day)
        anything = () if is_of_bottles else (UNKNOWN_VINTAGE,)
        found = [
            [at for at, of in held.get(wine, ()) if of == vintage or vintage in anything or of in anything][:BOTTLES_TOLD_MOST]
            for wine, vintage in zip(wines.tolist(), vintages.tolist(), strict=True)
        ]
        return [[self._told(at, int(phases[at])) for at in of_item] for of_item in found]

    def _told(self, at: int, phase: int) -> BottleTold:
        cellar, last = self.cellar, int(self.cellar.dates[-1][at])
        return BottleTold(
            bottle_id=cellar.bottle_ids[at],
            location=cellar.locations[at],
            bin=cellar.bins[at],
            size_ml=None if cellar.sizes_ml[at] == UNKNOWN else int(cellar.sizes_ml[at]),
            phase=None if phase == NO_PHASE else PHASES[phase],
            drink_by=None if last in (UNKNOWN, LAST_DAY) else date.fromordinal(last + _EPOCH).isoformat(),
        )

    @property
    def vintages(self) -> Vintages:
        """The vintages as questions have them, UNKNOWN_VINTAGE where nobody knows. (bottles,) int64."""
        return np.where(self.cellar.vintages == UNKNOWN, UNKNOWN_VINTAGE, self.cellar.vintages)


def dates_given(bottle: BottleGiven) -> tuple[int, ...]:
    """The four DATES of a request's bottle in days since 1970, all known or all UNKNOWN.

    A window stated by years is the whole of its last year, and nothing better is known of its peak than the window. Dates that
    contradict each other are none.
    """
    first = bottle.ready_from or (date(int(bottle.window_from), 1, 1) if bottle.window_from is not None else None)
    last = bottle.drink_by or (date(int(bottle.window_to), 12, 31) if bottle.window_to is not None else None)
    if first is None and last is None and bottle.peak_from is None and bottle.peak_to is None:
        return (UNKNOWN,) * len(DATES)
    ready_from = FIRST_DAY if first is None else _day(first)
    drink_by = LAST_DAY if last is None else _day(last)
    peak_from = ready_from if bottle.peak_from is None else _day(bottle.peak_from)
    peak_to = drink_by if bottle.peak_to is None else _day(bottle.peak_to)
    days = (ready_from, peak_from, peak_to, drink_by)
    return days if list(days) == sorted(days) else (UNKNOWN,) * len(DATES)


def within_window(cellar: Cellar, day: int) -> tuple[Mask, npt.NDArray[np.bool_]]:
    """Which bottles are known to be within their window on `day` (days since 1970), and which have a window at all. (bottles,) each."""
    is_known = cellar.dates[0] != UNKNOWN
    return is_known & (cellar.dates[0] <= day) & (day <= cellar.dates[-1]), is_known


def _identities(wine_ids: Sequence[str]) -> Identities:
    return np.array([identity("wine", wine_id) for wine_id in wine_ids], dtype=np.int64)


def _vintage(vintage: float | str | None) -> int:
    if vintage is None:
        return UNKNOWN
    return NON_VINTAGE if vintage == "NV" else int(vintage)


def _day(day: date) -> int:
    return day.toordinal() - _EPOCH

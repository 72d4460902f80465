"""The plan's question in arrays: what each opening of each line gives in each year, and what there is of bottles and evenings.

`plan_solver` looks for the best answer, `plan_baseline` for what people do without a plan; both are judged by `Setting.worth`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_tonight.evening import Line
from cellar_tonight.plan_evenings import BOTTLE_ML, Kind, kinds_of, share_left
from cellar_tonight.plan_terms import PlanTerms

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# A bottle to be drunk by so many years after the last that is planned, or later, will find its evening (judgement).
SETTLED_YEARS: Final = 5
SLOWEST, FASTEST = 12, 156  # bottles a year, where the stock decides: one a month, three a week (judgement)


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is known of the question, for `lines` (n) with a curve, `kinds` (k) of evenings, and periods (t).

    The periods are `years` and a last one that stands for as many years again: it gives a bottle that is left its worth, on evenings
    like those of the years, so that no holiday lures a bottle out that is better later. An answer is `opened` (k, n, t): on how many
    evenings of a kind a line is opened in a period; each takes `need` (k, n) bottles.
    """

    numbers: Ints  # (n,) the lines' places among the evening's
    lines: tuple[Line, ...]
    years: tuple[int, ...]
    kinds: tuple[Kind, ...]
    now: Ints  # (n,) bottles that lie there
    stock: Ints  # (n,) with those awaited: in all periods but the first
    enjoyment: Floats  # (n, t) of one bottle, 0 to 1; 0 where it is not to be opened
    gain: Floats  # (k, n, t) of one evening, less by what is later, before what repetition loses; 0 where it is not for such an evening
    need: Ints  # (k, n)
    is_kind: Bools  # (k, n) whether the line is of the kind that such evenings prefer
    evenings: Ints  # (k, t)
    capacity: Ints  # (t,) bottles
    repeat_loss: Floats  # (evenings with the same line in one year,) shares of
    at_stake: Floats  # (n, t): the enjoyment, less by what is later; 0 after the last year

    @property
    def bottles_a_year(self) -> int:
        """In a whole year, at most."""
        return int(self.capacity[-1]) // len(self.years)

    def left(self, opened: Ints) -> Ints:
        """Bottles of each line that are there after the last year (n,)."""
        return np.asarray(self.stock - self.used(opened)[:, :-1].sum(axis=1))

    def used(self, opened: Ints) -> Ints:
        """Bottles of each line in each period (n, t)."""
        return np.asarray(np.einsum("kn,knt->nt", self.need, opened))

    def fits(self, opened: Ints) -> bool:
        """Whether there are the bottles and the evenings for it."""
        used = self.used(opened)
        return bool(
            (opened >= 0).all()
            and (opened[self.gain <= 0] == 0).all()
            and (used.sum(axis=1) <= self.stock).all()
            and (used[:, 0] <= self.now).all()
            and (opened.sum(axis=1) <= self.evenings).all()
            and (used.sum(axis=0) <= self.capacity).all()
        )

    def worth(self, opened: Ints) -> tuple[float, float]:
        """What the years give, and what the bottles that are kept for later promise."""
        place = np.arange(int(self.stock.max(initial=0)))
        losses = self.repeat_loss[np.minimum(place, len(self.repeat_loss) - 1)]
        lost = self.at_stake * np.concatenate([[0.0], np.cumsum(losses)])[opened.sum(axis=0)]
        worth = (self.gain * opened).sum(axis=(0, 1)) - lost.sum(axis=0)  # (t,)
        return float(worth[:-1].sum()), float(worth[-1])


def setting_of(lines: Sequence[Line], years: Sequence[int], terms: PlanTerms) -> Setting:
    """The question for the lines that have a curve and a bottle."""
    chosen = [(number, line) for number, line in enumerate(lines) if line.standing.by_year and line.bottles + line.awaited > 0]
    taken, span = tuple(line for _, line in chosen), len(years)
    pace = pace_of(taken, span, terms.least_drinkability) if terms.bottles_a_year is None else terms.bottles_a_year
    share = share_left(terms.from_day)
    capacity = np.array([math.ceil(pace * share), *[pace] * (span - 1), pace * span], np.int64)
    kinds = kinds_of(years, terms, pace, share)
    evenings = np.array([[*map(len, kind.names), kind.a_year * span] for kind in kinds], np.int64)

    drinkability = np.array([[*line.standing.by_year, _later(line, years[-1])] for line in taken]).reshape(len(taken), span + 1)
    is_special = drinkability >= terms.least_special
    enjoyment = _enjoyment(taken, drinkability, years[-1], terms)
    after = np.array([*years, years[-1] + 1]) - years[0]
    discounted = enjoyment * (1 - terms.discount) ** after
    sizes = np.array([line.size_ml or BOTTLE_ML for line in taken], np.int64)
    is_kind = np.array([[kind.is_preferred(line) for line in taken] for kind in kinds], bool)
    dear = _dearness(taken)
    gain = np.zeros((len(kinds), *discounted.shape))
    for k, kind in enumerate(kinds):
        bonus = kind.bonus * (1 + kind.value_weight * dear) * np.where(is_kind[k], 1, terms.other_kind)
        is_for = kind.takes(sizes)[:, None] & (kind.is_everyday | is_special) & (evenings[k] > 0)
        gain[k] = np.where(is_for, kind.servings * discounted * (1 + bonus)[:, None], 0.0)
    return Setting(
        numbers=np.array([number for number, _ in chosen], np.int64),
        lines=taken,
        years=tuple(years),
        kinds=kinds,
        now=np.array([line.bottles for line in taken], np.int64),
        stock=np.array([line.bottles + line.awaited for line in taken], np.int64),
        enjoyment=enjoyment,
        gain=gain,
        need=np.stack([kind.need(sizes) for kind in kinds]),
        is_kind=is_kind,
        evenings=evenings,
        capacity=capacity,
        repeat_loss=np.array(terms.repeat_loss),
        at_stake=discounted * (np.arange(span + 1) < span),
    )


def pace_of(lines: Sequence[Line], span: int, least: float) -> int:
    """Bottles a year at which all that is past its best before the last of `span` years can be drunk within them, from 12 to 156.

    Without those that never reach the `least` drinkability.
    """
    best = [(line, int(np.argmax(line.standing.by_year))) for line in lines]
    fading = sum(line.bottles + line.awaited for line, at in best if at < span - 1 and line.standing.by_year[at] >= least)
    return max(SLOWEST, min(FASTEST, math.ceil(fading / span)))


def _dearness(lines: Sequence[Line]) -> Floats:
    """From -1 (the cheapest line by the litre) to 1 (the dearest), by rank within its currency; 0 where nobody said (n,)."""
    dear = np.zeros(len(lines))
    for currency in sorted({line.currency or "" for line in lines}):
        known = [number for number, line in enumerate(lines) if line.value is not None and (line.currency or "") == currency]
        by_litre = np.array([(lines[number].value or 0.0) / (lines[number].size_ml or BOTTLE_ML) for number in known])
        if len(known) > 1:
            below, upto = (np.searchsorted(np.sort(by_litre), by_litre, side) for side in ("left", "right"))
            dear[known] = (below + upto - 1) / (len(known) - 1) - 1  # lines of one value share their mean rank
    return dear


def _enjoyment(lines: Sequence[Line], drinkability: Floats, last: int, terms: PlanTerms) -> Floats:
    """Drinkability times taste, 0 below the least; after the year `last` in shares of SETTLED_YEARS (n, t)."""
    taste = np.array([terms.neutral_taste if line.taste.chance is None else line.taste.chance for line in lines])
    years = np.array([SETTLED_YEARS if line.standing.drink_by is None else line.standing.drink_by.year - last for line in lines])
    enjoyment = np.where(drinkability >= terms.least_drinkability, drinkability, 0.0) * taste[:, None]
    enjoyment[:, -1] *= np.clip(years / SETTLED_YEARS, 0, 1)  # to be drunk by soon, it may not find its evening in time
    return np.asarray(enjoyment)


def _later(line: Line, last: int) -> float:
    """Drinkability that a bottle may be expected to have when it is opened after the year `last`: that of `last`, or more.

    A line that still improves gets what a parabola through the last value, with the last slope, reaches where its peak begins.
    """
    *before, drinkability = line.standing.by_year
    peak_from = line.standing.peak_from
    if not before or peak_from is None:
        return drinkability
    return min(1.0, drinkability + max(0.0, drinkability - before[-1]) * max(0, peak_from.year - last) / 2)

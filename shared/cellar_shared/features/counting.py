"""Turns ratings into running counts; training and `materialize` call it, so both count alike.

A like is first compared with everyone's trailing rate, then with what the wine let expect on that day; what a member's
earlier ratings left over is their leniency, which is taken off before the rating is booked to its wine and groups. Every
comparison uses earlier days only (the leniency: earlier ratings of the member), so no count knows its own future.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import day_of
from cellar_shared.features.counts import (
    GREAT_FROM,
    LIKE_PRIOR,
    POOR_AT_MOST,
    STRENGTH_PRIOR,
    YEAR_DAYS,
    RunningCounts,
    group_keys,
    shrink_to_long_run,
)
from cellar_shared.features.expectation import expect
from cellar_shared.features.histories import Events, wines_of
from cellar_shared.features.wines import Wines

LENIENCY_BELIEF: Final = 3.0  # ratings' worth of belief in the average member
# What is added up is rounded to multiples of this (likes, units of strength). Their sums are exact in any order, so no
# count depends, not even in its last bit, on events that it does not count.
FINEST: Final = 2.0**-20
ROWS_AT_ONCE: Final = 250_000

Float64s = npt.NDArray[np.float64]


def count_ratings(wines: Wines, events: Events, members: npt.NDArray[np.int32]) -> RunningCounts:
    """Running counts of dated `events` (EVENT) given by `members` (events,); rows index `wines`, -1 is an unknown wine."""
    order = np.lexsort((members, events["moment"]))
    events, members = events[order], members[order]
    days = day_of(events["moment"])
    liked, strengths = events["liked"].astype(np.float64), events["strength"].astype(np.float64)
    means = np.column_stack([_trailing(days, liked, LIKE_PRIOR), _trailing(days, strengths, STRENGTH_PRIOR)])
    above = np.column_stack([liked, strengths]) - means
    plain = np.column_stack([np.ones(len(events)), liked, strengths <= POOR_AT_MOST, strengths >= GREAT_FROM])
    # Of millions of ratings few differ in wine and vintage.
    both = events["row"].astype(np.int64) << 16 | (events["vintage"].astype(np.int64) & 0xFFFF)
    _, first, pair = np.unique(both, return_index=True, return_inverse=True)
    records = wines_of(wines, events["row"][first])
    keys = group_keys(records, events["vintage"][first])

    def counted(above_of_group: Float64s, unexplained: Float64s) -> RunningCounts:
        values = np.column_stack([plain, _in_steps(above_of_group)])
        everyone = np.column_stack([plain, _in_steps(unexplained), _in_steps(strengths)])
        return RunningCounts.joined(((of_group[pair], days, values) for of_group in keys.T), days, everyone)

    rough = counted(above, above[:, 0])
    expected = np.empty_like(above)
    for start in range(0, len(events), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        expected[some] = expect(rough, records[pair[some]], events["vintage"][some], days[some]).above("wine_vintage")
    del rough
    surprise = _in_steps(above - expected)
    leniency = _leniency(members, surprise)
    return counted(above - leniency, (surprise - leniency)[:, 0])


def _in_steps(values: Float64s) -> Float64s:
    return np.rint(values / FINEST) * FINEST


def _trailing(days: npt.NDArray[np.int64], values: Float64s, prior: float) -> Float64s:
    """Everyone's mean of `values` over the year before each event's day (days ascending), shrunk to the long run."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    now, year_ago = np.searchsorted(days, days), np.searchsorted(days, days - YEAR_DAYS)
    year_rated, rated = (now - year_ago).astype(np.float64), now.astype(np.float64)
    return shrink_to_long_run(total[now] - total[year_ago], year_rated, total[now], rated, prior)


def _leniency(members: npt.NDArray[np.int32], surprise: Float64s) -> Float64s:
    """Each rater's mean surprise over their earlier ratings (rows in order of time), shrunk to 0; (rows, 2)."""
    order = np.argsort(members, kind="stable")
    sorted_members, values = members[order], surprise[order]
    total = np.cumsum(values, axis=0) - values
    first = np.searchsorted(sorted_members, sorted_members)
    earlier = np.arange(len(order)) - first
    leniency = np.empty_like(surprise)
    leniency[order] = (total - total[first]) / (earlier + LENIENCY_BELIEF)[:, None]
    return leniency

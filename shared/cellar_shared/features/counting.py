"""Turns ratings into running counts; training and `materialize` call it, so both count alike.

A like is first compared with everyone's trailing rate, then with what the wine let expect on that day; what a member's
earlier ratings left over is their leniency, which is taken off before the rating is booked to its wine and groups. Every
comparison uses earlier days only (the leniency: earlier ratings of the member), so no count knows its own future.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import day_of
from cellar_shared.features.counts import (
    GREAT_FROM,
    LIKE_PRIOR,
    POOR_AT_MOST,
    ROWS_AT_ONCE,
    STRENGTH_PRIOR,
    TOTALS,
    YEAR_DAYS,
    RunningCounts,
    added_up,
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

Float64s = npt.NDArray[np.float64]
Rows = slice | npt.NDArray[np.int64]
Of = Callable[[Rows], Float64s]  # what some rows have, worked out when it is asked for


def count_ratings(wines: Wines, events: Events, members: npt.NDArray[np.int32]) -> RunningCounts:
    """Running counts of dated `events` (EVENT) given by `members` (events,); rows index `wines`, -1 is an unknown wine."""
    order = np.lexsort((members, events["moment"]))
    events, members = events[order], members[order]
    del order
    days = day_of(events["moment"])
    each_day = np.unique(days)
    means = np.column_stack(
        [_trailing(days, each_day, events["liked"], LIKE_PRIOR), _trailing(days, each_day, events["strength"], STRENGTH_PRIOR)]
    )
    # Of millions of ratings few differ in wine and vintage.
    both = events["row"].astype(np.int64) << 16 | (events["vintage"].astype(np.int64) & 0xFFFF)
    _, example, pair = np.unique(both, return_index=True, return_inverse=True)
    del both
    pair = pair.astype(np.int32)
    records, vintages = wines_of(wines, events["row"][example]), events["vintage"][example]
    keys = group_keys(records, vintages)

    def above(rows: Rows) -> Float64s:
        """How far likes and strengths lie above everyone's trailing means; (rows, 2)."""
        given = np.column_stack([events["liked"][rows], events["strength"][rows].astype(np.float64)])
        return given - means[np.searchsorted(each_day, days[rows])]

    def plain(rows: Rows) -> Float64s:
        strengths = events["strength"][rows]
        return np.column_stack([np.ones(len(strengths)), events["liked"][rows], strengths <= POOR_AT_MOST, strengths >= GREAT_FROM])

    def counted(above_of_group: Of, unexplained: Of) -> RunningCounts:
        everyone = np.zeros((len(each_day), len(TOTALS)))
        for rows in _some(len(events)):
            strengths = events["strength"][rows].astype(np.float64)
            values = np.column_stack([plain(rows), _in_steps(unexplained(rows)), _in_steps(strengths)])
            day = np.searchsorted(each_day, days[rows])
            first = np.flatnonzero(np.diff(day, prepend=-1))
            everyone[day[first]] += np.add.reduceat(values, first, axis=0)
        of_keys = added_up(keys, pair, days, lambda rows: np.column_stack([plain(rows), _in_steps(above_of_group(rows))]))
        return RunningCounts(*of_keys, each_day, np.cumsum(everyone, axis=0))

    rough = counted(above, lambda rows: above(rows)[:, 0])
    surprise = np.empty((len(events), 2))
    for rows in _some(len(events)):
        expected = expect(rough, records[pair[rows]], events["vintage"][rows], days[rows]).above("wine_vintage")
        surprise[rows] = _in_steps(above(rows) - expected)
    del rough
    leniency = _leniency(members, surprise)
    return counted(lambda rows: above(rows) - leniency[rows], lambda rows: surprise[rows, 0] - leniency[rows, 0])


def _some(rows: int) -> Iterator[slice]:
    """All rows, so many at a time."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE))


def _in_steps(values: Float64s) -> Float64s:
    return np.rint(values / FINEST) * FINEST


def _trailing(days: npt.NDArray[np.int64], asked: npt.NDArray[np.int64], values: npt.NDArray[Any], prior: float) -> Float64s:
    """Everyone's mean of `values` over the year before each `asked` day (days ascending), shrunk to the long run."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    now, year_ago = np.searchsorted(days, asked), np.searchsorted(days, asked - YEAR_DAYS)
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

"""What people do without a plan: open what is due soonest. `plan` says how much better it is, and is never worse."""

from __future__ import annotations

from datetime import date

import numpy as np

from cellar_tonight.plan_setting import Bools, Ints, Setting


def soonest_due(setting: Setting) -> Ints:
    """Openings (k, n, t): period by period, special evenings first, each time the ready line that is due soonest, overdue ones last.

    On a day that prefers a kind of wine one of that kind, if there is one.
    """
    opened = np.zeros(setting.gain.shape, np.int64)
    left, capacity = setting.now.copy(), setting.capacity.copy()
    special_first = sorted(range(len(setting.kinds)), key=lambda number: setting.kinds[number].is_everyday)
    for t, year in enumerate((*setting.years, setting.years[-1] + 1)):
        if t == 1:
            left += setting.stock - setting.now
        order, is_ready = _order(setting, year), _is_ready(setting, t)
        for k in special_first:
            in_turn = order[np.argsort(~setting.is_kind[k, order], kind="stable")]
            for _ in range(setting.evenings[k, t]):
                can = is_ready & (setting.gain[k, :, t] > 0) & (setting.need[k] <= np.minimum(left, capacity[t]))
                if not can.any():
                    break
                line = in_turn[np.argmax(can[in_turn])]
                opened[k, line, t] += 1
                left[line] -= setting.need[k, line]
                capacity[t] -= setting.need[k, line]
    return opened


def _order(setting: Setting, year: int) -> Ints:
    """The lines as they are due in a year."""

    def due(number: int) -> tuple[bool, date]:
        drink_by = setting.lines[number].standing.drink_by or date.max
        return drink_by.year < year, drink_by

    return np.array(sorted(range(len(setting.lines)), key=due), np.int64)


def _is_ready(setting: Setting, period: int) -> Bools:
    """Whether each line is ready in a period (n,); after the last year it will be, one day."""
    if period == len(setting.years):
        return np.ones(len(setting.lines), bool)
    ready = (line.standing.ready_from for line in setting.lines)
    return np.array([day is None or day.year <= setting.years[period] for day in ready], bool)

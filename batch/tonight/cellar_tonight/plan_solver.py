"""The best plan as an integer program, solved by HiGHS (scipy.optimize.milp).

Columns are evenings of a kind with a line in a period, and further evenings with the same line in the same year: a piecewise linear loss.
Rows are stock, evenings, capacity. Where each evening takes one bottle this is a flow through a network (a column's rows are nested sets
of lines and nested sets of years): the corners of the linear program are whole numbers, and it alone is solved. Guest evenings that take
several bottles break that and need branching. Opening nothing is always allowed, so the program cannot be infeasible.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from cellar_tonight.plan_setting import Floats, Ints, Setting


@dataclass(frozen=True, slots=True)
class Answer:
    """Openings (k, n, t), None where the time was too short for any; the bound that no answer can exceed, None where there is none."""

    opened: Ints | None
    bound: float | None
    is_cut_short: bool = False


@dataclass(slots=True)
class _Rows:
    """Constraints `coefficients @ columns <= limits`, gathered block by block."""

    limits: list[Floats] = field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    count: int = 0

    def add(self, limits: npt.ArrayLike, *entries: tuple[Ints, Ints, npt.ArrayLike]) -> None:
        """A row for each of `limits`; each of `entries` holds rows among them, columns and coefficients."""
        limit = np.asarray(limits, np.float64)
        for row, column, coefficient in entries:
            self.entries.append((row + self.count, column, np.broadcast_to(np.asarray(coefficient, np.float64), column.shape)))
        self.limits.append(limit)
        self.count += len(limit)

    def constraint(self, columns: int) -> LinearConstraint:
        row, column, value = (np.concatenate(parts) for parts in zip(*self.entries, strict=True))
        return LinearConstraint(csr_array((value, (row, column)), shape=(self.count, columns)), ub=np.concatenate(self.limits))


def solve(setting: Setting, time_limit_s: float, relative_gap: float) -> Answer:
    """The best openings that HiGHS finds; its seed is fixed, so the same question has the same answer unless time cuts it short."""
    opened = np.zeros(setting.gain.shape, np.int64)
    most = _most(setting)
    k, n, t = np.nonzero(most)
    if not len(k):
        return Answer(opened, 0.0)
    need = setting.need[k, n]
    # The first evening with a line in a period loses what it loses; further ones are in segments of one each, the last without an end.
    periods = len(setting.capacity)
    pairs, pair = np.unique(n * periods + t, return_inverse=True)
    at_stake = setting.at_stake.reshape(-1)[pairs]
    reach = np.minimum(np.bincount(pair, most[k, n, t], len(pairs)), setting.stock[pairs // periods])
    first, further = setting.repeat_loss[0], setting.repeat_loss[1:]
    segment, of = np.nonzero(np.arange(1, len(further) + 1)[:, None] < reach)
    is_last = segment == len(further) - 1
    opens, repeats = np.arange(len(k)), len(k) + np.arange(len(of))

    rows = _Rows()
    rows.add(setting.stock, (n, opens, need))
    early = t == 0
    rows.add(setting.now, (n[early], opens[early], need[early]))
    rows.add(setting.evenings.reshape(-1), (k * periods + t, opens, 1))
    rows.add(setting.capacity, (t, opens, need))
    # A line's evenings in a period are at most 1 and its segments. Where it has none, nothing can be repeated, or nothing more is lost.
    one = np.full(len(pairs), np.inf)
    one[of] = 1
    rows.add(one, (pair, opens, 1), (of, repeats, -1))

    is_flow = bool((need == 1).all())
    result = milp(
        -np.concatenate([setting.gain[k, n, t] - first * at_stake[pair], (first - further)[segment] * at_stake[of]]),
        integrality=np.concatenate([np.full(len(opens), 0 if is_flow else 1), np.zeros(len(repeats))]),
        bounds=Bounds(0, np.concatenate([most[k, n, t], np.where(is_last, np.inf, 1.0)])),
        constraints=rows.constraint(len(opens) + len(repeats)),
        options={"time_limit": time_limit_s, "mip_rel_gap": relative_gap},
    )
    is_cut_short = result.status != 0
    lowest = result.mip_dual_bound if not is_flow else None if is_cut_short else result.fun
    bound = -lowest if lowest is not None and np.isfinite(lowest) else None
    if result.x is None:
        return Answer(None, bound, is_cut_short)
    opened[k, n, t] = np.round(result.x[: len(opens)])
    return Answer(opened, bound, is_cut_short)


def _most(setting: Setting) -> Ints:
    """Evenings of each kind, with each line, in each period at most (k, n, t): what one of them alone allows."""
    there = np.repeat(setting.stock[:, None], len(setting.capacity), axis=1)
    there[:, 0] = setting.now
    bottles = np.minimum(there, setting.capacity) // setting.need[:, :, None]
    return np.where(setting.gain > 0, np.minimum(bottles, setting.evenings[:, None, :]), 0)

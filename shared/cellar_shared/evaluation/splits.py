"""The evaluation protocol: which ratings a recipe may learn from, which it is asked about, and what it may see by then.

Every split is made from the data alone, by time and by a seeded draw; each one's model learns from the past of its test
rows only. Parameters stop at the cut, features go on: a test row sees what had happened before its own moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.store.rating_log import RatingLog

Mask = npt.NDArray[np.bool_]

WARM_SHARE: Final = 0.05  # of the latest ratings
COLD_MEMBER_SHARE: Final = 0.2  # so that the interval of a difference is narrower than the margin of .005
COLD_WINE_SHARE: Final = 0.1
COLD_WINE_FEWEST: Final = 5  # ratings of a wine, so that an interval over wines means something
COLD_MONTHS: Final = 24  # the ends of the cold splits: long enough for counts, recent enough for today's drift
FROZEN_TEST_MONTHS: Final = 6
DAYS_PER_MONTH: Final = 30.4375
FEWEST_ROWS: Final = 100  # a split with less says nothing; its place says so


@dataclass(frozen=True, slots=True)
class HistoryRule:
    """What a test row sees of its member's ratings before its moment: all, none, or the first few."""

    first: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a rating log; masks are (ratings,) bool.

    `counted`: ratings that enter running counts. `visible`: ratings that may stand in histories. `train`: ratings learnt
    from, all before `cut` and all counted. `test`: ratings asked about.
    """

    name: str
    title: str
    cut: int
    counted: Mask
    visible: Mask
    train: Mask
    test: Mask
    history: HistoryRule
    cluster: Literal["member", "wine"]
    note: str


def make_splits(log: RatingLog, seed: int, only: tuple[str, ...] = ()) -> list[Split]:
    """The splits of the protocol, or those named in `only`; BadInput for a name there is not or a log too small."""
    dated = log.events["moment"] != NEVER
    if dated.sum() < 2 * FEWEST_ROWS:
        raise BadInput(f"{int(dated.sum())} dated ratings are too few to evaluate on; {2 * FEWEST_ROWS} is the least")
    unknown = set(only) - set(MAKERS)
    if unknown:
        raise BadInput(f"split {', '.join(sorted(unknown))} is not known; there are {', '.join(MAKERS)}")
    return [maker(log, dated, seed) for name, maker in MAKERS.items() if not only or name in only]


def _end(log: RatingLog, dated: Mask) -> int:
    return int(log.events["moment"][dated].max()) + 1


def _months(count: float) -> int:
    return int(count * DAYS_PER_MONTH) * MICROSECONDS_PER_DAY


def _known(identities: npt.NDArray[np.int32], train: Mask) -> Mask:
    known = np.zeros(int(identities.max(initial=0)) + 2, dtype=bool)
    known[identities[train]] = True
    known[-1] = False  # a wine that the catalogue lacks
    return known[identities]


def _warm(log: RatingLog, dated: Mask, seed: int) -> Split:
    moments = log.events["moment"]
    cut = int(np.quantile(moments[dated], 1 - WARM_SHARE))
    train = dated & (moments < cut)
    test = dated & ~train & _known(log.members, train) & _known(log.events["row"], train)
    return Split("warm", "Known members, known wines: the latest ratings", cut, dated, dated, train, test, HistoryRule(), "member",
                 f"latest {WARM_SHARE:.0%} of ratings; members and wines with a rating before the cut")  # fmt: skip


def _cold_members(first: int, name: str, title: str) -> Callable[[RatingLog, Mask, int], Split]:
    def make(log: RatingLog, dated: Mask, seed: int) -> Split:
        moments = log.events["moment"]
        draw = np.random.default_rng([seed, 1]).permutation(len(log.member_ids)) < COLD_MEMBER_SHARE * len(log.member_ids)
        cold = draw[log.members]
        cut = _end(log, dated) - _months(COLD_MONTHS)
        place = np.arange(len(log.members)) - log.offsets[log.members]
        test = dated & cold & (moments >= cut) & (place >= first)
        known = dated & ~cold
        return Split(name, title, cut, known, dated, known & (moments < cut), test, HistoryRule(first), "member",
                     f"{COLD_MEMBER_SHARE:.0%} of members, never learnt from or counted; the last {COLD_MONTHS} months")  # fmt: skip

    return make


def _cold_wines(log: RatingLog, dated: Mask, seed: int) -> Split:
    moments, rows = log.events["moment"], log.events["row"]
    ratings = np.bincount(rows[dated & (rows >= 0)], minlength=len(log.wines))
    often = np.flatnonzero(ratings >= COLD_WINE_FEWEST)
    chosen = np.random.default_rng([seed, 2]).choice(often, size=min(len(often), max(1, int(COLD_WINE_SHARE * len(often)))), replace=False)
    cold = np.isin(rows, chosen)
    cut = _end(log, dated) - _months(COLD_MONTHS)
    known = dated & ~cold
    train = known & (moments < cut)
    return Split("cold_wines", "Wines nobody has rated", cut, known, known, train, dated & cold & (moments >= cut), HistoryRule(), "wine",
                 f"{COLD_WINE_SHARE:.0%} of wines, never learnt from, counted or in a history; intervals over wines")  # fmt: skip


def _frozen(months: int) -> Callable[[RatingLog, Mask, int], Split]:
    def make(log: RatingLog, dated: Mask, seed: int) -> Split:
        moments = log.events["moment"]
        begin = _end(log, dated) - _months(FROZEN_TEST_MONTHS)
        cut = begin - _months(months)
        train = dated & (moments < cut)
        return Split(f"frozen_{months}", f"A model frozen {months} months", cut, dated, dated, train, dated & (moments >= begin),
                     HistoryRule(), "member", f"the last {FROZEN_TEST_MONTHS} months; parameters {months} months older")  # fmt: skip

    return make


MAKERS: Final[dict[str, Callable[[RatingLog, Mask, int], Split]]] = {
    "warm": _warm,
    "members_5": _cold_members(5, "members_5", "New members with five ratings"),
    "members_0": _cold_members(0, "members_0", "New members with none"),
    "cold_wines": _cold_wines,
    "frozen_12": _frozen(12),
    "frozen_18": _frozen(18),
}

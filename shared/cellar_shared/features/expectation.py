"""What the average member would make of a wine as of a midnight: counts of narrower groups drawn towards wider ones.

Each level is a shrunken mean: (sum + k * wider level) / (ratings + k), k ratings' worth of belief in the wider level. The
wider levels leave the wine's own ratings out, so that a wine nobody has rated and one that many have rated read the same
group alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.counts import ABOVE, GREAT, GROUPS, POOR, RATED, YEAR_DAYS, Everyone, RunningCounts, group_keys
from cellar_shared.features.identity import UNKNOWN
from cellar_shared.features.wines import Wines

# Belief in the wider level, in ratings (judgement).
BELIEF: Final = {"type": 50.0, "country_type": 30.0, "region_type": 30.0, "grape_type": 30.0, "producer": 20.0}
WINE_BELIEF: Final = 6.0
VINTAGE_BELIEF: Final = 10.0
YEAR_BELIEF: Final = 15.0
END_BELIEF: Final = 10.0
REGION_SHARE: Final = 0.6  # of what is expected of a producer before its ratings: region against grape

Float64s = npt.NDArray[np.float64]
LEVELS: Final = ("country_type", "region_type", "grape_type", "producer", "wine", "wine_year", "wine_vintage")

_WINE: Final = GROUPS.index("wine")
_LOOK_BACK_DAYS: Final = np.array([0] * len(GROUPS) + [YEAR_DAYS])
_BELIEFS: Final = np.array([BELIEF[group] for group in GROUPS[:_WINE]])
_NARROW_BELIEFS: Final = np.array([YEAR_BELIEF, VINTAGE_BELIEF])[:, None, None]


@dataclass(frozen=True, slots=True)
class Expectation:
    """Per wine asked: what everyone's trailing means and the wine's groups let expect.

    `levels` (LEVELS, wines, 2) float64: how far likes and strengths at a level lie above everyone's trailing means.
    `ratings` (LEVELS, wines): how many ratings each stands on (the wine's own left out of groups). `poor`, `great` (wines,):
    how far the wine's shares of the scale's ends lie above everyone's.
    """

    everyone: Everyone
    levels: Float64s
    ratings: Float64s
    poor: Float64s
    great: Float64s

    def rows(self, part: slice) -> Expectation:
        """The expectation of some of the wines."""
        everyone = Everyone(*(getattr(self.everyone, name)[part] for name in Everyone.__slots__))
        return Expectation(everyone, self.levels[:, part], self.ratings[:, part], self.poor[part], self.great[part])

    def above(self, level: str) -> Float64s:
        """How far likes and strengths at `level` lie above everyone's; (wines, 2)."""
        return self.levels[LEVELS.index(level)]  # type: ignore[no-any-return]

    def like_chance(self, level: str) -> Float64s:
        """The chance of a like at `level`; (wines,) within .02 and .98."""
        chance: Float64s = np.clip(self.everyone.like_rate + self.above(level)[:, 0], 0.02, 0.98)
        return chance

    def strength(self, level: str) -> Float64s:
        """The strength to expect at `level`; (wines,)."""
        strength: Float64s = self.everyone.mean_strength + self.above(level)[:, 1]
        return strength


def expect(
    counts: RunningCounts,
    wines: Wines,
    vintages: npt.NDArray[np.int16],
    days: npt.NDArray[np.int64],
    is_hidden: npt.NDArray[np.bool_] | None = None,
) -> Expectation:
    """What to expect of `wines` (n,) of `vintages` (n,) before 00:00 UTC of `days` (n,).

    Where `is_hidden` (n,), as if nobody had ever rated the wine: how training shows a model wines that are new.
    """
    keys = group_keys(wines, vintages)
    # The wine's own key once more, a year earlier, in the same look-up.
    keys = np.concatenate([keys, keys[:, _WINE, None]], axis=1)
    tally = counts.before(keys, days[:, None] - _LOOK_BACK_DAYS)
    wine = tally[:, _WINE]
    # A group that the wine is not known to belong to has not counted the wine's own ratings either.
    groups = np.where(keys[:, :_WINE, None] == UNKNOWN, 0.0, tally[:, :_WINE] - wine[:, None])
    own = np.stack([wine, wine - tally[:, -1], tally[:, _WINE + 1]])
    if is_hidden is not None:
        own = own * ~is_hidden[:, None]
    everyone = counts.everyone_before(days)
    tails = own[0, :, [POOR, GREAT]] + END_BELIEF * (usual := np.stack([everyone.poor_rate, everyone.great_rate]))
    poor, great = tails / (own[0, :, RATED] + END_BELIEF) - usual
    ratings = np.concatenate([groups[:, 1:, RATED].T, own[..., RATED]])
    return Expectation(everyone, _chain(groups, own), ratings, poor, great)


def _chain(groups: Float64s, own: Float64s) -> Float64s:
    """LEVELS out of what the wider groups and the wine itself gathered."""
    belief = _BELIEFS[:, None]
    sums, rated = groups[..., ABOVE], groups[..., RATED, None]
    kind = sums[:, 0] / (rated[:, 0] + BELIEF["type"])
    places = (sums[:, 1:4] + belief[1:4] * kind[:, None]) / (rated[:, 1:4] + belief[1:4])
    about = REGION_SHARE * places[:, 1] + (1 - REGION_SHARE) * places[:, 2]
    producer = (sums[:, 4] + BELIEF["producer"] * about) / (rated[:, 4] + BELIEF["producer"])
    wine = (own[0, :, ABOVE] + WINE_BELIEF * producer) / (own[0, :, RATED, None] + WINE_BELIEF)
    narrower = (own[1:, :, ABOVE] + _NARROW_BELIEFS * wine) / (own[1:, :, RATED, None] + _NARROW_BELIEFS)
    return np.concatenate([np.moveaxis(places, 1, 0), producer[None], wine[None], narrower])

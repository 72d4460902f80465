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

from cellar_shared.features.counts import GROUPS, YEAR_DAYS, Days, Everyone, RunningCounts, Tally, group_keys
from cellar_shared.features.wines import Wines

# Belief in the wider level, in ratings; chosen on development splits of X-Wines, flat within a factor of two.
BELIEF: Final = {"type": 50.0, "country_type": 30.0, "region_type": 30.0, "grape_type": 30.0, "producer": 20.0}
WINE_BELIEF: Final = 6.0
VINTAGE_BELIEF: Final = 10.0
YEAR_BELIEF: Final = 15.0
END_BELIEF: Final = 10.0
REGION_SHARE: Final = 0.6  # of what is expected of a producer before its ratings: region against grape

Float64s = npt.NDArray[np.float64]
LEVELS: Final = ("country_type", "region_type", "grape_type", "producer", "wine", "wine_year", "wine_vintage")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Per wine asked: what everyone's trailing means and the wine's groups let expect.

    `likes`, `strengths`: level to (wines,) how far above everyone's trailing means the level lies. `ratings`: level to
    (wines,) how many ratings it stands on (the wine's own left out of groups). `poor`, `great` (wines,): how far the wine's
    shares of the scale's ends lie above everyone's.
    """

    everyone: Everyone
    likes: dict[str, Float64s]
    strengths: dict[str, Float64s]
    ratings: dict[str, Float64s]
    poor: Float64s
    great: Float64s

    def like_chance(self, level: str) -> Float64s:
        """The chance of a like at `level`; (wines,) within .02 and .98."""
        return np.clip(self.everyone.like_rate + self.likes[level], 0.02, 0.98)


def expect(
    counts: RunningCounts,
    wines: Wines,
    vintages: npt.NDArray[np.int16],
    days: Days,
    is_hidden: npt.NDArray[np.bool_] | None = None,
) -> Expectation:
    """What to expect of `wines` (n,) of `vintages` (n,) before 00:00 UTC of `days` (n,).

    Where `is_hidden` (n,), as if nobody had ever rated the wine: how training shows a model wines that are new.
    """
    keys = group_keys(wines, vintages)
    tally = counts.before(keys, days[:, None])
    wine = tally.column(GROUPS.index("wine"))
    year = wine - counts.before(keys[:, GROUPS.index("wine")], days - YEAR_DAYS)
    tallies = {group: tally.column(GROUPS.index(group)) - wine for group in BELIEF}
    own = {"wine": wine, "wine_year": year, "wine_vintage": tally.column(GROUPS.index("wine_vintage"))}
    if is_hidden is not None:
        own = {level: level_tally * ~is_hidden for level, level_tally in own.items()}
    tallies |= own
    everyone = counts.everyone(days)
    return Expectation(
        everyone,
        _chain(tallies, "likes_above"),
        _chain(tallies, "strength_above"),
        {level: level_tally.rated for level, level_tally in tallies.items()},
        _share(own["wine"].poor, own["wine"].rated, everyone.poor_rate),
        _share(own["wine"].great, own["wine"].rated, everyone.great_rate),
    )


def _share(count: Float64s, rated: Float64s, usual: Float64s) -> Float64s:
    """How far a share lies above the usual one, drawn to it by END_BELIEF ratings."""
    share: Float64s = (count + END_BELIEF * usual) / (rated + END_BELIEF) - usual
    return share


def _chain(tallies: dict[str, Tally], total: str) -> dict[str, Float64s]:
    def shrunk(level: str, wider: Float64s | float, belief: float) -> Float64s:
        tally = tallies[level]
        return (getattr(tally, total) + belief * wider) / (tally.rated + belief)  # type: ignore[no-any-return]

    kind = shrunk("type", 0.0, BELIEF["type"])
    made = {level: shrunk(level, kind, BELIEF[level]) for level in ("country_type", "region_type", "grape_type")}
    about = REGION_SHARE * made["region_type"] + (1 - REGION_SHARE) * made["grape_type"]
    made["producer"] = shrunk("producer", about, BELIEF["producer"])
    made["wine"] = shrunk("wine", made["producer"], WINE_BELIEF)
    made["wine_year"] = shrunk("wine_year", made["wine"], YEAR_BELIEF)
    made["wine_vintage"] = shrunk("wine_vintage", made["wine"], VINTAGE_BELIEF)
    return made

"""Draws members and the occasions on which they rate: tastes, generosity, when they join, how often and when they taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import Moments
from cellar_shared.events.simulate.catalogue import Floats32
from cellar_shared.events.simulate.families import Family
from cellar_shared.events.simulate.hierarchy import Ints
from cellar_shared.events.simulate.settings import MOMENTS_PER_YEAR, WORLD_BEGINS, WORLD_ENDS, WorldSettings

# History lengths as in X-Wines Slim (9,948 members): 2.4 % rated once, median 11, mean 12.7, 99 % at most 37.
RATED_ONCE: Final = 0.02
LENGTH_SPREAD: Final = 0.5
LEAST_SPAN: Final = 0.05  # of the time left, that a member stays
WITHIN_ARCHETYPE: Final = 0.6  # spread of tastes around their archetype, in the spread of the archetypes


@dataclass(frozen=True, slots=True)
class Occasions:
    """When a run of members taste: one row per rating to come, members ascending, each member's rows in time's order."""

    joined_at: Moments  # (members,)
    noise: Floats32  # (members,) divides the score
    member: Ints  # (rows,) index into the members of this run
    moment: Moments  # (rows,) whole seconds, never before the member joined
    taste: Floats32  # (rows, factors) the member's taste at that moment
    lean: Floats32  # (rows,) what member and time add to the score of any wine

    def only(self, kept: npt.NDArray[np.bool_]) -> Occasions:
        """The occasions whose row is kept; members stay."""
        rows = (self.member[kept], self.moment[kept], self.taste[kept], self.lean[kept])
        return Occasions(self.joined_at, self.noise, *rows)


def draw_occasions(settings: WorldSettings, members: int, archetypes: Floats32, rng: np.random.Generator) -> Occasions:
    """Everything about `members` new members that does not depend on the wines they choose."""
    family = settings.family
    span = WORLD_ENDS - WORLD_BEGINS
    joined = rng.random(members)  # evenly: ratings grow because earlier members go on
    stays = LEAST_SPAN + (1 - LEAST_SPAN) * rng.beta(1.5, 1.0, members)
    lengths = _lengths(settings.ratings_per_member, members, rng)
    noise = np.exp(rng.normal(0.0, family.noise, members)).astype(np.float32)
    generosity = family.generosity * _draws(family, members, rng)
    base = archetypes[rng.integers(len(archetypes), size=members)]
    base = base + WITHIN_ARCHETYPE * _draws(family, base.size, rng).reshape(base.shape)

    member = np.repeat(np.arange(members), lengths)
    first = np.cumsum(lengths) - lengths
    # Sorting member + u sorts each member's u and keeps members together.
    share = np.sort(member + rng.random(len(member))) - member
    share = joined[member] + (1 - joined[member]) * stays[member] * share
    seconds = np.minimum((share * span).astype(np.int64), span - 1) // 1_000_000
    joined_seconds = (joined * span).astype(np.int64) // 1_000_000

    years = share * span / MOMENTS_PER_YEAR
    passed = np.diff(years, prepend=0.0)
    passed[first] = 0.0
    steps = rng.standard_normal((len(member), base.shape[1])) * np.sqrt(np.maximum(passed, 0.0))[:, None] * family.wander
    walked = np.cumsum(steps, axis=0)
    walked -= walked[first][member]
    return Occasions(
        joined_at=WORLD_BEGINS + joined_seconds * 1_000_000,
        noise=noise,
        member=member,
        moment=WORLD_BEGINS + seconds * 1_000_000,
        taste=(base[member] + walked).astype(np.float32),
        lean=(generosity[member] + drift_of(family, share)).astype(np.float32),
    )


def draw_archetypes(family: Family, rng: np.random.Generator) -> Floats32:
    """Kinds of taste, (archetypes, factors), of unit variance with what members scatter around them."""
    spread = np.sqrt(1 - WITHIN_ARCHETYPE**2)
    return np.asarray(spread * rng.standard_normal((family.archetypes, family.taste_dimension)), np.float32)


def drift_of(family: Family, share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the times add to every score when `share` (0 to 1) of the world's ten years has passed."""
    match family.drift:
        case "linear":
            shape = share
        case "saturating":
            shape = 1 - np.exp(-4 * share)
        case "step":
            shape = (share >= 0.65).astype(np.float64)
        case "wave":
            shape = np.sin(2 * np.pi * 10 * share)
    return family.drift_size * shape


def _lengths(mean: float, members: int, rng: np.random.Generator) -> Ints:
    median = (mean - RATED_ONCE) / (1 - RATED_ONCE) / np.exp(LENGTH_SPREAD**2 / 2)
    drawn = np.maximum(1, np.rint(median * np.exp(rng.normal(0.0, LENGTH_SPREAD, members)))).astype(np.int64)
    return np.where(rng.random(members) < RATED_ONCE, 1, drawn)


def _draws(family: Family, count: int, rng: np.random.Generator) -> Floats32:
    """Draws of unit variance, normal or with the family's heavier tails."""
    if not family.tail:
        return rng.standard_normal(count).astype(np.float32)
    heavy = rng.standard_t(family.tail, count) / np.sqrt(family.tail / max(family.tail - 2, 0.5))
    return np.asarray(heavy, np.float32)

"""The named families of worlds: how taste, selection, drift and noise are shaped; the generator and its tests read them.

Every number is a judgement, set so that the base family looks like X-Wines (like rate .59, rising through the years,
wines differing more than members do) and that the others differ from it in the shape of their curves, not only in size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cellar_shared.errors import BadInput


@dataclass(frozen=True, slots=True)
class Family:
    """The shape of a world. Weights and sizes are in units of the score that the link turns into a chance."""

    name: str
    summary: str
    link: Literal["logistic", "probit", "cloglog", "cauchit"] = "logistic"
    lapse: float = 0.0  # chance that an answer has nothing to do with the score; half of these are likes
    quality_weight: float = 1.8  # what all members see in a wine
    taste_weight: float = 1.0  # what only this member sees in it
    taste_form: Literal["direction", "ideal"] = "direction"  # the more the better, or the closer the better
    taste_dimension: int = 6  # factors of style that taste looks at; the first five are named
    archetypes: int = 6  # kinds of taste that members scatter around
    tail: float = 0.0  # Student's degrees of freedom of tastes and generosity; 0 is normal
    generosity: float = 0.7
    noise: float = 0.2  # spread of log noise between members; noise divides the score
    wander: float = 0.12  # how far a taste walks in a year
    drift: Literal["linear", "saturating", "step", "wave"] = "linear"
    drift_size: float = 1.8  # rise of the score from the first day to the last
    selection: float = 0.35  # weight of the expected score in choosing a wine; 0 chooses by popularity alone
    popularity: float = 1.4  # spread of log popularity; X-Wines: mean / median of ratings per wine = exp(1.43² / 2)


FAMILIES = {
    family.name: family
    for family in (
        Family("base", "Looks like X-Wines: quality first, taste second, likes rise evenly through the years."),
        Family(
            "picky",
            "Taste counts more than quality, members know what they want and choose it; each has one ideal style.",
            quality_weight=1.5, taste_weight=1.5, taste_form="ideal", archetypes=12, generosity=0.5, selection=0.7, lapse=0.03,
        ),
        Family(
            "drifting",
            "Likes rise fast at first, then level off; tastes walk three times as far.",
            drift="saturating", drift_size=3.2, wander=0.4,
        ),
        Family(
            "crowd",
            "Few famous wines draw most ratings, tastes hardly differ, generosity does.",
            link="probit", quality_weight=1.0, taste_weight=0.35, taste_dimension=5, archetypes=3, generosity=0.6, drift_size=0.8,
            popularity=2.0, selection=0.2, noise=0.1,
        ),
        Family(
            "stepwise",
            "A change of the application raises ratings overnight; a like gets certain sooner than a dislike.",
            link="cloglog", quality_weight=1.05, taste_weight=0.75, generosity=0.45, noise=0.35, drift="step", drift_size=1.2,
            selection=0.5,
        ),
        Family(
            "eccentric",
            "Heavy tails: a few members with extreme tastes, no trend but a yearly wave, chosen without knowledge.",
            link="cauchit", quality_weight=1.5, taste_weight=1.3, taste_dimension=10, archetypes=20, tail=3.0, generosity=0.8, noise=0.4,
            drift="wave", drift_size=0.6, selection=0.05,
        ),
    )
}  # fmt: skip

HELD_OUT_FAMILIES = frozenset({"stepwise", "eccentric"})
"""Families that development, tuning and choosing between recipes never look at; only a final check of a model does. The
other families are for development. The generator's own tests look at all: they judge the world, not a model."""


def family_named(name: str) -> Family:
    """The family called `name`; BadInput names the families there are."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise BadInput(f"family {name!r} is not known; use one of {', '.join(FAMILIES)}") from None

"""The named ways in which wines of a made-up world age; truth is drawn from them, and no model's own form is among them.

A model of drinkability takes begin and end of a window as logistic on log age, one activation energy and one size exponent. Here
each wine has its own energy, exponent and curve of quality, and families differ in the form of what they draw, not only in its size.
Every number is a judgement unless it names its source, set so that facts explain about half of what differs between wines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cellar_shared.errors import BadInput


@dataclass(frozen=True, slots=True)
class AgeingFamily:
    """How wines age. Spreads are standard deviations on the log of effective years where nothing else is said."""

    name: str
    summary: str
    curve: Literal["bump", "plateau", "gamma", "lopsided"] = "bump"
    spread_form: Literal["normal", "student", "gumbel"] = "normal"  # of what is each wine's own
    own_begin: float = 0.17
    own_length: float = 0.20  # of the log of the years between begin and end
    bottling: float = 0.10  # of a vintage of a wine
    year: float = 0.08  # of a year in a region
    region: float = 0.12
    producer: float = 0.08
    quality_begin: float = 0.12  # per unit of quality
    quality_length: float = 0.20
    hurried: float = 0.0  # share of wines made for drinking at once, whatever their facts
    energy_form: Literal["lognormal", "uniform", "two"] = "lognormal"
    energy_kj: float = 78.0  # median; with its spread as wide as what is known of it (reference: ageing/arrhenius.py)
    energy_spread: float = 0.21
    exponent_form: Literal["normal", "uniform", "two"] = "normal"
    exponent_spread: float = 0.15  # of still wine's exponent around .35; two thirds of it for sparkling wine's around .86
    heat: float = 1.0  # how much of the heat's charge on the end a wine truly bears
    critic_noise: float = 0.08
    reviewer: float = 0.12  # how far reviewers differ from each other


AGEING: Final = {
    family.name: family
    for family in (
        AgeingFamily("classic", "Quality rises and falls evenly on log age; energies and exponents spread as they are thought to."),
        AgeingFamily(
            "skewed",
            "Quality follows a gamma curve of each wine's own skew; a few wines are far from what their facts say.",
            curve="gamma", spread_form="student", quality_begin=0.05, quality_length=0.30, energy_kj=72.0, hurried=0.05,
        ),
        AgeingFamily(
            "plateau",
            "Good for long, then over at once; energies and exponents evenly spread, reviewers far apart.",
            curve="plateau", energy_form="uniform", exponent_form="uniform", reviewer=0.18, heat=0.6, producer=0.12,
        ),
        AgeingFamily(
            "held-out",
            "Slow to come, quick to go, with late stragglers; two kinds of wine in energy and in what size does; heat bites harder.",
            curve="lopsided", spread_form="gumbel", energy_form="two", energy_kj=82.0, exponent_form="two", year=0.11, heat=1.4,
            quality_begin=0.18, quality_length=0.12, reviewer=0.15,
        ),
    )
}  # fmt: skip

HELD_OUT_AGEING: Final = frozenset({"held-out"})
"""The family that development, tuning and choosing between recipes never look at; only a final check of a model does."""


def ageing_named(name: str) -> AgeingFamily:
    """The family called `name`; BadInput names the families there are."""
    try:
        return AGEING[name]
    except KeyError:
        raise BadInput(f"ageing {name!r} is not known; use one of {', '.join(AGEING)}") from None

"""What speaks for and against opening a line tonight: a factor and a sentence for each reason; the choice multiplies them.

Every factor has a range, RANGES, so that none can drown the others; how far each reaches is judgement, said beside it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from cellar_tonight.character import known_of
from cellar_tonight.evening import Line, Standing, Taste, Why
from cellar_tonight.pairing import LEAST, MOST, Dish

CODES: Final = ("readiness", "opportunity", "taste", "food", "guests", "last_bottle", "value")
RANGES: Final[dict[str, tuple[float, float]]] = {
    # Twice the chance of being in its window: even chances are neutral. Not 0, so that in a cellar of doubtful bottles the rest counts.
    "readiness": (0.1, 2.0),
    # exp(2 x what a year costs): 35 points double a bottle's score; more than 45 a year hardly makes of a wine.
    "opportunity": (math.exp(-0.9), math.exp(0.9)),
    # Half to one and a half: liking matters, and nobody knows it well enough to outweigh a bottle that is not ready.
    "taste": (0.5, 1.5),
    "food": (LEAST, MOST),
    # Too much or too little wine is awkward, no more: a bottle can be kept until tomorrow, another wine can follow.
    "guests": (0.5, 1.2),
    # A small brake; a treasured bottle alone brakes twice as hard.
    "last_bottle": (0.8, 1.0),
    # The dearest bottle on an everyday evening alone loses as much as a wine that is half as ready.
    "value": (0.55, 1.0),
}
PHASE_ALONE: Final = 0.6  # the chance taken for a bottle that is known to be in its window without a curve (judgement)
YEAR_WEIGHT: Final = 2.0
FADING: Final = 0.03  # a year that costs as much, 3 points, is worth a hurry (judgement)
# What one person drinks in an evening: two glasses of 125 ml, of sweet or fortified wine one of 100 ml (judgement).
ML_EACH, SWEET_ML_EACH = 250, 100
SWEET_TYPES: Final = ("Dessert", "Dessert/Port")
FULL_BOTTLE_ML, HALF_BOTTLE_ML, MAGNUM_ML = 750, 375, 1500
# What may be left over (judgement): a bottle but two glasses is good tomorrow, nearly all of a sweet one for a week.
KEEPS_ML, SWEET_KEEPS_ML = 500, 750
FAR_TOO_MUCH_ML: Final = 1000  # beyond that, where the brake is full (judgement)
RIGHT_SIZE: Final = {"magnum": 1.2, "half": 1.15}  # a pleasure, no reason on its own (judgement)
WEEKDAYS: Final = range(4)  # Monday to Thursday
BRAKE, TREASURED_BRAKE = 0.9, 0.8  # of a last bottle (judgement)
TREASURED_SCORE: Final = 95.0  # "classic: a great wine" on Wine Spectator's scale of 100 points
DEAR_FROM: Final = 0.5  # the dearer half of the cellar is braked, the more the dearer (judgement)
DEAREST: Final = 0.45  # for a bottle dearer than all others (judgement)
VALUES_LEAST: Final = 5  # bottles whose values are known, to say which is dear


@dataclass(frozen=True, slots=True)
class Values:
    """What the cellar's bottles are worth, ascending, by currency."""

    by_currency: dict[str | None, list[float]]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Values:
        """The values of all bottles that are there."""
        found: dict[str | None, list[float]] = {}
        for line in lines:
            if line.value is not None:
                found.setdefault(line.currency, []).extend([line.value] * line.bottles)
        return cls({currency: sorted(values) for currency, values in found.items()})

    def cheaper(self, line: Line) -> float | None:
        """The share of the cellar's bottles in the line's currency that are worth less; None where too few values are known."""
        values = self.by_currency.get(line.currency, [])
        if line.value is None or len(values) < VALUES_LEAST:
            return None
        return bisect_left(values, line.value) / len(values)


@dataclass(frozen=True, slots=True)
class Tonight:
    """What the evening is: its day, how many drink, what is eaten, and what the cellar's bottles are worth."""

    as_of: date
    persons: int
    dish: Dish | None
    values: Values

    def weigh(self, line: Line, there: int) -> tuple[int, tuple[Why, ...]]:
        """How many of the line's `there` bottles to open, and the reasons, the strongest first; a reason that moves nothing is left out."""
        opened = self._opened(line, there)
        reasons = [
            _readiness(line.standing),
            *_opportunity(line.standing),
            *_taste(line.taste),
            *self._food(line),
            *self._guests(line, opened),
            *self._last_bottle(line),
            *self._value(line),
        ]
        return opened, tuple(sorted(reasons, key=lambda why: (-abs(math.log(why.factor)), CODES.index(why.code))))

    def _needed_ml(self, line: Line) -> int:
        return self.persons * (SWEET_ML_EACH if _is_sweet(line) else ML_EACH)

    def _opened(self, line: Line, there: int) -> int:
        return min(there, math.ceil(self._needed_ml(line) / (line.size_ml or FULL_BOTTLE_ML)))

    def _food(self, line: Line) -> Iterator[Why]:
        if self.dish is not None:
            factor, says = self.dish.affinity(line.wine)
            if says is not None:
                yield Why("food", says, factor)

    def _guests(self, line: Line, opened: int) -> Iterator[Why]:
        """Whether there is enough of the same wine for everybody and not far too much; a size that is right wins."""
        if line.size_ml is None:
            return
        size, needed, low = line.size_ml, self._needed_ml(line), RANGES["guests"][0]
        left_ml = opened * size - needed
        keeps_ml = SWEET_KEEPS_ML if _is_sweet(line) else KEEPS_ML
        who = "one" if self.persons == 1 else f"{self.persons:,}"
        bottles = f"{opened} bottles of {size:,} ml are" if opened > 1 else f"a bottle of {size:,} ml is"
        if left_ml < 0:
            yield Why("guests", f"{bottles} not enough for {who}", low + (1 - low) * opened * size / needed)
        elif left_ml > keeps_ml:
            much = min(1.0, (left_ml - keeps_ml) / FAR_TOO_MUCH_ML)
            yield Why("guests", f"{bottles} much for {who}", 1 - (1 - low) * much)
        elif size >= MAGNUM_ML:
            yield Why("guests", f"a large bottle is right for {who}", RIGHT_SIZE["magnum"])
        elif size <= HALF_BOTTLE_ML and self.persons == 1 and self.as_of.weekday() in WEEKDAYS:
            yield Why("guests", "a small bottle is right for one on a weekday", RIGHT_SIZE["half"])

    def _last_bottle(self, line: Line) -> Iterator[Why]:
        """The last bottle is kept for an occasion, and guests are one, unless it is fading."""
        if self.persons > 1 or line.bottles + line.awaited > 1 or _is_fading(line.standing):
            return
        if (line.taste.own_score or 0.0) >= TREASURED_SCORE:
            text = f"it is your last, and you gave it {line.taste.own_score:.3g}: keep it for an occasion"
            yield Why("last_bottle", text, TREASURED_BRAKE)
        else:
            yield Why("last_bottle", "it is your last bottle of it, and it does not hurry", BRAKE)

    def _value(self, line: Line) -> Iterator[Why]:
        """The dearer half of the cellar waits for company: each guest takes from the brake."""
        cheaper = self.values.cheaper(line)
        if cheaper is None or cheaper <= DEAR_FROM:
            return
        brake = DEAREST * (cheaper - DEAR_FROM) / (1 - DEAR_FROM) / self.persons
        alone = ", much for an evening alone" if self.persons == 1 else ""
        yield Why("value", f"{math.floor(100 * cheaper)} % of your bottles with a value are worth less{alone}", 1 - brake)


def _is_sweet(line: Line) -> bool:
    return known_of(line.wine).type in SWEET_TYPES


def _readiness(standing: Standing) -> Why:
    chance = PHASE_ALONE if standing.drinkability is None else standing.drinkability
    sure = "" if standing.drinkability is None else f"{_percent(chance)} within its window"
    text = "; ".join(part for part in (_dates(standing), sure) if part) or "in its window"
    return Why("readiness", text, max(RANGES["readiness"][0], 2 * chance))


def _dates(standing: Standing) -> str:
    """Where the evening lies among the dates that are known."""
    if standing.phase == "early":
        return _between("ready", standing.ready_from, "at its best from", standing.peak_from)
    if standing.phase == "peak":
        return _between("at its best", standing.peak_from, "until", standing.peak_to)
    return _between("past its best", standing.peak_to, "to be drunk by", standing.drink_by) if standing.phase == "late" else ""


def _between(what: str, since: date | None, then: str, until: date | None) -> str:
    began = f"{what} since {since:%B %Y}" if since else what
    return f"{began}, {then} {until:%B %Y}" if until else began


def _opportunity(standing: Standing) -> Iterator[Why]:
    """What waiting a year costs or gains."""
    if standing.drinkability is None or standing.next_year is None:
        return
    costs = standing.drinkability - standing.next_year
    points = abs(round(100 * costs))
    many = f"{points} point{'' if points == 1 else 's'}"
    if points:
        text = f"{many} {'more' if costs > 0 else 'less'} likely to be in its window now than in a year"
    else:
        text = "as likely to be in its window in a year"
    low, high = RANGES["opportunity"]
    factor = min(max(math.exp(YEAR_WEIGHT * costs), low), high)
    if factor != 1:
        yield Why("opportunity", text, factor)


def _is_fading(standing: Standing) -> bool:
    loses = standing.drinkability is not None and standing.next_year is not None and standing.drinkability - standing.next_year >= FADING
    return loses or standing.phase == "late"


def _taste(taste: Taste) -> Iterator[Why]:
    """Half to one and a half; not knowing and even chances are neutral."""
    if taste.chance is None or taste.chance == 0.5:
        return
    if taste.basis == "own" and taste.own_score is not None:
        text = f"you gave it {taste.own_score:.3g}"
    elif taste.basis == "community" and taste.community_score is not None:
        text = f"the community gives it {taste.community_score:.3g}"
    else:
        text = f"{_percent(taste.chance)} that you like it"
    yield Why("taste", text, 0.5 + taste.chance)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def score_of(whys: Sequence[Why]) -> float:
    """The product of the factors, 1 for none."""
    return math.prod(why.factor for why in whys)

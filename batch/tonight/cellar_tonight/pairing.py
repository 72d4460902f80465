"""How far a wine and a dish go together, by the principles of pairing and by classic pairs; Foods makes the dishes, the choice asks.

Effects add up on the logarithm of a factor. All degrees are judgement: the principles say which way, not how far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cellar_tonight.character import Character, Known, known_of
from cellar_tonight.evening import Wine

# A clash may cost more than a pair can win: a wine that is wrong is noticed, one of several that are right is not (judgement).
LEAST, MOST = 0.3, 1.6
FAMOUS: Final = 0.2  # from this degree on a pair is called a classic (judgement)
# What remains of the principles' objections beside a classic of this degree: a pair that has been tried stands above them.
TRIED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Classic:
    """A pair known by name: wines of any of these types, regions and grapes (all that are given), `degree` on the log of the factor."""

    degree: float
    types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    grapes: tuple[str, ...] = ()
    sweetness: tuple[float, float] | None = None

    def fits(self, known: Known) -> bool:
        """Whether `known` is such a wine; of a blend the two first grapes count."""
        grade = known.character.sweetness if known.character else None
        return (
            (not self.types or known.type in self.types)
            and (not self.regions or any(place in self.regions for place in known.places))
            and (not self.grapes or any(grape in self.grapes for grape in known.grapes[:2]))
            and (self.sweetness is None or (grade is not None and self.sweetness[0] <= grade <= self.sweetness[1]))
        )

    def named(self, known: Known, type_words: Mapping[str, str]) -> str:
        """What of the wine makes the pair, as people say it."""
        if self.regions:
            return known.places[0]
        if self.grapes:
            return next(grape for grape in known.grapes[:2] if grape in self.grapes).split("/")[0]
        return type_words.get(known.type or "", "such a wine")


@dataclass(frozen=True, slots=True)
class Course:
    """One thing on the table with what was done to it and what lies beside it. `traits` from 0 to 1; `name` in the member's words."""

    name: str
    traits: Mapping[str, float]
    classics: tuple[Classic, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """By how much the log of the factor moves, and the sentence that says why."""

    moves: float
    says: str
    is_classic: bool = False


@dataclass(frozen=True, slots=True)
class Dish:
    """What was understood of a text about food: its courses; `named` the member's words for it, `ignored` those that nobody knows."""

    courses: tuple[Course, ...]
    named: tuple[str, ...]
    ignored: tuple[str, ...]
    type_words: Mapping[str, str]

    @property
    def label(self) -> str:
        """The courses as people list them."""
        return " and ".join(course.name for course in self.courses)

    def affinity(self, wine: Wine) -> tuple[float, str | None]:
        """The factor between LEAST and MOST, 1 for neutral, and the reason that counts most; (1, None) where too little is known.

        Of several courses a clash counts more than a match: the mean of all and the worst have equal parts.
        """
        known = known_of(wine)
        effects = [_effects(course, known, self.type_words) for course in self.courses]
        sums = [_total(each) for each in effects]
        total = (math.fsum(sums) / len(sums) + min(sums)) / 2
        towards = [effect for each in effects for effect in each if effect.moves * total > 0]
        if not towards:
            return 1.0, None
        furthest = math.log(MOST if total > 0 else 1 / LEAST)
        return math.exp(furthest * math.tanh(total / furthest)), max(towards, key=lambda effect: abs(effect.moves)).says


def _effects(course: Course, known: Known, type_words: Mapping[str, str]) -> list[Effect]:
    """What speaks for and against the pair: the principles, the best classic that the wine is and the worst that is to be avoided."""
    found = [effect for effect in _principles(course, known) if effect.moves]
    fitting = sorted((classic for classic in course.classics if classic.fits(known)), key=lambda classic: classic.degree)
    if fitting and fitting[-1].degree > 0:
        best = fitting[-1]
        pair = f"{best.named(known, type_words)} and {course.name}"
        found.append(Effect(best.degree, f"{pair}: a classic pair" if best.degree >= FAMOUS else f"{pair} are known to go together", True))
    if fitting and fitting[0].degree < 0:
        found.append(Effect(fitting[0].degree, f"{course.name} is hard on {fitting[0].named(known, type_words)}"))
    return found


def _total(effects: list[Effect]) -> float:
    """The sum; a classic takes away some of what principles have against it."""
    tried = sum(effect.moves for effect in effects if effect.is_classic)
    against = math.fsum(effect.moves for effect in effects if effect.moves < 0)
    return math.fsum(effect.moves for effect in effects if effect.moves > 0) + against * (1 - tried / TRIED)


def _principles(course: Course, known: Known) -> Iterator[Effect]:
    wine, food, name = known.character, course.traits, course.name
    if wine is None:
        return
    yield _weight(wine.body - food["weight"], name)
    yield from _acidity(wine.acidity, food, name)
    yield from _tannin(wine.tannin, food, name)
    yield from _sweetness(wine.sweetness, food, name)
    yield from _heat(wine, food, name)
    if known.is_sparkling:
        yield Effect(0.35 * food["salt"] * (0.3 + 0.7 * food["fat"]), f"its bubbles refresh after the salt and fat of {name}")


def _weight(gap: float, name: str) -> Effect:
    """Weight with weight; a tenth apart is together."""
    moves = 0.12 - 0.75 * max(0.0, abs(gap) - 0.1)
    if moves >= 0:
        return Effect(moves, f"it has the weight of {name}")
    return Effect(moves, f"it is too {'full' if gap > 0 else 'light'} for {name}")


def _acidity(acidity: float, food: Mapping[str, float], name: str) -> Iterator[Effect]:
    """A wine as acid as the dish; acidity against fat."""
    missing = max(0.0, food["acid"] - acidity - 0.1)
    if missing:
        yield Effect(-0.8 * missing, f"beside the acidity of {name} it tastes flat")
    elif food["acid"] >= 0.4:
        yield Effect(0.15 * food["acid"], f"its acidity stands up to that of {name}")
    carried = 0.4 * food["fat"] * (acidity - 0.5)
    yield Effect(carried, f"its acidity carries the fat of {name}" if carried > 0 else f"it is too soft for the fat of {name}")


def _tannin(tannin: float, food: Mapping[str, float], name: str) -> Iterator[Effect]:
    """Tannin with protein; against fish, salt and savoury depth, and where nothing softens it."""
    met = 0.55 * food["protein"] * (tannin - 0.3)
    yield Effect(met, f"its tannin and {name} soften each other" if met > 0 else f"it lacks the tannin for {name}")
    yield Effect(-0.95 * food["sea"] * max(0.0, tannin - 0.2), f"its tannin tastes of metal beside {name}")
    yield Effect(-0.5 * max(0.0, tannin - 0.4) * (1 - max(food["protein"], 0.7 * food["fat"])), f"nothing in {name} softens its tannin")
    hardened = 0.3 * food["salt"] * max(0.0, tannin - 0.4) + 0.35 * food["umami"] * max(0.0, tannin - 0.5)
    yield Effect(-hardened, f"the savour of {name} hardens its tannin")


def _sweetness(sweetness: float, food: Mapping[str, float], name: str) -> Iterator[Effect]:
    """A wine as sweet as the dish; a dry dish bears little, more where it is hot, salty or sharp."""
    yield Effect(-1.2 * max(0.0, food["sweet"] - sweetness), f"beside the sweetness of {name} it tastes sour")
    yield Effect(-1.2 * max(0.0, 0.5 * food["sharp"] - sweetness), f"it is drier than {name} asks for")
    borne = food["sweet"] + 0.2 + 0.5 * food["heat"] + 0.15 * food["salt"] + 0.6 * food["sharp"]
    yield Effect(-0.9 * max(0.0, sweetness - borne), f"it is too sweet for {name}")
    asked = max(food["sweet"], 0.5 * food["sharp"])
    if sweetness >= asked:
        yield Effect(0.2 * asked, f"it is as sweet as {name} asks for")


def _heat(wine: Character, food: Mapping[str, float], name: str) -> Iterator[Effect]:
    """Chilli with little alcohol and some sweetness."""
    yield Effect(-0.9 * food["heat"] * max(0.0, wine.alcohol - 0.4), f"its alcohol fans the heat of {name}")
    yield Effect(-0.6 * food["heat"] * max(0.0, wine.tannin - 0.2), f"its tannin sharpens the heat of {name}")
    yield Effect(0.6 * food["heat"] * min(wine.sweetness, 0.4), f"its sweetness soothes the heat of {name}")

"""What a member's words about food mean: dishes, what lies beside them, how they were made; the choice asks how wines go with it.

The words are data (foods.json, with its sources). A word is known as it is written there or in the plural; nothing is guessed at.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final, NamedTuple

from cellar_shared.errors import BadInput
from cellar_shared.events.vocabulary.words import folded
from cellar_tonight.pairing import Classic, Course, Dish

DATA: Final = "foods.json"
ASKS_FOR_LIST: Final = "list"  # as the text: says all that is known
BESIDE: Final = 0.6  # how far a side's trait is tasted in the dish (judgement)
BESIDE_WEIGHT: Final = 0.2  # its part of the dish's weight (judgement)
BESIDE_CLASSIC: Final = 0.5  # its part in a pair (judgement)
BARE_WEIGHT: Final = 0.5  # of a dish of which only the preparation is said
SHORT: Final = 3  # words this short have no plural
BREAK: Final = ","  # stands between two things that are listed: a preparation does not reach over it
_AROUND: Final = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Food:
    """A row of foods.json. `kind`: dish, side or preparation; a preparation's traits are added to its dish's."""

    name: str
    kind: str
    also: tuple[str, ...]
    traits: Mapping[str, float]
    classics: tuple[Classic, ...]


class Found(NamedTuple):
    """A food that a text names, in the member's words, from its token `start` to before `end`."""

    food: Food
    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Foods:
    """Every food that is known, by the folded words that name it and by their roots."""

    foods: tuple[Food, ...]
    traits: tuple[str, ...]
    type_words: Mapping[str, str]
    fillers: frozenset[str]
    negations: frozenset[str]
    by_words: Mapping[tuple[str, ...], Food]
    by_roots: Mapping[tuple[str, ...], Food]

    @classmethod
    def load(cls) -> Foods:
        """The foods of foods.json."""
        data: dict[str, Any] = json.loads(resources.files(__package__).joinpath(DATA).read_text("utf-8"))
        foods = tuple(
            Food(
                row["name"],
                row["kind"],
                tuple(row.get("also", ())),
                {trait: row["traits"].get(trait, 0.0) for trait in data["traits"]},
                tuple(Classic(**{name: _value(value) for name, value in each.items()}) for each in row.get("classics", ())),
            )
            for row in data["foods"]
        )
        by_words: dict[tuple[str, ...], Food] = {}
        by_roots: dict[tuple[str, ...], Food] = {}
        for food in foods:
            for spelled in (food.name, *food.also):
                tokens = tuple(_tokens(spelled))
                by_words.setdefault(tokens, food)
                by_roots.setdefault(tuple(map(_root, tokens)), food)
        fillers, negations = (frozenset(map(folded, data[name])) for name in ("fillers", "negations"))
        return cls(foods, tuple(data["traits"]), data["type_words"], fillers, negations, by_words, by_roots)

    def understood(self, text: str) -> Dish:
        """The dish that `text` describes; BadInput where no word of it is known as food, with near ones, and for the text "list"."""
        if folded(text) == ASKS_FOR_LIST:
            raise BadInput(f"--food list: known as food are {self._listed()}")
        found, ignored = self._found(text)
        if not found:
            raise BadInput(
                f"--food {text!r}: {self._unknown(ignored)}; name a dish, what is in it or how it is made: "
                "'roast lamb', 'oysters', 'blue cheese and nuts' (--food list says all that is known)"
            )
        return Dish(tuple(self._courses(found)), tuple(each.words for each in found), ignored, self.type_words)

    def near(self, word: str) -> list[str]:
        """Up to three known words that are spelled like `word`, the nearest first."""
        return difflib.get_close_matches(folded(word), sorted(map(" ".join, self.by_words)), n=3, cutoff=0.7)

    def told(self, word: str) -> str:
        """An unknown word with the known ones near it."""
        near = self.near(word)
        return f"{word!r} (near: {', '.join(near)})" if near else repr(word)

    def _unknown(self, words: Sequence[str]) -> str:
        if not words:
            return "no food is named"
        return f"not known as food: {', '.join(map(self.told, words))}"

    def _listed(self) -> str:
        return "; ".join(
            f"{title}: {', '.join(sorted(food.name for food in self.foods if food.kind == kind))}"
            for kind, title in (("dish", "dishes"), ("side", "beside them"), ("preparation", "made so"))
        )

    def _found(self, text: str) -> tuple[list[Found], tuple[str, ...]]:
        """The foods that the text names, longest names first, and the words that are neither food nor little words."""
        words = re.sub(r"[,;.]+(?=\s)", f" {BREAK}", text).replace("/", " ").split()
        written = [(token, _AROUND.sub("", word).lower()) for word in words for token in ([BREAK] if word == BREAK else _tokens(word))]
        found, ignored, at, is_negated = [], [], 0, False
        longest = max(map(len, self.by_words))
        while at < len(written):
            token, word = written[at]
            match = next((hit for end in range(min(at + longest, len(written)), at, -1) if (hit := self._named(written, at, end))), None)
            if match:
                if not is_negated:
                    found.append(match)
                at = match.end
                is_negated = False
                continue
            if token in self.negations:
                is_negated = True
            elif token not in self.fillers and token != BREAK and not token.isdigit():
                ignored.append(word)
            at += 1
        return found, tuple(dict.fromkeys(ignored))

    def _named(self, written: Sequence[tuple[str, str]], start: int, end: int) -> Found | None:
        tokens = tuple(token for token, _ in written[start:end])
        food = self.by_words.get(tokens) or self.by_roots.get(tuple(map(_root, tokens)))
        words = " ".join(dict.fromkeys(word for _, word in written[start:end]))
        return Found(food, words, start, end) if food else None

    def _courses(self, found: Sequence[Found]) -> list[Course]:
        """A course for each dish, with the sides after it and the preparations next to it; the first side stands in where there is none."""
        kinds = [each.food.kind for each in found]
        dishes = [at for at, kind in enumerate(kinds) if kind == "dish"]
        if not dishes:
            dishes = [kinds.index("side")] if "side" in kinds else []
        if not dishes:
            bare = Food("", "dish", (), dict.fromkeys(self.traits, 0.0) | {"weight": BARE_WEIGHT}, ())
            return [_course(Found(bare, "", 0, 0), found, [])]
        made: dict[int, list[Found]] = {at: [] for at in dishes}
        beside: dict[int, list[Found]] = {at: [] for at in dishes}
        for at, each in enumerate(found):
            if each.food.kind == "preparation":
                made[_dish_of(at, found, dishes)].append(each)
            elif at not in dishes:
                beside[max((dish for dish in dishes if dish < at), default=dishes[0])].append(each)
        return [_course(found[at], made[at], beside[at]) for at in dishes]


def _dish_of(at: int, found: Sequence[Found], dishes: Sequence[int]) -> int:
    """Whose preparation stands at `at`: the dish that follows at once, else the one before at once, else the next, else the last."""
    after = [dish for dish in dishes if dish > at]
    before = [dish for dish in dishes if dish < at]
    if before and found[before[-1]].end == found[at].start and not (after and found[after[0]].start == found[at].end):
        return before[-1]
    return after[0] if after else before[-1]


def _course(dish: Found, made: Sequence[Found], beside: Sequence[Found]) -> Course:
    traits = dict(dish.food.traits)
    for each in made:
        traits = {trait: min(max(value + each.food.traits[trait], 0.0), 1.0) for trait, value in traits.items()}
    for each in beside:
        weight = (1 - BESIDE_WEIGHT) * traits["weight"] + BESIDE_WEIGHT * each.food.traits["weight"]
        traits = {trait: max(value, BESIDE * each.food.traits[trait]) for trait, value in traits.items()} | {"weight": weight}
    classics = [*dish.food.classics, *(classic for each in made for classic in each.food.classics)]
    classics += [replace(classic, degree=BESIDE_CLASSIC * classic.degree) for each in beside for classic in each.food.classics]
    name = _joined(sorted([dish, *made], key=lambda each: each.start), " ")
    return Course(f"{name} with {_joined(beside, ' and ')}" if beside else name, traits, tuple(classics))


def _joined(found: Iterable[Found], between: str) -> str:
    return between.join(each.words for each in found if each.words)


def _tokens(text: str) -> list[str]:
    return folded(text.replace("/", " ")).split()


def _root(word: str) -> str:
    """The word without what the plural adds: cherries and cherry, quiches and quiche alike."""
    return word if len(word) <= SHORT else word.removesuffix("s").removesuffix("e").replace("y", "i")


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

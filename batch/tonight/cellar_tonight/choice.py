"""Chooses tonight's bottle: the lines that can be opened where the member asked, best first, and why; the evening is made with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from cellar_shared.errors import BadInput
from cellar_shared.events.vocabulary.words import folded
from cellar_tonight.character import known_of
from cellar_tonight.evening import Line, Pick, Place, Wish
from cellar_tonight.food import Foods
from cellar_tonight.pairing import Dish
from cellar_tonight.weighing import Tonight, Values, score_of

DRINKABLE: Final = ("early", "peak", "late")
PLACES_SHOWN: Final = 20
GOES_BADLY: Final = 0.95  # a food's factor under which the member is told that nothing better is there (judgement)


def choose(lines: Sequence[Line], wish: Wish, as_of: date, foods: Foods, most: int = 8) -> tuple[tuple[Pick, ...], tuple[str, ...]]:
    """At most `most` picks, best first, and what the member should know; BadInput for food or a location that nothing is known of.

    Lines without a curve, before their window and past it are set aside. Of a producer and of a wine's name there is one pick, and
    where no food is named the picks are not all of one type.
    """
    dish = foods.understood(wish.food) if wish.food and wish.food.strip() else None
    there = _there(lines, wish.location)
    here = [number for number, count in enumerate(there) if count]
    able = [number for number in here if lines[number].standing.phase in DRINKABLE]
    tonight = Tonight(as_of, max(wish.guests, 0) + 1, dish, Values.of(lines))
    picks = []
    for number in able:
        opened, whys = tonight.weigh(lines[number], there[number])
        picks.append(Pick(number, score_of(whys), opened, whys))
    picks.sort(key=lambda pick: (-pick.score, lines[pick.line].wine.label.casefold(), lines[pick.line].size_ml or 0, pick.line))
    chosen = _diverse(picks, lines, most, of_types=dish is None)
    notes = [*_of_food(dish, foods, chosen), *_set_aside([lines[number] for number in here])]
    if not able:
        notes.insert(0, "Nothing that lies there can be opened tonight." if here else "No bottle is there.")
    return tuple(chosen), tuple(notes)


def _there(lines: Sequence[Line], location: str | None) -> list[int]:
    """How many bottles of each line lie where the member asked: a part of the location, of the bin, or of both in a row."""
    if location is None or not location.strip():
        return [line.bottles for line in lines]
    asked = folded(location)
    found = [sum(place.bottles for place in line.places if asked and _lies(place, asked)) for line in lines]
    if any(found):
        return found
    known = Counter[str]()
    for line in lines:
        for place in line.places:
            if name := place.location or place.bin:
                known[name] += place.bottles
    if not known:
        raise BadInput(f"--location {location!r}: the export says of no bottle where it lies; leave --location out")
    named = [f"{name} ({count:,})" for name, count in sorted(known.items(), key=lambda item: (-item[1], item[0]))]
    more = f" and {len(named) - PLACES_SHOWN:,} more" if len(named) > PLACES_SHOWN else ""
    raise BadInput(f"--location {location!r}: no bottle lies there; bottles lie in {', '.join(named[:PLACES_SHOWN])}{more}")


def _lies(place: Place, asked: str) -> bool:
    return asked in folded(f"{place.location or ''} {place.bin or ''}")


def _diverse(picks: Sequence[Pick], lines: Sequence[Line], most: int, *, of_types: bool) -> list[Pick]:
    """The best picks of which no two share a name or a producer; `of_types`: the last is another type's best if all would be of one."""
    chosen = _first_of_each(picks, lines, most, lambda _: True)
    types = {_type(pick, lines) for pick in chosen}
    if not of_types or len(types) != 1 or len(chosen) < 2:
        return chosen
    kept = chosen[: most - 1]
    others = _first_of_each([*kept, *picks], lines, most, lambda pick: pick in kept or _type(pick, lines) not in types)
    return others if len(others) == len(chosen) else chosen


def _first_of_each(picks: Sequence[Pick], lines: Sequence[Line], most: int, is_wanted: Callable[[Pick], bool]) -> list[Pick]:
    chosen: list[Pick] = []
    seen: set[tuple[str, str]] = set()
    for pick in picks:
        wine = lines[pick.line].wine
        names = {("name", folded(wine.name)), ("producer", folded(wine.producer or ""))} - {("producer", "")}
        if len(chosen) < most and is_wanted(pick) and not names & seen:
            chosen.append(pick)
            seen |= names
    return chosen


def _type(pick: Pick, lines: Sequence[Line]) -> str | None:
    return known_of(lines[pick.line].wine).type


def _of_food(dish: Dish | None, foods: Foods, picks: Sequence[Pick]) -> list[str]:
    """What was understood of the food, what was not, and whether the best pick goes with it."""
    if dish is None:
        return []
    notes = [f"Food understood as {dish.label}."]
    if dish.ignored:
        notes.append(f"Not known as food and left out of account: {', '.join(map(foods.told, dish.ignored))}.")
    if picks and all(why.factor < GOES_BADLY for why in picks[0].whys if why.code == "food"):
        notes.append(f"No bottle that can be opened goes well with {dish.label}; the best of them comes first.")
    return notes


def _set_aside(lines: Sequence[Line]) -> list[str]:
    """How many lines were not considered, and why."""
    held, past = (sum(line.standing.phase == phase for line in lines) for phase in ("hold", "past"))
    unknown = Counter(line.standing.says or "nothing is known of its window" for line in lines if line.standing.phase is None)
    kept = [
        f"{_lines(count)} {where}"
        for count, where in ((held, "before the window"), (past, "past it" if held else "past the window"))
        if count
    ]
    notes = [f"Not for tonight: {', '.join(kept)}."] if kept else []
    return notes + [f"Set aside, {_lines(count)}: {says}." for says, count in sorted(unknown.items(), key=lambda item: (-item[1], item[0]))]


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"

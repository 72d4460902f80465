"""Tonight's bottle: which lines can be chosen, in what order, and why."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_tonight.choice import choose
from cellar_tonight.evening import Line, Pick, Place, Standing, Taste, Window, Wine, Wish
from cellar_tonight.food import Foods
from cellar_tonight.weighing import CODES, RANGES, Tonight, Values, score_of

FOODS = Foods.load()
AS_OF = date(2026, 11, 25)  # a Wednesday
UNKNOWN = Standing(None, None, None, None, None, None, None, None, reason="no_window", says="nobody states a window of it")


def wine(name: str, producer: str | None = None, type_: str | None = "Red", region: str | None = None, *grapes: str) -> Wine:
    return Wine(f"ct:{name}", None, name, producer, 2015, type_, None, None, region, grapes)


def standing(phase: str | None = "peak", chance: float | None = 0.8, next_year: float | None = 0.8) -> Standing:
    return Standing(
        phase, chance, date(2020, 1, 1), date(2024, 3, 1), date(2028, 5, 1), date(2031, 1, 1), date(2029, 1, 1), date(2034, 1, 1),
        (), next_year,
    )  # fmt: skip


def line(of: Wine, **facts: Any) -> Line:
    usual = {"size_ml": 750, "bottles": 3, "awaited": 0, "standing": standing(), "taste": Taste(None, None)}
    known = usual | facts
    places = known.pop("places", (Place("Cellar", "A1", known["bottles"]),) if known["bottles"] else ())
    return Line(of, window=Window(None, None, None), section="open", places=places, **known)


def names(lines: list[Line], wish: Wish | None = None, as_of: date = AS_OF, most: int = 8) -> list[str]:
    return [lines[pick.line].wine.name for pick in choose(lines, wish or Wish(), as_of, FOODS, most)[0]]


def only(of: Line, wish: Wish | None = None, beside: tuple[Line, ...] = ()) -> Pick:
    picks, _ = choose([of, *beside], wish or Wish(), AS_OF, FOODS, 1 + len(beside))
    return next(pick for pick in picks if pick.line == 0)


def why(of: Line, code: str, wish: Wish | None = None, beside: tuple[Line, ...] = ()) -> tuple[str, float] | None:
    return next(((each.text, each.factor) for each in only(of, wish, beside).whys if each.code == code), None)


CHANCES = st.one_of(st.none(), st.floats(0, 1))
TYPES = st.sampled_from([None, "Red", "White", "Sparkling", "Dessert", "Dessert/Port", "Rosé"])
STANDINGS = st.one_of(st.just(UNKNOWN), st.builds(standing, st.sampled_from(["hold", "early", "peak", "late", "past"]), CHANCES, CHANCES))
TASTES = st.builds(
    Taste, CHANCES, st.sampled_from(["preference", "own", "community", None]), st.one_of(st.none(), st.floats(50, 100)), st.none()
)
WINES = st.builds(
    wine, st.sampled_from(["Cuvée", "Riserva", "Riesling", "Port"]), st.sampled_from([None, "Weingut A", "Weingut B", "Weingut C"]), TYPES,
    st.sampled_from([None, "Barolo", "Chablis", "Sauternes", "Porto"]),
)  # fmt: skip
PLACES = st.builds(Place, st.sampled_from([None, "Cellar", "Fridge"]), st.sampled_from([None, "A1", "B"]), st.integers(1, 8))


@st.composite
def cellar_lines(draw: st.DrawFn) -> Line:
    places = tuple(draw(st.lists(PLACES, max_size=3)))
    return line(
        draw(WINES), bottles=sum(place.bottles for place in places), places=places, awaited=draw(st.integers(0, 3)),
        standing=draw(STANDINGS), taste=draw(TASTES), size_ml=draw(st.sampled_from([None, 187, 375, 750, 1500, 3000])),
        value=draw(st.one_of(st.none(), st.floats(1, 5000))), currency=draw(st.sampled_from([None, "EUR", "USD"])),
    )  # fmt: skip


CELLARS = st.lists(cellar_lines(), max_size=12)
WISHES = st.builds(Wish, st.sampled_from([None, "steak", "oysters and blue cheese"]), st.none(), st.integers(0, 12))
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@settings(max_examples=300)
@given(CELLARS, WISHES, DAYS, st.integers(1, 9))
def test_picks_are_bottles_that_are_there_in_their_window_and_their_factors_keep_their_ranges(
    lines: list[Line], wish: Wish, as_of: date, most: int
) -> None:
    picks, notes = choose(lines, wish, as_of, FOODS, most)
    assert len(picks) <= most
    assert [pick.score for pick in picks] == sorted((pick.score for pick in picks), reverse=True)
    for pick in picks:
        chosen = lines[pick.line]
        assert 1 <= pick.open <= chosen.bottles
        assert chosen.standing.phase in ("early", "peak", "late")
        assert math.isclose(pick.score, math.prod(each.factor for each in pick.whys))
        assert len({each.code for each in pick.whys}) == len(pick.whys)
        for each in pick.whys:
            low, high = RANGES[each.code]
            assert low <= each.factor <= high
            assert each.text
        strengths = [abs(math.log(each.factor)) for each in pick.whys]
        assert strengths == sorted(strengths, reverse=True)
    for about in ("name", "producer"):
        known = [getattr(lines[pick.line].wine, about) for pick in picks]
        assert len(set(filter(None, known))) == len(list(filter(None, known)))
    assert picks or not any(each.bottles and each.standing.phase in ("early", "peak", "late") for each in lines)
    assert all(note.endswith(".") for note in notes)
    assert choose(lines, wish, as_of, FOODS, most) == (picks, notes)


@given(CELLARS, WISHES, DAYS, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_move_a_score(lines: list[Line], wish: Wish, as_of: date, random: Any) -> None:
    shuffled = random.sample(lines, len(lines))
    scores = [[pick.score for pick in choose(each, wish, as_of, FOODS)[0]] for each in (lines, shuffled)]
    assert scores[0][:1] == scores[1][:1]


def score(of: Line, persons: int = 1) -> float:
    return score_of(Tonight(AS_OF, persons, None, Values.of([of])).weigh(of, of.bottles)[1])


@given(cellar_lines(), st.floats(0, 1), st.floats(0, 1), st.integers(1, 9))
def test_better_taste_never_ranks_lower(of: Line, one: float, other: float, persons: int) -> None:
    if of.bottles:
        worse, better = (replace(of, taste=replace(of.taste, chance=chance)) for chance in sorted((one, other)))
        assert score(worse, persons) <= score(better, persons)


@given(cellar_lines(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 9))
def test_what_fades_comes_before_what_improves(of: Line, chance: float, one: float, other: float, persons: int) -> None:
    if of.bottles:
        lower, higher = sorted((one, other))
        fading, improving = (replace(of, standing=standing("peak", chance, next_year)) for next_year in (lower, higher))
        assert score(fading, persons) >= score(improving, persons)


@given(cellar_lines(), st.floats(0, 1), st.floats(0, 1))
def test_a_readier_bottle_never_scores_lower_when_a_year_costs_the_same(of: Line, one: float, other: float) -> None:
    if of.bottles:
        lower, higher = (replace(of, standing=standing("peak", chance, chance)) for chance in sorted((one, other)))
        assert score(lower) <= score(higher)


@given(CELLARS, st.sampled_from(["cellar", "FRIDGE", "a1", "Cellar B"]), WISHES)
def test_no_pick_comes_from_elsewhere(lines: list[Line], location: str, wish: Wish) -> None:
    try:
        picks, _ = choose(lines, replace(wish, location=location), AS_OF, FOODS)
    except BadInput as refused:
        assert location in str(refused)
        return
    for pick in picks:
        lies = [place for place in lines[pick.line].places if location.casefold() in place.label.casefold()]
        assert 1 <= pick.open <= sum(place.bottles for place in lies)


def test_a_location_is_found_without_accents_and_case_in_location_and_bin() -> None:
    lines = [
        line(wine("A"), places=(Place("Kühlschrank", "Tür 2", 2), Place("Kühlschrank", None, 1))),
        line(wine("B"), places=(Place("Cellar", None, 3),)),
    ]
    for asked in ("kuhlschrank", "tur 2", "KÜHL", "schrank tür"):
        assert names(lines, Wish(location=asked)) == ["A"]
    assert names(lines, Wish(location=" ")) == ["A", "B"]
    with pytest.raises(BadInput, match=r"'attic'.*Cellar \(3\), Kühlschrank \(3\)"):
        choose(lines, Wish(location="attic"), AS_OF, FOODS)
    with pytest.raises(BadInput, match="leave --location out"):
        choose([line(wine("A"), places=(Place(None, None, 3),))], Wish(location="attic"), AS_OF, FOODS)


def test_awaited_bottles_are_not_there() -> None:
    picks, notes = choose([line(wine("A"), bottles=0, awaited=6)], Wish(), AS_OF, FOODS)
    assert picks == ()
    assert notes == ("No bottle is there.",)


def test_lines_without_a_curve_before_and_past_their_window_are_set_aside_and_counted() -> None:
    lines = [line(wine("A"), standing=UNKNOWN), line(wine("B"), standing=UNKNOWN), line(wine("C"), standing=standing("hold", 0.1))]
    picks, notes = choose([*lines, line(wine("D"), standing=standing("past", 0.0))], Wish(), AS_OF, FOODS)
    assert picks == ()
    assert notes == (
        "Nothing that lies there can be opened tonight.",
        "Not for tonight: 1 line before the window, 1 line past it.",
        "Set aside, 2 lines: nobody states a window of it.",
    )


def test_food_decides_between_bottles_that_are_equally_ready() -> None:
    lines = [
        line(wine("Pauillac", "Château A", "Red", "Pauillac", "Cabernet Sauvignon")),
        line(wine("Sauternes", "Château B", "Dessert", "Sauternes")),
        line(wine("Chablis", "Domaine A", "White", "Chablis", "Chardonnay")), line(wine("Port", "Quinta A", "Dessert/Port", "Porto")),
    ]  # fmt: skip
    assert names(lines, Wish("steak"))[0] == "Pauillac"
    assert names(lines, Wish("oysters"))[0] == "Chablis"
    assert set(names(lines, Wish("blue cheese"))[:2]) == {"Sauternes", "Port"}
    assert names(lines, Wish("chocolate mousse"))[0] == "Port"
    assert why(lines[0], "food", Wish("steak")) == ("Cabernet Sauvignon and steak: a classic pair", pytest.approx(1.5, abs=0.1))


def test_notes_say_how_the_food_was_understood_and_whether_the_best_goes_with_it() -> None:
    lines = [line(wine("Barolo", None, "Red", "Barolo", "Nebbiolo"))]
    _, notes = choose(lines, Wish("oysters with chedar"), AS_OF, FOODS)
    assert notes == (
        "Food understood as oysters.",
        "Not known as food and left out of account: 'chedar' (near: cheddar, char).",
        "No bottle that can be opened goes well with oysters; the best of them comes first.",
    )
    assert choose(lines, Wish("steak"), AS_OF, FOODS)[1] == ("Food understood as steak.",)


def test_reasons_state_facts() -> None:
    fading = line(wine("A"), standing=standing("peak", 0.85, 0.76), taste=Taste(0.9, "own", 96.0))
    assert [each.text for each in only(fading).whys] == [
        "at its best since March 2024, until May 2028; 85 % within its window",
        "you gave it 96",
        "9 points more likely to be in its window now than in a year",
    ]
    early = line(wine("A"), standing=standing("early", 0.6, 0.61), taste=Taste(0.75, "community", None, 92.5))
    assert [each.text for each in only(early).whys] == [
        "the community gives it 92.5",
        "ready since January 2020, at its best from March 2024; 60 % within its window",
        "1 point less likely to be in its window now than in a year",
    ]
    assert why(early, "opportunity") == ("1 point less likely to be in its window now than in a year", pytest.approx(math.exp(-0.02)))
    late = line(wine("A"), standing=standing("late", 0.4, 0.3), taste=Taste(0.87, "preference"))
    assert only(late).whys[0].text == "87 % that you like it"
    assert why(late, "readiness") == ("past its best since May 2028, to be drunk by January 2031; 40 % within its window", 0.8)
    assert why(line(wine("A"), standing=standing("peak", None, None)), "readiness") == (
        "at its best since March 2024, until May 2028", pytest.approx(1.2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size_ml", "bottles", "guests", "opened", "factor", "says"),
    [
        (750, 3, 0, 1, None, None),
        (750, 3, 2, 1, None, None),
        (750, 3, 5, 2, None, None),
        (750, 1, 5, 1, 0.75, "a bottle of 750 ml is not enough for 6"),
        (375, 3, 0, 1, 1.15, "a small bottle is right for one on a weekday"),
        (375, 3, 1, 2, None, None),
        (1500, 1, 4, 1, 1.2, "a large bottle is right for 5"),
        (1500, 2, 0, 1, 0.625, "a bottle of 1,500 ml is much for one"),
        (None, 2, 3, 2, None, None),
    ],
)
def test_enough_of_the_same_wine_for_everybody_and_not_far_too_much(
    size_ml: int | None, bottles: int, guests: int, opened: int, factor: float | None, says: str | None
) -> None:
    of = line(wine("A"), size_ml=size_ml, bottles=bottles)
    assert only(of, Wish(guests=guests)).open == opened
    found = why(of, "guests", Wish(guests=guests))
    assert found == ((says, pytest.approx(factor)) if says else None)


def test_a_sweet_wine_goes_round_in_smaller_glasses() -> None:
    assert only(line(wine("Port", None, "Dessert/Port", "Porto")), Wish(guests=6)).open == 1
    assert only(line(wine("Barolo", None, "Red", "Barolo")), Wish(guests=6)).open == 3


def test_a_small_bottle_is_for_weekdays() -> None:
    half = [line(wine("A"), size_ml=375), line(wine("B"))]
    assert names(half, as_of=date(2026, 11, 25)) == ["A", "B"]
    saturday = choose(half, Wish(), date(2026, 11, 28), FOODS)[0]
    assert saturday[0].score == saturday[1].score


def test_the_last_bottle_waits_for_an_occasion_unless_it_fades() -> None:
    last = line(wine("A"), bottles=1)
    assert why(last, "last_bottle") == ("it is your last bottle of it, and it does not hurry", 0.9)
    assert why(last, "last_bottle", Wish(guests=1)) is None
    assert why(replace(last, standing=standing("peak", 0.8, 0.7)), "last_bottle") is None
    assert why(replace(last, standing=standing("late", 0.5, 0.5)), "last_bottle") is None
    assert why(replace(last, awaited=1), "last_bottle") is None
    treasured = why(replace(last, taste=Taste(0.9, "own", 97.0)), "last_bottle")
    assert treasured == ("it is your last, and you gave it 97: keep it for an occasion", 0.8)


def test_the_dearest_bottle_is_not_for_an_evening_alone() -> None:
    cheap = tuple(line(wine(f"Cheap {number}"), value=10.0 + number, currency="EUR") for number in range(9))
    dear = line(wine("Dear"), value=500.0, currency="EUR")
    alone = why(dear, "value", beside=cheap)
    assert alone == ("90 % of your bottles with a value are worth less, much for an evening alone", pytest.approx(0.64))
    with_guests = why(dear, "value", Wish(guests=3), cheap)
    assert with_guests == ("90 % of your bottles with a value are worth less", pytest.approx(0.91))
    assert why(replace(dear, currency="USD"), "value", beside=cheap) is None
    assert why(replace(dear, value=None), "value", beside=cheap) is None


def test_picks_are_of_different_names_and_producers_and_not_all_of_one_type() -> None:
    best = standing("peak", 0.9, 0.8)
    reds = [line(wine(f"Red {number}", f"Weingut {number}"), standing=best) for number in range(9)]
    again = line(wine("Red 0 again", "Weingut 0"), standing=best)
    white = line(wine("White", "Weingut W", "White"), standing=standing("early", 0.5, 0.6))
    chosen = names([again, *reds, white], most=4)
    assert chosen == ["Red 0", "Red 1", "Red 2", "White"]
    assert "White" not in names([again, *reds, white], Wish("steak"), most=4)
    assert names(reds, most=3) == ["Red 0", "Red 1", "Red 2"]


def test_ties_go_by_label() -> None:
    assert names([line(wine("b")), line(wine("C")), line(wine("a"))]) == ["a", "b", "C"]


def test_codes_and_ranges_are_one_list() -> None:
    assert tuple(RANGES) == CODES
    assert all(low <= 1 <= high for low, high in RANGES.values())

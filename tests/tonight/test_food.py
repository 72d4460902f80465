"""Food in words: what is understood of it, and how wines go with it."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.vocabulary.canonical import Kind, canonical, made_of
from cellar_shared.events.vocabulary.words import folded
from cellar_tonight.character import known_of
from cellar_tonight.evening import Wine
from cellar_tonight.food import Foods
from cellar_tonight.pairing import LEAST, MOST

FOODS = Foods.load()
DATA: dict[str, Any] = json.loads(resources.files("cellar_tonight").joinpath("foods.json").read_text("utf-8"))
CHARACTERS: dict[str, Any] = json.loads(resources.files("cellar_tonight").joinpath("characters.json").read_text("utf-8"))


def wine(
    name: str, type_: str | None, country: str | None = None, region: str | None = None, *grapes: str, colour: str | None = None
) -> Wine:
    return Wine("w", None, name, None, 2015, type_, colour, country, region, grapes)


PAUILLAC = wine("Pauillac", "Red", "France", "Pauillac", "Cabernet Sauvignon", "Merlot")
BAROLO = wine("Barolo", "Red", "Italy", "Barolo", "Nebbiolo")
VOLNAY = wine("Volnay", "Red", "France", "Volnay", "Pinot Noir")
SAUTERNES = wine("Sauternes", "Dessert", "France", "Sauternes", "Sémillon", "Sauvignon Blanc")
PORT = wine("Vintage Port", "Dessert/Port", "Portugal", "Porto", colour="Red")
BANYULS = wine("Banyuls", "Dessert/Port", "France", "Banyuls", "Grenache", colour="Red")
CHABLIS = wine("Chablis", "White", "France", "Chablis Premier Cru", "Chardonnay")
MUSCADET = wine("Muscadet", "White", "France", "Muscadet Sèvre et Maine", "Melon")
CHAMPAGNE = wine("Champagne Brut", "Sparkling", "France", "Champagne", "Pinot Noir", "Chardonnay")
SANCERRE = wine("Sancerre", "White", "France", "Sancerre", "Sauvignon Blanc")
SPAETLESE = wine("Riesling Spätlese", "White", "Germany", "Mosel", "Riesling")
DRY_RIESLING = wine("Riesling Spätlese trocken", "White", "Germany", "Pfalz", "Riesling")
FINO = wine("Fino", "Dessert/Port", "Spain", "Jerez", "Palomino", colour="White")
WINES = (
    PAUILLAC, BAROLO, VOLNAY, SAUTERNES, PORT, BANYULS, CHABLIS, MUSCADET, CHAMPAGNE, SANCERRE, SPAETLESE, DRY_RIESLING, FINO,
)  # fmt: skip


def affinity(food: str, of: Wine) -> float:
    return FOODS.understood(food).affinity(of)[0]


@pytest.mark.parametrize(
    ("food", "better", "worse"),
    [
        ("steak", [PAUILLAC, BAROLO], [SAUTERNES, MUSCADET, SPAETLESE]),
        ("Bistecca alla fiorentina", [PAUILLAC, BAROLO], [SAUTERNES, CHABLIS]),
        ("oysters", [CHABLIS, CHAMPAGNE, MUSCADET, SANCERRE], [PORT, BAROLO, PAUILLAC, SAUTERNES]),
        ("blue cheese", [SAUTERNES, PORT], [PAUILLAC, MUSCADET, BAROLO]),
        ("Stilton and walnuts", [PORT], [CHABLIS, PAUILLAC]),
        ("spicy Thai curry", [SPAETLESE], [PAUILLAC, BAROLO, CHABLIS, DRY_RIESLING]),
        ("chocolate cake", [PORT, BANYULS], [CHABLIS, PAUILLAC, CHAMPAGNE]),
        ("grilled sea bass", [CHABLIS, SANCERRE, DRY_RIESLING], [PAUILLAC, BAROLO, PORT]),
        ("fish", [CHABLIS], [BAROLO, SAUTERNES]),
        ("roast duck with cherries", [VOLNAY], [MUSCADET, SAUTERNES, CHABLIS]),
        ("goat cheese salad", [SANCERRE], [BAROLO, PORT]),
        ("white truffle risotto", [BAROLO], [SAUTERNES, PORT]),
        ("jamón and olives", [FINO], [PAUILLAC, SAUTERNES]),
        ("foie gras", [SAUTERNES], [MUSCADET, SANCERRE]),
        ("fish and chips", [CHAMPAGNE], [BAROLO, PAUILLAC]),
        ("strawberries", [SAUTERNES], [PAUILLAC, CHABLIS]),
    ],
)
def test_classic_tables_get_their_wines(food: str, better: list[Wine], worse: list[Wine]) -> None:
    lowest = min((affinity(food, each), each.name) for each in better)
    highest = max((affinity(food, each), each.name) for each in worse)
    assert lowest > highest
    assert lowest[0] > 1


def test_a_reason_names_the_wine_or_what_it_does_and_the_food_in_the_members_words() -> None:
    assert FOODS.understood("huîtres").affinity(CHABLIS)[1] == "Chablis and huîtres: a classic pair"
    assert FOODS.understood("steak au poivre").affinity(PAUILLAC)[1] == "Cabernet Sauvignon and steak with au poivre: a classic pair"
    assert FOODS.understood("Oysters!").affinity(BAROLO)[1] == "its tannin tastes of metal beside oysters"
    assert FOODS.understood("chocolate").affinity(CHABLIS)[1] == "beside the sweetness of chocolate it tastes sour"


@given(st.lists(st.sampled_from(FOODS.foods), min_size=1, max_size=4), st.sampled_from(WINES))
def test_an_affinity_lies_within_its_range_and_a_reason_goes_with_each_that_is_not_neutral(foods: list[Any], of: Wine) -> None:
    factor, says = FOODS.understood(" and ".join(food.name for food in foods)).affinity(of)
    assert LEAST < factor < MOST
    assert (says is None) == (factor == 1)


@given(st.sampled_from([food for food in FOODS.foods if food.kind != "preparation"]))
def test_a_wine_of_which_too_little_is_known_is_neutral(food: Any) -> None:
    assert FOODS.understood(food.name).affinity(wine("Cuvée", None)) == (1.0, None)
    assert FOODS.understood(food.name).affinity(wine("Ale", "Beer", "Belgium")) == (1.0, None)


@given(st.sampled_from(FOODS.foods).flatmap(lambda food: st.tuples(st.just(food), st.sampled_from((food.name, *food.also)))))
def test_every_name_of_a_food_means_that_food_in_whatever_case(named: tuple[Any, str]) -> None:
    food, spelled = named
    for text in (spelled, spelled.upper()):
        dish = FOODS.understood(text)
        assert not dish.ignored
        assert len(dish.named) == 1
        assert FOODS.by_words[tuple(folded(spelled.replace("/", " ")).split())] is food


def test_no_two_foods_have_a_name_in_common() -> None:
    names = [folded(spelled) for food in FOODS.foods for spelled in {folded(each) for each in (food.name, *food.also)}]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("one", "many"), [("oyster", "oysters"), ("cherry", "cherries"), ("quiche", "quiches"), ("potato", "potatoes")])
def test_singular_and_plural_mean_the_same(one: str, many: str) -> None:
    for of in WINES:
        assert affinity(one, of) == affinity(many, of)


def test_several_foods_are_courses_with_what_lies_beside_them() -> None:
    dish = FOODS.understood("roast duck with cherries, then blue cheese and walnuts")
    assert dish.named == ("roast", "duck", "cherries", "blue cheese", "walnuts")
    assert [course.name for course in dish.courses] == ["roast duck with cherries", "blue cheese with walnuts"]
    assert dish.courses[0].traits["sweet"] > FOODS.understood("roast duck").courses[0].traits["sweet"]


def test_a_clash_with_one_course_counts_more_than_a_match_with_another() -> None:
    both = affinity("steak and oysters", PAUILLAC)
    assert both < (affinity("steak", PAUILLAC) * affinity("oysters", PAUILLAC)) ** 0.5 < affinity("steak", PAUILLAC)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("agneau grillé", ["agneau grillé"]),
        ("grilled lamb", ["grilled lamb"]),
        ("smoked ham and fried chicken", ["smoked ham", "fried chicken"]),
        ("chicken steamed, salmon grilled", ["chicken steamed", "salmon grilled"]),
        ("mushrooms on polenta", ["mushrooms with polenta"]),
        ("something grilled", ["grilled"]),
        ("Agneau grillé, fromage.", ["agneau grillé", "fromage"]),
        ("2 steaks without pepper", ["steaks"]),
    ],
)
def test_a_preparation_goes_to_the_dish_beside_it(text: str, names: list[str]) -> None:
    assert [course.name for course in FOODS.understood(text).courses] == names


def test_frying_asks_for_bubbles_and_chilli_for_some_sweetness() -> None:
    assert affinity("fried chicken", CHAMPAGNE) > affinity("chicken", CHAMPAGNE)
    assert affinity("spicy prawns", SPAETLESE) / affinity("prawns", SPAETLESE) > affinity("spicy prawns", CHABLIS) / affinity(
        "prawns", CHABLIS
    )


def test_unknown_words_are_told_and_the_others_go_on() -> None:
    dish = FOODS.understood("grilled lamb with frobnicate")
    assert (dish.named, dish.ignored) == (("grilled", "lamb"), ("frobnicate",))
    assert dish.affinity(PAUILLAC) == FOODS.understood("grilled lamb").affinity(PAUILLAC)


@pytest.mark.parametrize(
    ("text", "named"), [("xyzzy", "'xyzzy'"), ("stteak", "near: steak"), ("chedar", "near: cheddar"), ("with and", "no food")]
)
def test_food_of_which_nothing_is_known_is_refused_with_what_is_near_and_how_to_see_the_list(text: str, named: str) -> None:
    with pytest.raises(BadInput, match="--food list") as refused:
        FOODS.understood(text)
    assert named in str(refused.value)
    assert repr(text) in str(refused.value)


def test_the_list_names_every_food() -> None:
    with pytest.raises(BadInput) as listed:
        FOODS.understood("List")
    assert all(food.name in str(listed.value) for food in FOODS.foods)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        dish = FOODS.understood(text)
    except BadInput:
        return
    assert dish.courses and dish.named
    assert all(0 <= value <= 1 for course in dish.courses for value in course.traits.values())


def test_every_type_region_and_grape_of_the_data_is_spelled_as_the_vocabularies_do() -> None:
    found: list[tuple[Kind, str]] = [("type", name) for name in DATA["type_words"]]
    for food in DATA["foods"]:
        for classic in food.get("classics", ()):
            for key, kind in (("types", "type"), ("regions", "region"), ("grapes", "grape")):
                found += [(kind, name) for name in classic.get(key, ())]
    found += [("grape", name) for name in CHARACTERS["grapes"]]
    found += [("region", row["region"]) for row in CHARACTERS["regions"]] + [
        ("type", name) for row in CHARACTERS["regions"] for name in row["types"]
    ]
    found += [("type", name.removesuffix(" red")) for name in CHARACTERS["styles"]]
    assert [(kind, name) for kind, name in found if canonical(kind, name) != name] == []


def test_the_data_states_its_sources_and_its_grades_lie_between_0_and_1() -> None:
    for data in (DATA, CHARACTERS):
        assert any("judgement" in source for source in data["sources"])
        assert len(data["sources"]) >= 2
    for food in DATA["foods"]:
        assert set(food["traits"]) <= set(DATA["traits"])
        assert all(-1 <= value <= 1 for value in food["traits"].values())
        assert food["kind"] in ("dish", "side", "preparation")
        assert all(-0.5 <= classic["degree"] <= 0.5 for classic in food.get("classics", ()))
    grades = [
        *CHARACTERS["styles"].values(),
        *CHARACTERS["grapes"].values(),
        *(row["is"] for row in CHARACTERS["regions"] + CHARACTERS["words"]),
    ]
    assert all(0 <= value <= 1 for grade in grades for value in grade.values())


def test_a_label_tells_how_sweet_a_wine_is() -> None:
    def sweetness(of: Wine) -> float:
        character = known_of(of).character
        assert character
        return character.sweetness

    kabinett = wine("Riesling Kabinett", "White", "Germany", "Saar", "Riesling")
    beerenauslese = wine("Riesling Beerenauslese", "Dessert", "Germany", "Mosel", "Riesling")
    assert sweetness(DRY_RIESLING) < sweetness(kabinett) < sweetness(SPAETLESE) < sweetness(beerenauslese) < 1
    assert sweetness(FINO) == 0


def test_grapes_tell_the_type_of_a_wine_without_one_and_an_unknown_grape_nothing() -> None:
    assert known_of(wine("Cuvée", None, None, None, "Nebbiolo")).type == "Red"
    assert made_of("Frobnicator") is None
    assert known_of(wine("Cuvée", "Red", "Italy", "Nowhere", "Frobnicator")).character == known_of(wine("Cuvée", "Red")).character

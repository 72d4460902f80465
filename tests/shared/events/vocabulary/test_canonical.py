"""The vocabularies: one spelling for many, nothing guessed, and shares of real sources that are recognised."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.events.vocabulary import canonical as vocabulary
from cellar_shared.events.vocabulary.canonical import KINDS, canonical, colour_in, country_code, made_of, place_of, spellings, spellings_of
from cellar_shared.events.vocabulary.words import folded

FILES = {"country": "countries.csv", "region": "regions.csv", "grape": "grapes.csv"}


def rows_of(file: str) -> list[dict[str, str]]:
    text = resources.files(vocabulary.__package__ or "").joinpath(file).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


SPELLED = {
    ("type", "White - Sweet/Dessert"): "Dessert", ("type", "rosé - sparkling"): "Sparkling", ("type", "Red - Fortified"): "Dessert/Port",
    ("country", "USA"): "United States", ("country", "Österreich"): "Austria", ("country", "England"): "United Kingdom",
    ("grape", "Shiraz"): "Syrah/Shiraz", ("grape", "garnacha tinta"): "Grenache", ("grape", "Gruner Veltliner"): "Grüner Veltliner",
    ("region", "Bourgogne"): "Burgundy", ("region", "SAINT ESTEPHE"): "Saint-Estèphe", ("region", "St. Estèphe"): "Saint-Estèphe",
    ("region", "La Tâche Grand Cru"): "La Tâche", ("region", "Chablis 1er Cru 'Montmains'"): "Chablis",
    ("region", "Columbia Valley (WA)"): "Columbia Valley", ("region", "Vin de Pays des Côtes de Gascogne"): "Côtes de Gascogne",
    ("region", "Verdicchio dei Castelli di Jesi Classico Superiore"): "Verdicchio dei Castelli di Jesi",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), SPELLED)
def test_a_synonym_is_spelled_one_way(kind: vocabulary.Kind, text: str) -> None:
    assert canonical(kind, text) == SPELLED[kind, text]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["Unknown", "", "  ", "n/a", "Nowhere at All", None])
def test_what_says_nothing_or_is_not_written_down_is_no_word(kind: vocabulary.Kind, text: str | None) -> None:
    assert canonical(kind, text) is None


def test_a_kind_that_is_none_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no vocabulary of 'colour'"):
        canonical("colour", "red")  # type: ignore[arg-type]


def test_places_of_one_name_are_told_apart_by_their_country() -> None:
    assert [(place.country, place.within) for place in (place_of("Rioja", "Spain"), place_of("La Rioja", "Argentina")) if place] == [
        ("Spain", ()), ("Argentina", ()),
    ]  # fmt: skip
    assert place_of("Pomerol", "Spain") is None
    pauillac = place_of("Pauillac", "France")
    assert pauillac and pauillac.within == ("Médoc", "Bordeaux")


def test_a_country_has_its_iso_code() -> None:
    assert [country_code(name) for name in ("USA", "Wales", "Türkiye", "Unknown")] == ["US", "GB", "TR", None]


def test_a_blend_says_its_colour_and_its_usual_grapes() -> None:
    made = {
        text: made_of(text) for text in ("Red Bordeaux Blend", "Sémillon-Sauvignon Blanc Blend", "Tannat-Cabernet", "Unknown", "Moonjuice")
    }
    assert {text: (told.type, told.grapes) if told else None for text, told in made.items()} == {
        "Red Bordeaux Blend": ("Red", ("Cabernet Sauvignon", "Merlot", "Cabernet Franc")),
        "Sémillon-Sauvignon Blanc Blend": ("White", ("Sémillon", "Sauvignon Blanc")),
        "Tannat-Cabernet": ("Red", ("Tannat", "Cabernet Sauvignon")), "Unknown": None, "Moonjuice": None,
    }  # fmt: skip
    assert [colour_in(text) for text in ("Red - Sparkling", "Rosé", "Dessert", None)] == ["Red", "Rosé", None, None]


@pytest.mark.parametrize("kind", FILES)
def test_a_vocabulary_says_each_word_once_and_answers_with_its_own_names(kind: vocabulary.Kind) -> None:
    owners: dict[tuple[str, str], str] = {}
    for row in rows_of(FILES[kind]):
        home = row.get("country", "")
        for spelled in spellings(row):
            assert owners.setdefault((home, folded(spelled)), row["name"]) == row["name"], spelled
            assert canonical(kind, spelled, home or None) == row["name"]


def test_every_place_lies_in_a_known_country_and_a_place_of_it_that_is_written_down() -> None:
    rows = rows_of("regions.csv")
    names = {(row["name"], row["country"]) for row in rows}
    assert len(names) == len(rows)
    assert {row["country"] for row in rows} <= {row["name"] for row in rows_of("countries.csv")}
    assert all((row["within"], row["country"]) in names for row in rows if row["within"])


def test_country_codes_are_two_letters_and_of_one_country_each() -> None:
    codes = [row["code"] for row in rows_of("countries.csv")]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in codes)


def test_grapes_and_countries_are_spelled_as_the_models_were_taught() -> None:
    taught = json.loads(resources.files(vocabulary.__package__ or "").joinpath("wine_words.json").read_text("utf-8"))
    grapes = taught["synonyms"] | {name: name for name in taught["red"] + taught["white"]}
    assert {text: canonical("grape", text) for text in grapes} == grapes
    assert {text: canonical("country", text) for text in taught["countries"]} == taught["countries"]
    colours = {row["name"]: row["colour"] for row in rows_of("grapes.csv")}
    assert {colours[name] for name in taught["red"]} == {"Red"}
    assert {colours[name] for name in taught["white"]} == {"White"}


@given(st.text(max_size=40), st.sampled_from(KINDS))
def test_any_text_is_answered_with_a_name_that_answers_itself(text: str, kind: vocabulary.Kind) -> None:
    name = canonical(kind, text)
    assert name is None or canonical(kind, name) == name


@pytest.mark.real_data
@pytest.mark.parametrize("source", ["xwines", "windows"])
def test_nine_in_ten_words_of_a_real_source_are_recognised(
    source: str, real_data: Path, cellar: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    file = real_data / source if source == "xwines" else real_data / source / "expert_windows.csv"
    done = cellar("data", "import", source, file, "--out", tmp_path / "data", "--json")
    assert done.returncode == 0, done.stderr
    shares = {kind: each["share"] for kind, each in json.loads(done.stdout)["recognised"].items()}
    assert set(shares) == set(KINDS)
    assert min(shares.values()) >= 0.9, shares
    checked = json.loads(cellar("data", "check", tmp_path / "data", "--json").stdout)
    assert checked["recognised"].keys() == shares.keys()


def test_a_name_stands_for_all_its_spellings() -> None:
    assert {"Syrah", "Shiraz"} <= spellings_of("grape", "shiraz")
    assert {"United States", "USA"} <= spellings_of("country", "u.s.")
    assert {"Rosé", "Rosato"} <= spellings_of("type", "ROSE")
    assert "Red" not in spellings_of("type", "White")


def test_a_region_stands_for_the_places_within_it_and_not_for_those_around_it() -> None:
    assert {"Bordeaux", "Pauillac"} <= spellings_of("region", "bordeaux")
    assert "Bordeaux" not in spellings_of("region", "Pauillac")
    assert "Barolo" not in spellings_of("region", "Bordeaux")


@pytest.mark.parametrize("kind", KINDS)
def test_every_spelling_means_what_its_name_means(kind: vocabulary.Kind) -> None:
    names = [row["name"] for row in rows_of(FILES[kind])] if kind in FILES else ["Red", "White", "Sparkling"]
    for name in names:
        assert name in spellings_of(kind, name)
        if kind != "region":
            assert {canonical(kind, spelled) for spelled in spellings_of(kind, name)} == {name}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "n/a", "nowhere in particular"])
def test_what_is_not_written_down_has_no_spellings(kind: vocabulary.Kind, text: str) -> None:
    assert spellings_of(kind, text) == frozenset()

"""Matching wines of two catalogues: what counts as evidence, what ends a match, and how often bent names are found again."""

from __future__ import annotations

import json
import random
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.matching.evidence import WineWords
from cellar_shared.events.matching.matches import THRESHOLD, Catalogue, Match, keep, match_folders
from cellar_shared.events.tables import DataFolder, DataWriter

Cellar = Callable[..., subprocess.CompletedProcess[str]]
GEVREY = {
    "wine_id": "1", "name": "Gevrey-Chambertin Vieilles Vignes", "producer": "Domaine Exemple", "type": "Red", "country": "France",
    "region": "Gevrey-Chambertin", "grapes": ["Pinot Noir"], "source": "made",
}  # fmt: skip
CATALOGUE = [
    GEVREY,
    GEVREY | {"wine_id": "2", "name": "Chablis", "type": "White", "region": "Chablis", "grapes": ["Chardonnay"]},
    GEVREY | {"wine_id": "3", "name": "Rosé", "type": "Rosé", "region": "Bourgogne"},
    {"wine_id": "4", "name": "Tawny 10", "producer": "Casa Modelo", "type": "Dessert/Port", "country": "Portugal", "region": "Porto",
     "grapes": ["Touriga Nacional"], "source": "made"},
    {"wine_id": "118542", "name": "Merlot", "producer": "Rancho Nada", "type": "Red", "country": "Chile", "region": "Maipo Valley",
     "grapes": ["Merlot"], "source": "made"},
]  # fmt: skip


def found(**facts: Any) -> Match:
    return Catalogue([WineWords.of(row) for row in CATALOGUE]).match(WineWords.of(GEVREY | {"wine_id": "ct:118542"} | facts))


SAME = {
    "the same facts": {},
    "another spelling": {"name": "GEVREY CHAMBERTIN V. VIEILLES VIGNES", "producer": "Dom. Exemple"},
    "a letter lost": {"producer": "Domaine Exempe"},
    "the producer within the name": {"name": "Domaine Exemple Gevrey-Chambertin Vieilles Vignes", "producer": None},
    "a wider region": {"region": "Burgundy"},
    "nothing of grapes, region and colour": {"grapes": None, "region": None, "type": None},
}


@pytest.mark.parametrize("how", SAME)
def test_a_wine_is_found_by_its_facts(how: str) -> None:
    match = found(**SAME[how])
    assert (match.other, match.reason) == ("1", "matched")
    assert match.score is not None and match.score >= THRESHOLD


OTHERS = {
    "another producer": ({"producer": "Clos du Nord", "name": "Gevrey-Chambertin Vieilles Vignes"}, "no_such_producer"),
    "another wine of the producer": ({"name": "Pommard Les Rugiens", "region": "Pommard"}, "not_alike_enough"),
    "another country": ({"country": "Italy", "region": None}, "contradicted"),
    "another colour": ({"type": "White"}, "contradicted"),
    "other years in wood": (
        {"name": "Tawny 20", "producer": "Casa Modelo", "type": None, "country": "Portugal", "region": "Porto"},
        "not_alike_enough",
    ),
}


@pytest.mark.parametrize("how", OTHERS)
def test_what_speaks_against_a_match_ends_it_and_says_why(how: str) -> None:
    facts, reason = OTHERS[how]
    assert (found(**facts).other, found(**facts).reason) == (None, reason)


def test_digits_of_an_id_never_make_a_match() -> None:
    assert found(producer="Nobody Known", name="Nothing", wine_id="ct:118542").other is None


def test_two_wines_that_fit_equally_well_are_none() -> None:
    twice = Catalogue([WineWords.of(row) for row in (*CATALOGUE, GEVREY | {"wine_id": "9"})])
    match = twice.match(WineWords.of(GEVREY))
    assert (match.other, match.reason, match.runner_up) == (None, "ambiguous", match.score)


@given(st.permutations(CATALOGUE), st.text(max_size=20), st.text(max_size=20))
def test_any_names_are_answered_and_the_order_of_the_catalogue_changes_nothing(
    rows: list[dict[str, Any]], name: str, producer: str
) -> None:
    wine = WineWords.of(GEVREY | {"name": f"{name} Chambertin", "producer": producer or None})
    answers = [Catalogue([WineWords.of(row) for row in order]).match(wine) for order in (CATALOGUE, rows)]
    assert answers[0] == answers[1]
    assert answers[0].score is None or 0 <= answers[0].score <= 1


def write(out: Path, namespace: str, *rows: dict[str, Any]) -> Path:
    nothing = dict.fromkeys(("abv", "body", "acidity", "price", "currency"))
    with DataWriter(out, namespace, "0-100", "made") as writer:
        writer.add("wines", pl.DataFrame([row | nothing for row in rows]))
    return out


def test_matches_are_kept_in_the_folder_and_again_in_their_place(cellar: Cellar, tmp_path: Path) -> None:
    other = write(tmp_path / "catalogue", "shop", *CATALOGUE)
    data = write(tmp_path / "mine", "cellartracker", GEVREY | {"wine_id": "ct:1"}, GEVREY | {"wine_id": "ct:2", "producer": "Nobody"})
    for _ in range(2):
        done = cellar("data", "match", data, "--to", other, "--json")
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["wines"], answer["matched"], answer["no_such_producer"], answer["share"]) == (2, 1, 1, 0.5)
        rows = DataFolder.open(data).scan("matches").collect().to_dicts()
        assert [(row["wine_id"], row["namespace"], row["other_id"], row["reason"]) for row in rows] == [
            ("ct:1", "shop", "1", "matched"), ("ct:2", "shop", None, "no_such_producer"),
        ]  # fmt: skip
    assert check_folder(data)["wines"] == 2  # a wine without a match keeps its facts
    assert cellar("data", "match", data, "--to", other).stdout == "1 of 2 wines matched (50.0%, score from 0.8); 1 no such producer\n"
    assert cellar("data", "match", data, "--to", other, "--out", tmp_path / "matches.parquet").returncode == 0
    assert pl.read_parquet(tmp_path / "matches.parquet").height == 2


def test_matches_to_another_catalogue_stand_beside_the_first(tmp_path: Path) -> None:
    data = write(tmp_path / "mine", "cellartracker", GEVREY | {"wine_id": "ct:1"})
    for namespace in ("shop", "xwines"):
        keep(data, match_folders(data, write(tmp_path / namespace, namespace, *CATALOGUE)))
    assert DataFolder.open(data).scan("matches").collect()["namespace"].to_list() == ["shop", "xwines"]


def test_folders_of_one_namespace_are_refused(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, "shop", *CATALOGUE) for name in ("one", "two"))
    with pytest.raises(BadInput, match="both have the namespace 'shop'"):
        match_folders(one, two)


# How the site calls the catalogue's types.
CALLED = {"Sparkling": "White - Sparkling", "Dessert": "White - Sweet/Dessert", "Dessert/Port": "Red - Fortified"}


def bent(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The wine as another catalogue may have it: the producer within the name, accents and facts lost, letters dropped."""
    made = row | {"wine_id": f"ct:{row['wine_id']}", "type": CALLED.get(row["type"], row["type"])}
    made["name"] = row["name"] if row["name"].startswith(row["producer"]) else f"{row['producer']} {row['name']}"
    if chance.random() < 0.5:
        made |= {name: plain(made[name]) for name in ("name", "producer", "region")}
    for name in ("name", "producer"):
        if chance.random() < 0.2:
            made[name] = without_a_letter(made[name], chance)
    return made | {name: None for name in ("producer", "grapes", "type") if chance.random() < 0.2}


def plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def without_a_letter(text: str, chance: random.Random) -> str:
    places = [place for place, letter in enumerate(text) if letter.isalpha()][2:]
    place = chance.choice(places or [0])
    return text[:place] + text[place + 1 :]


MOST_WRONG, LEAST_FOUND = 0.02, 0.95  # of matches, and of wines that are there; measured .008 and .975


@pytest.mark.real_data
def test_bent_names_of_a_real_catalogue_are_found_and_few_that_it_lacks(real_data: Path, cellar: Cellar, tmp_path: Path) -> None:
    assert cellar("data", "import", "xwines", real_data / "xwines", "--out", tmp_path / "x").returncode == 0
    rows = DataFolder.open(tmp_path / "x").scan("wines").collect().to_dicts()
    chance = random.Random(7)
    lacking = {row["wine_id"] for row in rows if chance.random() < 1 / 3}
    catalogue = Catalogue([WineWords.of(row) for row in rows if row["wine_id"] not in lacking])
    answers = [(row["wine_id"], catalogue.match(WineWords.of(bent(row, chance))).other) for row in rows]
    matched = [(truth, answer) for truth, answer in answers if answer]
    right = sum(truth == answer for truth, answer in matched)
    assert (len(matched) - right) / len(matched) <= MOST_WRONG
    assert right / (len(rows) - len(lacking)) >= LEAST_FOUND

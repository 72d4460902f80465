"""What to buy next, by a real bundle on a real store: what the member has or rated is not among it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from cellar_preference.training.fit import Recipe as PreferenceRecipe
from cellar_preference.training.network import Shape as PreferenceShape
from cellar_preference.training.train import train as train_preference
from cellar_recommender.training.fit import Recipe
from cellar_recommender.training.learn import Settings
from cellar_recommender.training.network import Shape
from cellar_recommender.training.train import train
from cellar_shared.errors import BadInput
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_tonight.buying import WINES, Buying, to_buy
from cellar_tonight.catalogued import Catalogued
from cellar_tonight.evening import Evening, Suggestion, Wish
from cellar_tonight.taste import Model
from cellar_tonight.terminal import shown

EVENING = datetime(2021, 12, 31, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Small bundles that learn in seconds; nothing is asked of how well."""
    place = tmp_path_factory.mktemp("buying")
    liking = PreferenceRecipe(shape=PreferenceShape(embedding=4, heads=2, key=2, value=2, hidden=(8, 4)), epochs=1, batch=256)
    train_preference(small_world, place / "preference", hold_out_days=30, recipe=liking, threads=1, step=lambda _: None)
    tiny = Settings(Recipe(shape=Shape(embedding=4, vector=6, heads=2, hidden=8), epochs=1, batch=256), rounds=5)
    terms: dict[str, Any] = {"hold_out_days": 30, "settings": tiny, "threads": 1, "step": lambda _: None}
    train(small_world, place / "bundle", preference=place / "preference", **terms)
    materialize(small_world, LmdbStore(place / "store"), say=lambda _: None)
    return Model(place / "bundle", f"lmdb://{place / 'store'}")


@pytest.fixture(scope="module")
def catalogue(small_world: Path) -> pl.DataFrame:
    """The catalogue's wines whose names tell them apart, so that an export's wine of that name is known by it."""
    wines = DataFolder.open(small_world).scan("wines").collect()
    return wines.filter(pl.struct("producer", "name").is_first_distinct(), pl.col("grapes").list.len() > 0)


@pytest.fixture
def export(catalogue: pl.DataFrame, wines_of: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    """An export's wines, numbered in its own way: those of the catalogue by name."""
    return wines_of(
        *(
            {"wine_id": f"ct:{number}", "full_name": None, "vintage": 2015}
            | {name: row[name] for name in ("name", "producer", "type", "country", "region", "grapes")}
            for number, row in enumerate(catalogue.iter_rows(named=True))
        )
    )


def ratings_of(scores: dict[str, float]) -> pl.DataFrame:
    rows = [
        {"event_id": f"e{place}", "member_id": "me", "wine_id": wine_id, "scale": "0-100", "like": score >= 90, "rating_raw": score}
        | {"time_precision": "date", "defective": False, "source": "cellartracker", "rated_at": datetime(2021, 1, 1 + place, tzinfo=UTC)}
        for place, (wine_id, score) in enumerate(scores.items())
    ]
    return pl.DataFrame(rows, schema=dtypes_of("ratings"))


def test_what_the_member_has_or_rated_is_not_among_it(model, small_world, export, bottles_of):
    known = Catalogued.of(export, small_world)
    matched = sorted(known.matches)
    assert len(matched) > 30
    rated, owned, awaited = matched[:10], matched[10:20], matched[20:30]
    bottles = bottles_of(
        *({"wine_id": wine_id} for wine_id in owned),
        *({"wine_id": wine_id, "state": "pending"} for wine_id in awaited),
    )
    ratings = ratings_of(dict.fromkeys(rated, 95.0))
    nothing_known = Catalogued.of(export, None)
    buying = to_buy(model, bottles, ratings, known, small_world, EVENING)
    assert len(buying.wines) == WINES
    have = {known.matches[wine_id] for wine_id in (*rated, *owned, *awaited)}
    assert not {each.wine.wine_id for each in buying.wines} & have
    # Where nobody looks the wines up, they are other wines, and the whole catalogue is there to choose from.
    unmatched = to_buy(model, bottles, ratings, nothing_known, None, EVENING)
    everything = DataFolder.open(small_world).manifest.tables["wines"].rows
    assert f"among {everything:,} wines" in unmatched.notes[0]
    assert f"among {everything - len(have):,} wines" in buying.notes[0]
    assert "it has 10 of the 10 wines you rated" in buying.notes[0]


def test_each_has_its_chance_its_price_and_sentences(model, small_world, export, bottles_of, catalogue):
    known = Catalogued.of(export, small_world)
    liked = dict.fromkeys(sorted(known.matches)[:10], 96.0)
    buying = to_buy(model, bottles_of(), ratings_of(liked), known, small_world, EVENING)
    rows = {row["wine_id"]: row for row in DataFolder.open(small_world).scan("wines").collect().iter_rows(named=True)}
    assert buying.model.startswith("recommender ")
    for each in buying.wines:
        row = rows[each.wine.wine_id]
        assert 0 < each.chance < 1
        assert (each.price, each.currency) == (row["price"], row["currency"])
        assert row["name"] in each.wine.label
        assert row["producer"] in each.wine.label
        assert all(why.text.endswith(".") for why in each.whys)
    assert any(each.whys for each in buying.wines)
    assert not [note for note in buying.notes if "degraded" in note]


def test_without_the_catalogues_folder_a_wine_is_called_by_its_id(model, export, bottles_of):
    buying = to_buy(model, bottles_of(), ratings_of({"ct:1": 93.0}), Catalogued.of(export, None), None, EVENING)
    assert all(each.wine.label == each.wine.wine_id for each in buying.wines)
    assert all(each.price is None for each in buying.wines)
    assert "price" not in printed(buying)


def test_whoever_rated_nothing_is_told_so(model, export, bottles_of):
    buying = to_buy(model, bottles_of(), ratings_of({}), Catalogued.of(export, None), None, EVENING)
    assert len(buying.wines) == WINES
    assert "you rated none" in buying.notes[0]


def test_a_store_without_a_generation_is_named(model, export, bottles_of, tmp_path):
    empty = Model(model.bundle, f"lmdb://{tmp_path / 'empty'}")
    with pytest.raises(BadInput, match=r"--store lmdb://.*empty: .*materialize"):
        to_buy(empty, bottles_of(), ratings_of({}), Catalogued.of(export, None), None, EVENING)


def test_the_terminal_shows_what_to_buy_with_what_speaks_for_it(model, small_world, export, bottles_of):
    known = Catalogued.of(export, small_world)
    buying = to_buy(model, bottles_of(), ratings_of(dict.fromkeys(sorted(known.matches)[:5], 95.0)), known, small_world, EVENING)
    text = printed(buying)
    assert "to buy" in text
    for each in buying.wines:
        assert each.wine.label in text
        assert f"{100 * each.chance:.0f} %" in text
        assert all(f"{'-' if why.effect < 0 else '+'} {why.text}" in text for why in each.whys)
    assert "There is nothing to buy" in printed(Buying((), "recommender x", ()))
    assert "to buy" not in printed(None)


def test_markup_in_a_wines_name_is_shown_as_it_is(model, export, bottles_of):
    buying = to_buy(model, bottles_of(), ratings_of({}), Catalogued.of(export, None), None, EVENING)
    wine = buying.wines[0].wine
    named = type(wine)(wine.wine_id, None, "[red]Rouge[/red]", None, None, None, None, None, None)
    text = printed(Buying((Suggestion(named, None, 12.0, "[b]", ()),), buying.model, ()))
    assert "[red]Rouge[/red]" in text
    assert "[b] 12" in text


def printed(buying: Buying | None) -> str:
    evening = Evening(date(2021, 12, 31), None, Wish(), (2021,), (), (), None, (), (), (), (), to_buy=buying.wines if buying else None)
    console = Console(file=StringIO(), width=300)
    console.print(shown(evening))
    return console.file.getvalue()

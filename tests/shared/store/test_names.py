"""Names of a generation: every id and group of the catalogue has its text, as the source writes it, and nothing else has one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.events.appending import DataAppender
from cellar_shared.events.tables import DataFolder, dtypes_of
from cellar_shared.features.identity import UNKNOWN, identity
from cellar_shared.store.materialize import materialize
from cellar_shared.store.names import COLUMNS, Names, write_names
from cellar_shared.store.wine_index import WineIndex

GROUPS = ("producer", "type", "country", "region")


def silent(_: str) -> None:
    pass


def identities_of(kind, *texts):
    return np.array([identity(kind, text) for text in texts], dtype=np.int64)


def row(wine_id, name="A name", **facts):
    return dict.fromkeys(COLUMNS) | {"wine_id": wine_id, "name": name} | facts


@pytest.fixture
def named(tmp_path):
    """Names of the rows given, written and mapped."""

    def write(*rows):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        write_names(folder, rows)
        identities = identities_of("wine", *(each["wine_id"] for each in rows))
        order = np.argsort(identities)
        return Names.mapped(folder, WineIndex(identities[order], order.astype(np.int32)))

    return write


def test_a_generation_names_every_wine_and_every_group_of_its_catalogue(small_world, store, opened):
    materialize(small_world, store, say=silent)
    generation = opened(store)
    wines = DataFolder.open(small_world).scan("wines").collect()
    assert generation.wine_ids(np.arange(len(wines))) == wines["wine_id"].to_list()
    assert generation.wine_ids(np.array([7, 3, 7])) == [wines["wine_id"][at] for at in (7, 3, 7)]
    assert generation.names.of(generation.wines["wine"]) == wines["wine_id"].to_list()
    assert generation.names.called(generation.wines["wine"]) == wines["name"].to_list()
    for kind in GROUPS:
        texts = [text and text.strip() for text in wines[kind].to_list()]
        assert generation.names.of(generation.wines[kind]) == texts
        assert generation.names.called(generation.wines[kind]) == texts
    grapes = generation.wines["grapes"]
    for found, expected in zip(generation.names.of(grapes.ravel()), grapes.ravel(), strict=True):
        assert (found is None) == (expected == UNKNOWN)
        assert found is None or identity("grape", found) == expected


def test_what_a_catalogue_lacks_has_no_name_whatever_stands_before_and_behind_it(named):
    names = named(row("w1", producer="P"), row("w2"))
    lacking = np.array([UNKNOWN, np.iinfo(np.int64).min, np.iinfo(np.int64).max, identity("wine", "w3"), identity("region", "P")])
    assert names.of(lacking) == [None] * 5
    assert names.of(np.zeros(0, dtype=np.int64)) == names.wine_ids(np.zeros(0, dtype=np.int64)) == []
    assert named().of(lacking) == [None] * 5
    assert named(row("w1")).of(np.append(lacking, identities_of("wine", "w1"))) == [None] * 5 + ["w1"]


def test_of_several_spellings_of_a_group_the_catalogue_s_first_stands_for_all(named):
    names = named(row("w1", region=" Médoc "), row("w2", region="MÉDOC"), row("w3", region="Me\u0301doc", grapes=["Merlot", "merlot"]))
    assert names.of(identities_of("region", "médoc", "MÉDOC")) == ["Médoc", "Médoc"]
    assert names.of(identities_of("grape", "MERLOT")) == ["Merlot"]


def test_a_wine_is_told_by_its_id_and_called_by_its_label(named):
    names = named(row("100001", "Origem Merlot", producer="Casa Valduga"))
    wine = identities_of("wine", "100001")
    assert (names.of(wine), names.called(wine)) == (["100001"], ["Origem Merlot"])
    assert names.called(identities_of("producer", "casa valduga")) == ["Casa Valduga"]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.dictionaries(texts, st.tuples(texts, st.none() | texts, st.none() | st.lists(texts, max_size=3)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_names_are_the_texts_that_were_written(tmp_path_factory, wines):
    folder = tmp_path_factory.mktemp("names")
    rows = [row(wine_id, name, producer=producer, grapes=grapes) for wine_id, (name, producer, grapes) in wines.items()]
    write_names(folder, rows)
    identities = identities_of("wine", *wines)
    order = np.argsort(identities)
    names = Names.mapped(folder, WineIndex(identities[order], order.astype(np.int32)))
    assert names.wine_ids(np.arange(len(wines))) == names.of(identities) == list(wines)
    assert names.called(identities) == [name for name, _, _ in wines.values()]
    for kind, told in (
        ("producer", [p for _, p, _ in wines.values()]),
        ("grape", [g for _, _, each in wines.values() for g in each or ()]),
    ):
        asked = identities_of(kind, *told)
        for text, found in zip(asked.tolist(), names.of(asked), strict=True):
            assert identity(kind, found) == text


def test_a_wine_s_id_keeps_its_last_character_whatever_it_is(world, store, opened, tmp_path):
    data = world.write(tmp_path / "data")
    with DataAppender(data) as appender:
        more = {"wine_id": "nul\0", "name": "N", "source": "made"}
        appender.add("wines", pl.DataFrame([dict.fromkeys(dtypes_of("wines")) | more], schema=dtypes_of("wines")))
    materialize(data, store, say=silent)
    assert opened(store).wine_ids(np.arange(3)) == ["w0", "w1", "nul\0"]

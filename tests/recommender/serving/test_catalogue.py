"""A generation's wines as a bundle sees them: what the sources make of them, kept whole, mapped, mended, shared, and of other days."""

from __future__ import annotations

import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cellar_recommender.serving import catalogue as opening
from cellar_recommender.serving import catalogue_files, sources
from cellar_recommender.serving.catalogue import Catalogues, open_catalogue, own_day
from cellar_recommender.serving.columns import NAMED, WineColumns
from cellar_recommender.serving.member_vectors import some_member_vectors
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.sources import popular
from cellar_shared.errors import Incompatible
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.tables import DataWriter
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.wines import WineFacts
from cellar_shared.store import indexes
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore


@pytest.fixture(scope="module")
def recommender(line):
    return Recommender.open(line.bundle)


@pytest.fixture(scope="module")
def made(line, tmp_path_factory):
    """The line's generation in a store of its own."""
    store = LmdbStore(tmp_path_factory.mktemp("store"))
    materialize(line.data, store, say=lambda _: None)
    return store


@pytest.fixture
def store(made, tmp_path):
    """A copy of the store, without an index."""
    copy = tmp_path / "store"
    shutil.copytree(made.generations.parent, copy, ignore=shutil.ignore_patterns("indexes"))
    return LmdbStore(copy)


@pytest.fixture
def generation(store):
    opened = Generation.open(store, feature_fingerprint())
    yield opened
    opened.close()


def files_of(folder) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def same(one, other) -> bool:
    arrays = [(getattr(one.shelf, name), getattr(other.shelf, name)) for name in ("wines", "features", "likes", "vectors")]
    arrays += [(one.popular, other.popular), (one.total_likes, other.total_likes), (one.columns.wines, other.columns.wines)]
    return one.day == other.day and all(mine.tobytes() == theirs.tobytes() for mine, theirs in arrays)


# What it is


def test_a_catalogue_is_what_the_sources_make_of_the_generation(recommender, generation, store):
    catalogue = open_catalogue(recommender, generation, store)
    day = own_day(generation)
    assert day * MICROSECONDS_PER_DAY >= generation.manifest.events_through > (day - 1) * MICROSECONDS_PER_DAY
    shelf = recommender.sources.shelf(generation.wines, generation.counts, day)
    for name in ("features", "likes", "vectors"):
        np.testing.assert_array_equal(getattr(catalogue.shelf, name), getattr(shelf, name), err_msg=name)
    assert catalogue.shelf.wines is generation.wines
    np.testing.assert_array_equal(catalogue.total_likes, shelf.likes.sum(axis=0))
    columns = WineColumns.of(generation.wines, generation.index)
    for kind in NAMED:
        np.testing.assert_array_equal(catalogue.columns.named[kind].names, columns.named[kind].names)
        np.testing.assert_array_equal(catalogue.columns.named[kind].codes, columns.named[kind].codes)
    np.testing.assert_array_equal(catalogue.columns.log_prices, columns.log_prices)
    some = generation.wines["wine"][[3, 5]]
    assert np.flatnonzero(catalogue.columns.holding(some)).tolist() == [3, 5]
    found = catalogue.index.search(shelf.vectors[:2], len(shelf.wines)).rows
    assert (np.sort(found, axis=1) == np.arange(len(shelf.wines))).all()


def test_popular_rows_fall_and_equal_ones_stand_by_row(recommender, generation, store):
    catalogue = open_catalogue(recommender, generation, store)
    scores = popular(catalogue.shelf.likes)[catalogue.popular]
    assert sorted(catalogue.popular.tolist()) == list(range(len(scores)))
    assert (np.diff(scores) <= 0).all()
    equal = np.diff(scores) == 0
    assert equal.any()
    assert (np.diff(catalogue.popular)[equal] > 0).all()


def test_slices_and_threads_change_nothing(recommender, generation, store, tmp_path, monkeypatch):
    def built(name, threads):
        (tmp_path / name).mkdir()
        catalogue_files.build(recommender, generation, own_day(generation), tmp_path / name, threads, lambda _: None)
        return files_of(tmp_path / name)

    whole = open_catalogue(recommender, generation, store)
    monkeypatch.setattr(sources, "WINES_AT_ONCE", 50)
    assert built("one", 1) == built("two", 2)
    for name in ("features", "likes"):
        np.testing.assert_array_equal(np.load(tmp_path / "one" / f"{name}.npy"), getattr(whole.shelf, name))
    # A matrix product of fewer rows may add up in another order.
    np.testing.assert_allclose(np.load(tmp_path / "one" / "ann" / "vectors.npy"), whole.shelf.vectors, atol=1e-5)


def test_progress_is_told(recommender, generation, store):
    said: list[str] = []
    open_catalogue(recommender, generation, store, say=said.append)
    assert said[0] == "embedding wines: 120 of 120"
    assert said[-1].startswith("index of 120 wines built")


# Kept


def test_a_catalogue_is_kept_and_mapped_again(recommender, generation, store):
    built = open_catalogue(recommender, generation, store)
    (folder,) = store.indexes.iterdir()
    assert f"-{generation.manifest.id}-" in folder.name
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    again = open_catalogue(recommender, generation, store)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    assert same(again, built)
    assert again.shelf.vectors is again.index.vectors  # once, for scanning and for ranking
    maps = Path("/proc/self/maps").read_text("utf-8")
    for name in ("features.npy", "likes.npy", "popular.npy", "vectors.npy", "wines.npy", "grape_codes.npy"):
        assert f"{folder.name}/" in maps
        assert name in maps


@pytest.mark.parametrize("name", ["features.npy", "columns/grape_codes.npy", "ann/vectors.npy", "ann/index.json", "catalogue.json"])
@pytest.mark.parametrize("content", [b"", b"not an index", None])
def test_a_spoilt_catalogue_is_built_again(recommender, generation, store, caplog, name, content):
    built = open_catalogue(recommender, generation, store)
    (folder,) = store.indexes.iterdir()
    good = files_of(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    assert same(open_catalogue(recommender, generation, store), built)
    assert "it is built again" in caplog.text
    assert files_of(folder) == good
    assert [each.name for each in store.indexes.iterdir()] == [folder.name]


def test_another_generations_catalogue_is_not_taken_for_this_ones(recommender, generation, store, caplog):
    open_catalogue(recommender, generation, store)
    (folder,) = store.indexes.iterdir()
    manifest = (folder / "catalogue.json").read_bytes()
    (folder / "catalogue.json").write_bytes(manifest.replace(generation.manifest.id.encode(), b"f" * 16))
    open_catalogue(recommender, generation, store)
    assert "it is built again" in caplog.text
    assert (folder / "catalogue.json").read_bytes() == manifest


def test_a_store_that_keeps_nothing_is_served_all_the_same(recommender, generation, store, caplog):
    store.indexes.write_text("in the way")
    catalogue = open_catalogue(recommender, generation, store)
    assert "cannot be kept" in caplog.text
    assert store.indexes.read_text() == "in the way"
    shelf = recommender.sources.shelf(generation.wines, generation.counts, catalogue.day)
    np.testing.assert_array_equal(catalogue.shelf.vectors, shelf.vectors)  # mapped, though its folder is gone
    np.testing.assert_array_equal(catalogue.shelf.features, shelf.features)


def test_a_build_that_fails_leaves_nothing(recommender, generation, store, monkeypatch):
    def stopped(*_):
        raise RuntimeError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(catalogue_files.WineColumns, "write", stopped)
        with pytest.raises(RuntimeError, match="stopped"):
            open_catalogue(recommender, generation, store)
    assert list(store.indexes.iterdir()) == []
    open_catalogue(recommender, generation, store)
    assert len(list(store.indexes.iterdir())) == 1


def test_where_no_disk_has_room_nothing_is_left(recommender, generation, store, caplog):
    most, largest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, largest))
    try:
        with pytest.raises(OSError, match="too large"):
            open_catalogue(recommender, generation, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, largest))
    assert "cannot be kept" in caplog.text
    assert list(store.indexes.iterdir()) == []


def test_of_several_who_come_at_once_one_builds(recommender, generation, store, monkeypatch):
    builds = []

    def counted(*arguments):
        builds.append(arguments)
        build(*arguments)

    build = catalogue_files.build
    monkeypatch.setattr(catalogue_files, "build", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_catalogue(recommender, generation, store), range(4)))
    assert len(builds) == 1
    assert all(same(found[0], other) for other in found[1:])


# Ahead, and away again


def test_what_is_built_ahead_is_what_serve_opens(line, recommender, generation, store, monkeypatch):
    indexes.build_ahead(line.bundle, store, generation.manifest.id, lambda _: None)

    def refuse(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(catalogue_files, "build", refuse)
    assert open_catalogue(recommender, generation, store).day == own_day(generation)


def test_an_index_of_other_data_is_not_built_ahead(line, worlds, tmp_path):
    world = worlds.World((WineFacts("P", "Red", "Italy"),), (worlds.Rating(0, 0, 2015, 4.5, 1, 5),))
    elsewhere = LmdbStore(tmp_path / "elsewhere")
    manifest = materialize(world.write(tmp_path / "data"), elsewhere, say=lambda _: None)
    with pytest.raises(Incompatible, match="train on this data"):
        indexes.build_ahead(line.bundle, elsewhere, manifest.id, lambda _: None)
    assert not elsewhere.indexes.exists()


# Other days


def test_an_earlier_day_knows_nothing_of_what_came_after(recommender, generation, store):
    catalogues = Catalogues(recommender, generation, open_catalogue(recommender, generation, store))
    day = catalogues.own.day - 200
    earlier = catalogues.at(day)
    shelf = recommender.sources.shelf(generation.wines, generation.counts, day)
    assert earlier.day == day
    for name in ("features", "likes", "vectors"):
        np.testing.assert_array_equal(getattr(earlier.shelf, name), getattr(shelf, name), err_msg=name)
    assert earlier.total_likes[-1] < catalogues.own.total_likes[-1]
    np.testing.assert_array_equal(earlier.total_likes, shelf.likes.sum(axis=0))
    assert earlier.columns is catalogues.own.columns
    assert (np.diff(popular(shelf.likes)[earlier.popular]) <= 0).all()
    assert earlier.index.vectors is earlier.shelf.vectors


def test_the_own_day_and_what_lies_behind_it_are_one_catalogue(recommender, generation, store):
    catalogues = Catalogues(recommender, generation, open_catalogue(recommender, generation, store))
    assert catalogues.at(catalogues.own.day) is catalogues.own
    assert catalogues.at(catalogues.own.day + 3) is catalogues.own


def test_the_last_two_earlier_days_are_kept(recommender, generation, store):
    catalogues = Catalogues(recommender, generation, open_catalogue(recommender, generation, store))
    last = catalogues.own.day
    first, second = catalogues.at(last - 1), catalogues.at(last - 2)
    assert catalogues.at(last - 1) is first
    catalogues.at(last - 3)
    assert catalogues.at(last - 1) is first
    assert catalogues.at(last - 2) is not second


def test_what_is_there_is_had_at_once_and_kept_longest(recommender, generation, store):
    catalogues = Catalogues(recommender, generation, open_catalogue(recommender, generation, store))
    last = catalogues.own.day
    assert catalogues.kept(last) is catalogues.own
    assert catalogues.kept(last - 1) is None
    first = catalogues.at(last - 1)
    catalogues.at(last - 2)
    assert catalogues.kept(last - 1) is first
    catalogues.at(last - 3)
    assert catalogues.kept(last - 1) is first
    assert catalogues.kept(last - 2) is None
    with catalogues._lock:  # as while a day is made
        assert catalogues.kept(last - 1) is first


def test_a_large_catalogue_has_no_earlier_day(recommender, generation, store, monkeypatch):
    catalogues = Catalogues(recommender, generation, open_catalogue(recommender, generation, store))
    monkeypatch.setattr(opening, "EXACT_UP_TO", len(generation.wines) - 1)
    assert catalogues.at(catalogues.own.day - 1) is None
    assert catalogues.at(catalogues.own.day) is catalogues.own


# Whom an index is probed with


def test_members_vectors_are_those_of_their_whole_histories(recommender, generation):
    vectors = some_member_vectors(recommender, generation, 5)
    assert vectors.shape == (5, recommender.sources.shelf(generation.wines[:1], generation.counts, 0).vectors.shape[1])
    assert len(np.unique(vectors, axis=0)) == 5
    np.testing.assert_allclose(some_member_vectors(recommender, generation, 1)[0], vectors[0], atol=1e-5)


def test_where_no_member_can_be_read_none_probes(line, recommender, tmp_path, caplog):
    store = MemoryStore(tmp_path / "store")
    materialize(line.data, store, say=lambda _: None)
    generation = Generation.open(store, feature_fingerprint())
    assert some_member_vectors(recommender, generation) is not None
    store.members.clear()
    assert some_member_vectors(recommender, generation) is None
    assert "without members" in caplog.text


def test_where_nobody_has_rated_on_a_known_day_none_probes(recommender, worlds, tmp_path):
    with DataWriter(tmp_path / "data", "made", "1-5", "a test") as writer:
        world = worlds.World((WineFacts("P", "Red", "Italy"),), (worlds.Rating(0, 0, 2015, 4.5, 1, 5),))
        writer.add("wines", world.wine_table())
        writer.add("ratings", world.rating_table().with_columns(time_precision=pl.lit("unknown"), rated_at=None))
    store = LmdbStore(tmp_path / "store")
    materialize(tmp_path / "data", store, say=lambda _: None)
    generation = Generation.open(store, feature_fingerprint())
    assert some_member_vectors(recommender, generation) is None
    assert len(open_catalogue(recommender, generation, store).popular) == 1
    generation.close()

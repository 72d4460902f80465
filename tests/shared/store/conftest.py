"""A small world as a data folder, a place for a store, and opening it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.wines import WineFacts
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.port import Store


@pytest.fixture
def opened() -> Iterator[Callable[[Store], Generation]]:
    """Opens a store's current generation; it is closed when the test is over."""
    generations: list[Generation] = []

    def open_store(store: Store) -> Generation:
        generations.append(Generation.open(store, feature_fingerprint()))
        return generations[-1]

    yield open_store
    for generation in generations:
        generation.close()


@pytest.fixture
def world(worlds):
    """Two wines; one member with two ratings, one with one."""
    ratings = (worlds.Rating(0, 0, 2015, 4.5, 1, 5), worlds.Rating(0, 1, 0, 2.0, 3, None), worlds.Rating(1, 0, -1, 3.0, 2, 9))
    return worlds.World((WineFacts("P", "Red", "Italy"), WineFacts("Q", "White", "Italy")), ratings)


@pytest.fixture
def data(world, tmp_path) -> Path:
    return world.write(tmp_path / "data")


@pytest.fixture
def store(tmp_path) -> LmdbStore:
    return LmdbStore(tmp_path / "store")

"""Writing generations: once, whole or not at all, the same features as offline, whatever stands in the tables."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, counted_before
from cellar_shared.events.tables import DataWriter
from cellar_shared.features.counts import RATED
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import UNDATED_AGE, Events, history_of
from cellar_shared.features.identity import identity
from cellar_shared.store.generation import Generation, verify_files
from cellar_shared.store.generation_folders import CURRENT
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.manifests import MANIFEST
from cellar_shared.store.materialize import materialize

DAY = MICROSECONDS_PER_DAY


def silent(_: str) -> None:
    pass


def ratings_of(generation: Generation, member_id: str) -> Events | None:
    return asyncio.run(generation.members.events_of(member_id))


def state_of(store: LmdbStore) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a store: its inode, when it was written, what stands in it."""
    files = (file for file in store.generations.parent.rglob("*") if file.is_file())
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def changed(world, tmp_path: Path, ratings: pl.DataFrame, wines: pl.DataFrame | None = None) -> Path:
    with DataWriter(tmp_path / "changed", "made", "1-5", "a test") as writer:
        writer.add("wines", world.wine_table() if wines is None else wines)
        writer.add("ratings", ratings)
    return tmp_path / "changed"


# Offline and online


@settings(max_examples=25, deadline=None, derandomize=True)
@given(drawn=st.data())
def test_a_generation_answers_the_features_that_the_log_gives_whatever_its_horizon(worlds, tmp_path_factory, drawn):
    world = drawn.draw(worlds.worlds(fewest=1))
    folder = tmp_path_factory.mktemp("line")
    horizon_days = drawn.draw(st.sampled_from([1, 3650]))
    manifest = materialize(world.write(folder / "data"), LmdbStore(folder / "store"), horizon_days=horizon_days, say=silent)
    generation = Generation.open(LmdbStore(folder / "store"), feature_fingerprint())
    try:
        for member in {rating.member for rating in world.ratings}:
            as_of = min(drawn.draw(worlds.moments), manifest.events_through)
            wines, vintages = drawn.draw(worlds.asked(world))
            limit = drawn.draw(st.sampled_from([2, 100]))
            histories, _ = history_of(ratings_of(generation, f"m{member}"), generation.wines, as_of, limit)
            identities = np.array([identity("wine", f"w{wine}" if wine >= 0 else None) for wine in wines])
            rows = generation.index.rows_of(identities).tolist()
            online = worlds.questions_of(histories, generation.wines, as_of, rows, vintages)
            assert online.features_as_of.tolist() == [generation.clamp(as_of)]
            offline = world.asks(member, as_of, wines, vintages, limit)
            expected = world.encoder.encode(offline, world.counts())
            worlds.require_same(world.encoder.encode(online, generation.counts), expected)
    finally:
        generation.close()


# Writing


def test_a_generation_says_what_it_holds(data, store, opened, world):
    manifest = materialize(data, store, horizon_days=10, say=silent)
    generation = opened(store)
    assert generation.manifest == manifest
    assert (manifest.wines, manifest.ratings, manifest.members, manifest.namespace, manifest.scale) == (2, 3, 2, "made", "1-5")
    last_day = world.ratings[1].moment // DAY
    assert manifest.events_through == (last_day + 1) * DAY
    assert manifest.earliest_as_of == manifest.events_through - 10 * DAY
    assert generation.clamp(manifest.events_through + 5 * DAY + 3) == manifest.events_through
    assert generation.clamp(manifest.events_through - 1) == last_day * DAY
    verify_files(store.generations / manifest.id, manifest)
    assert ratings_of(generation, "m2") is None


def test_the_same_data_again_writes_nothing(data, store):
    first = materialize(data, store, say=silent)
    before = state_of(store)
    assert materialize(data, store, say=silent) == first
    assert state_of(store) == before


def test_new_data_is_a_new_generation_and_the_old_one_stays_readable(data, store, opened, world, worlds):
    old = materialize(data, store, say=silent)
    reader = opened(store)
    world.having((*world.ratings, worlds.Rating(2, 1, 2015, 5.0, 9, 0))).write(data)
    new = materialize(data, store, say=silent)
    assert new.id != old.id
    assert store.current_id() == new.id
    assert len(ratings_of(reader, "m0")) == 2
    assert ratings_of(reader, "m2") is None
    assert ratings_of(opened(store), "m2") is not None


def test_indexes_go_with_their_generation(data, store, world, worlds):
    """An index is a file or a folder, a killed builder's among them."""
    generations = []
    for day in (9, 10, 11):
        world.having((*world.ratings, worlds.Rating(2, 1, 2015, 5.0, day, 0))).write(data)
        generations.append(materialize(data, store, say=silent).id)
        (store.indexes / f"big-v1-{generations[-1]}-1" / "ann").mkdir(parents=True)
        (store.indexes / f".big-v1-{generations[-1]}-1.new-x").mkdir()
        (store.indexes / f"small-v1-{generations[-1]}-1.npz").write_bytes(b"an index")
    left = {path.name for path in store.indexes.iterdir()}
    assert not any(generations[0] in name for name in left)
    assert len(left) == 6


def test_going_back_to_old_data_points_to_its_generation_again(data, store, world):
    old = materialize(data, store, say=silent)
    world.having(world.ratings[:2]).write(data)
    assert materialize(data, store, say=silent).id != old.id
    world.write(data)
    assert materialize(data, store, say=silent).id == old.id == store.current_id()


def test_another_horizon_is_another_generation(data, store):
    one, other = (materialize(data, store, horizon_days=days, say=silent) for days in (10, 20))
    assert one.id != other.id


KILLED = """
import sys
from pathlib import Path
from cellar_shared import durable
from cellar_shared.store import materialize as work
from cellar_shared.store.lmdb_store import LmdbStore

def wait(*_):
    print("there", flush=True)
    sys.stdin.read()

where = sys.argv[3]
if where == "before CURRENT":
    work.point_current = wait
elif where == "before the swap":
    durable._swap = wait
work.materialize(Path(sys.argv[1]), LmdbStore(Path(sys.argv[2])), say=lambda said: wait() if said.startswith(where) else None)
"""


@pytest.mark.parametrize("where", ["counting", "writing", "before the swap", "before CURRENT"])
def test_a_process_that_is_killed_leaves_the_old_generation_current_and_the_next_run_whole(data, store, opened, world, worlds, where):
    old = materialize(data, store, say=silent)
    world.having((*world.ratings, worlds.Rating(2, 1, 2015, 5.0, 9, 0))).write(data)
    arguments = [sys.executable, "-c", KILLED, str(data), str(store.generations.parent), where]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "there\n"
        process.kill()
        assert process.wait(120) == -9
    assert store.current_id() == old.id
    generation = opened(store)
    verify_files(store.generations / old.id, generation.manifest)
    assert len(ratings_of(generation, "m0")) == 2
    new = materialize(data, store, say=silent)
    assert store.current_id() == new.id != old.id
    verify_files(store.generations / new.id, new)
    assert len(ratings_of(opened(store), "m2")) == 1


def test_a_failed_run_leaves_nothing_behind(data, store, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr("cellar_shared.durable._swap", fail)
        materialize(data, store, say=silent)
    assert [file for file in store.generations.parent.rglob("*") if file.is_file()] == []
    with pytest.raises(BadInput, match="cellar materialize"):
        store.current_id()


@pytest.mark.parametrize("spoil", ["flip", "remove", "manifest"])
def test_a_damaged_generation_is_written_again(data, store, opened, spoil):
    manifest = materialize(data, store, say=silent)
    folder = store.generations / manifest.id
    if spoil == "flip":
        content = bytearray((folder / "wines.npy").read_bytes())
        content[-1] ^= 1
        (folder / "wines.npy").write_bytes(content)
    elif spoil == "remove":
        (folder / "counts" / "totals.npy").unlink()
    else:
        (folder / MANIFEST).write_bytes(b"{")
    assert materialize(data, store, say=silent).id == manifest.id
    verify_files(folder, opened(store).manifest)


# What stands in the tables


def test_an_undated_rating_is_kept_as_undated_and_never_counted(world, tmp_path, store, opened):
    world = world.having(rating._replace(time=7) for rating in world.ratings)
    first = pl.col("event_id") == "e000"
    undated = world.rating_table().with_columns(
        rated_at=pl.when(~first).then("rated_at"), time_precision=pl.when(first).then(pl.lit("unknown")).otherwise("time_precision")
    )
    manifest = materialize(changed(world, tmp_path, undated), store, say=silent)
    generation = opened(store)
    events = ratings_of(generation, "m0")
    assert events["row"].tolist() == [1, 0]
    as_of = manifest.events_through
    assert history_of(events, generation.wines, as_of, 100)[0].lengths.tolist() == [1]
    histories, _ = history_of(events, generation.wines, as_of, 100, is_undated_known=True)
    assert histories.moments.tolist() == sorted(histories.moments.tolist())
    assert as_of - UNDATED_AGE in histories.moments.tolist()
    assert histories.lengths.tolist() == [2]
    end = counted_before(np.array([manifest.events_through]))
    assert generation.counts.before(np.array([identity("wine", "w0")]), end)[0, RATED] == 1


def test_without_any_dated_rating_there_is_a_history_and_no_count(world, tmp_path, store, opened):
    undated = world.rating_table().with_columns(time_precision=pl.lit("unknown"), rated_at=None)
    manifest = materialize(changed(world, tmp_path, undated), store, say=silent)
    generation = opened(store)
    assert manifest.events_through == 0
    assert len(generation.counts.keys) == 0
    histories, _ = history_of(ratings_of(generation, "m0"), generation.wines, 17_000 * DAY, 100, is_undated_known=True)
    assert histories.lengths.tolist() == [2]


def test_a_rating_of_a_wine_that_the_catalogue_lacks_stays_in_the_history_as_an_unknown_wine(world, worlds, tmp_path, store, opened):
    materialize(world.having([worlds.Rating(0, -1, 2015, 5.0, 3, 0)]).write(tmp_path / "data"), store, say=silent)
    generation = opened(store)
    events = ratings_of(generation, "m0")
    assert events["row"].tolist() == [-1]
    assert not history_of(events, generation.wines, 18_000 * DAY, 100)[0].wines["wine"].any()
    assert generation.index.rows_of(np.array([identity("wine", "elsewhere")])).tolist() == [-1]


def test_a_defective_bottle_says_nothing_about_taste(world, tmp_path, store, opened):
    corked = world.rating_table().with_columns(defective=pl.col("member_id") == "m0")
    manifest = materialize(changed(world, tmp_path, corked), store, say=silent)
    generation = opened(store)
    assert (manifest.ratings, manifest.members) == (1, 1)
    assert ratings_of(generation, "m0") is None
    end = counted_before(np.array([manifest.events_through]))
    assert generation.counts.before(np.array([identity("wine", "w0")]), end)[0, RATED] == 1


def test_a_wine_that_stands_twice_in_the_catalogue_is_refused_by_name(world, tmp_path, store):
    wines = pl.concat([world.wine_table(), world.wine_table().filter(pl.col("wine_id") == "w1")])
    with pytest.raises(BadInput, match="wine 'w1' stands there more than once"):
        materialize(changed(world, tmp_path, world.rating_table(), wines), store, say=silent)
    assert not (store.generations.parent / CURRENT).exists()


def test_data_without_a_rating_that_can_be_used_is_refused(world, tmp_path, store):
    corked = world.rating_table().with_columns(defective=True)
    with pytest.raises(BadInput, match="no rating that can be used; import ratings first"):
        materialize(changed(world, tmp_path, corked), store, say=silent)

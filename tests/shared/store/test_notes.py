"""Tasting notes in a generation: what a plain recount of the table gives, nothing of their texts, and none of a forgotten member."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from cellar_shared.errors import Incompatible
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.features.identity import identity
from cellar_shared.features.note_counts import NOTES
from cellar_shared.features.terms import TERMS, terms_of
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.manifests import MANIFEST
from cellar_shared.store.materialize import materialize
from cellar_shared.store.note_log import read_note_log
from cellar_shared.store.rating_log import read_rating_log

DAY = MICROSECONDS_PER_DAY
NOON = datetime(2016, 7, 20, 12, tzinfo=UTC)  # two days after the world's first ratings


def silent(_: str) -> None:
    pass


def written(world, folder, notes):
    columns = ("event_id", "member_id", "wine_id", "text", "noted_at")
    rows = pl.DataFrame([dict(zip(columns, note, strict=True)) | {"vintage": None} for note in notes], infer_schema_length=None)
    with DataWriter(folder, "made", "1-5", "a test", replace=True) as writer:
        writer.add("wines", world.wine_table())
        writer.add("ratings", world.rating_table())
        writer.add("notes", rows)
    return folder


NOTED = [
    ("n1", "m0", "w0", "Cherry and cedar", NOON),
    ("n2", "m1", "w0", "cherry, cherry!", NOON + timedelta(days=1)),
    ("n3", "m2", "w1", "Zitrone", NOON),
    ("n4", "m0", "w1", "nobody knows when", None),
    ("n5", "m0", "elsewhere", "of a wine that the catalogue lacks", NOON),
]


def counted(generation, wine: str, day: int) -> list[int]:
    return generation.counts.notes.before(np.array([identity("wine", wine)]), day)[0].tolist()


def test_a_generation_counts_as_a_plain_recount_does(small_world, store, opened):
    materialize(small_world, store, say=silent)
    generation = opened(store)
    rows = DataFolder.open(small_world).scan("notes").filter(pl.col("noted_at").is_not_null()).collect()
    assert generation.manifest.notes == rows.height > 100
    days = sorted({moment_of(at) // DAY for at in rows["noted_at"]})
    for day in (days[0], days[0] + 1, days[len(days) // 2], days[-1], days[-1] + 1):
        expected: dict[str, list[int]] = defaultdict(lambda: [0] * (TERMS + 1))
        for wine, text, at in rows.select("wine_id", "text", "noted_at").iter_rows():
            if moment_of(at) < day * DAY:
                expected[wine] = [
                    old + new for old, new in zip(expected[wine], [*(terms_of(text) >> t & 1 for t in range(TERMS)), 1], strict=True)
                ]
        for wine in generation.wine_ids(np.arange(len(generation.wines))):
            assert counted(generation, wine, day) == expected[wine]


def test_undated_notes_and_those_of_unknown_wines_count_never(world, tmp_path, store, opened):
    materialize(written(world, tmp_path / "data", NOTED), store, say=silent)
    generation = opened(store)
    day = moment_of(NOON) // DAY
    assert generation.manifest.notes == 3
    assert [counted(generation, "w0", day + after)[NOTES] for after in (0, 1, 2, 900)] == [0, 1, 2, 2]
    assert counted(generation, "w1", day + 900)[NOTES] == 1
    assert counted(generation, "elsewhere", day + 900)[NOTES] == 0
    cherry = terms_of("cherry").bit_length() - 1
    assert counted(generation, "w0", day + 2)[cherry] == 2


def test_data_without_notes_makes_a_generation_without(data, store, opened):
    manifest = materialize(data, store, say=silent)
    assert manifest.notes == 0
    assert opened(store).counts.notes is None
    assert not any(name.startswith("notes/") for name in manifest.files)


def test_no_text_and_no_member_lies_in_the_counts(world, tmp_path, store):
    manifest = materialize(written(world, tmp_path / "data", NOTED), store, say=silent)
    kept = [(store.generations / manifest.id / name).read_bytes() for name in manifest.files if name.startswith("notes/")]
    assert len(kept) == 3
    for word in (b"herry", b"cedar", b"Zitrone", b"m0", b"n1"):
        assert not any(word in content for content in kept)


def test_what_a_forgotten_member_noted_is_gone_from_the_next_generation(world, tmp_path, store, opened):
    data = written(world, tmp_path / "data", NOTED)
    old = materialize(data, store, say=silent)
    forget("m1", data, store, say=silent)
    assert DataFolder.open(data).scan("notes").collect()["member_id"].to_list() == ["m0", "m2", "m0", "m0"]
    new = materialize(data, store, say=silent)
    assert (old.notes, new.notes) == (3, 2)
    assert counted(opened(store), "w0", 40_000)[NOTES] == 1
    assert not (store.generations / old.id).exists()


def test_a_generation_of_other_terms_is_refused(world, tmp_path, store, opened):
    manifest = materialize(written(world, tmp_path / "data", NOTED), store, say=silent)
    other = msgspec.structs.replace(manifest, terms_fingerprint="other")
    (store.generations / manifest.id / MANIFEST).write_bytes(msgspec.json.encode(other))
    with pytest.raises(Incompatible, match="other terms of tasting notes"):
        opened(store)


def test_notes_count_beside_the_ratings_that_count(small_world):
    folder = DataFolder.open(small_world)
    log = read_rating_log(folder)
    notes = read_note_log(folder, log)
    everything = np.ones(len(log.events), dtype=bool)
    assert notes.counted(log, everything).all()
    np.testing.assert_array_equal(notes.rows, read_note_log(folder, log, with_whose=False).rows)
    cut = int(np.median(log.events["moment"]))
    early = notes.counted(log, log.events["moment"] < cut)
    assert 0 < early.sum() < len(notes)
    assert notes.moments[early].max() < cut
    member, wine = int(notes.members[0]), int(notes.rows[0])
    assert (notes.members[notes.counted(log, log.members != member)] != member).all()
    assert (notes.rows[notes.counted(log, log.events["row"] != wine)] != wine).all()
    assert notes.counts(log, ~everything) is None

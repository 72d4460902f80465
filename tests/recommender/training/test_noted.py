"""Towers that read tasting notes: as of the question's day, in training as served; and towers of data without notes, as ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import onnx
import pytest

from cellar_recommender.serving.catalogue import open_catalogue, own_day
from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.recommender import GOLDEN_FILE, NOTES, TERMS_FINGERPRINT, WINE_TOWER_FILE, Recommender
from cellar_recommender.serving.towers import NOTE_INPUTS, WINE_INPUTS, wine_inputs
from cellar_recommender.training.evaluate import evaluate_bundle
from cellar_recommender.training.rows import LikedRows
from cellar_recommender.training.train import train
from cellar_shared.bundle.learnt import learnt_from
from cellar_shared.errors import Incompatible
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.note_counts import count_notes
from cellar_shared.features.terms import terms_fingerprint
from cellar_shared.features.wines import WineFacts, wine_record
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.looking_back import counts_of
from cellar_shared.store.materialize import materialize
from cellar_shared.store.note_log import read_note_log
from cellar_shared.store.rating_log import event_hashes, read_rating_log


def without_notes(data, out):
    """The same world, as a source without notes would have it."""
    folder = DataFolder.open(data)
    with DataWriter(out, folder.manifest.namespace, folder.manifest.scale, folder.manifest.source) as writer:
        for table in ("wines", "ratings"):
            writer.add(table, folder.scan(table).collect())
    return out


@pytest.fixture(scope="module")
def plain(line, tmp_path_factory):
    return without_notes(line.data, tmp_path_factory.mktemp("plain") / "data")


@pytest.fixture(scope="module")
def plain_bundle(plain, line, tmp_path_factory):
    bundle = tmp_path_factory.mktemp("plain") / "bundle"
    train(plain, bundle, hold_out_days=180, settings=line.settings, threads=1, step=lambda _: None)
    return bundle


@pytest.fixture(scope="module")
def rows(line):
    folder = DataFolder.open(line.data)
    log = read_rating_log(folder)
    everything = np.ones(len(log.events), dtype=bool)
    encoder = Recommender.open(line.bundle).sources.encoder
    return LikedRows(log, everything, counts_of(log, everything, read_note_log(folder, log)), encoder, everything)


def opened_on(data, folder):
    store = LmdbStore(folder)
    materialize(data, store, say=lambda _: None)
    return store, Generation.open(store, feature_fingerprint())


def width_of(bundle) -> int:
    (wine,) = (each for each in onnx.load(bundle / WINE_TOWER_FILE).graph.input if each.name == "wine")
    return int(wine.type.tensor_type.shape.dim[1].dim_value)


def test_a_bundle_says_whether_it_reads_notes(line, plain_bundle):
    noted, plain = Recommender.open(line.bundle), Recommender.open(plain_bundle)
    assert (noted.manifest.settings[NOTES], noted.manifest.settings[TERMS_FINGERPRINT]) == (True, terms_fingerprint())
    assert noted.manifest.facts["notes"] > 100
    assert (width_of(line.bundle), noted.sources.with_notes) == (WINE_INPUTS + NOTE_INPUTS, True)
    assert (plain.manifest.settings[NOTES], plain.manifest.facts["notes"]) == (False, 0)
    assert TERMS_FINGERPRINT not in plain.manifest.settings
    assert (width_of(plain_bundle), plain.sources.with_notes) == (WINE_INPUTS, False)
    assert noted.manifest.feature_fingerprint == plain.manifest.feature_fingerprint == feature_fingerprint()


def test_without_notes_everything_is_as_if_there_were_none(line, plain, plain_bundle, tmp_path):
    told_not_to = tmp_path / "bundle"
    train(line.data, told_not_to, hold_out_days=180, settings=line.settings, threads=1, step=lambda _: None, with_notes=False)
    for name in Recommender.open(plain_bundle).manifest.files:
        assert (told_not_to / name).read_bytes() == (plain_bundle / name).read_bytes(), name
    with np.load(plain_bundle / GOLDEN_FILE, allow_pickle=False) as arrays:
        assert not any(name.startswith("notes") for name in arrays)


def test_what_a_bundle_learnt_from_names_the_notes_as_well(line):
    folder = DataFolder.open(line.data)
    notes = event_hashes(folder.scan("notes").collect()["event_id"].to_list())
    learnt = np.isin(notes, learnt_from(line.bundle))
    assert learnt.sum() == Recommender.open(line.bundle).manifest.facts["notes"]
    assert not learnt.all()  # of the end that was held out none


def test_golden_cases_carry_their_notes_and_are_about_them(line):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    assert golden.counts.notes is not None
    assert np.isin(golden.counts.notes.wines, golden.wines["wine"]).sum() > 10
    recommender = Recommender.open(line.bundle)
    golden.replay(recommender.answer)
    with pytest.raises(Incompatible, match="golden case"):
        replace(golden, counts=replace(golden.counts, notes=None)).replay(recommender.answer)


def test_later_notes_change_no_input(line, rows):
    day = int(np.median(rows.days))
    log, notes = rows.log, read_note_log(DataFolder.open(line.data), rows.log)
    early = notes.days < day
    assert 0 < early.sum() < len(notes)
    known = replace(rows.counts, notes=count_notes(log.wines["wine"][notes.rows[early]], notes.days[early], notes.bags[early]))
    shown, again = (wine_inputs(rows.encoder, log.wines, counts, day, with_notes=True)[0] for counts in (rows.counts, known))
    np.testing.assert_array_equal(shown.wine, again.wine)
    later, _ = wine_inputs(rows.encoder, log.wines, rows.counts, day + 400, with_notes=True)
    assert (later.wine[:, WINE_INPUTS:] != shown.wine[:, WINE_INPUTS:]).any(axis=1).mean() > 0.2


def test_a_wine_shown_as_new_shows_no_notes(rows):
    hidden = np.arange(len(rows.log.wines)) % 2 == 0
    day = int(rows.days.max())
    shown, _ = wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, hidden, with_notes=True)
    assert not shown.wine[hidden, WINE_INPUTS:].any()
    assert shown.wine[~hidden, WINE_INPUTS:].any(axis=1).mean() > 0.5
    plain, _ = wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, hidden, with_notes=False)
    np.testing.assert_array_equal(shown.wine[:, :WINE_INPUTS], plain.wine)


def test_the_served_shelf_is_what_training_reads(line, rows, tmp_path):
    recommender = Recommender.open(line.bundle)
    store, generation = opened_on(line.data, tmp_path / "store")
    try:
        catalogue = open_catalogue(recommender, generation, store)
        day = own_day(generation)
        trained, _ = wine_inputs(rows.encoder, rows.log.wines, rows.counts, day, with_notes=True)
        served, _ = wine_inputs(recommender.sources.encoder, generation.wines, generation.counts, day, with_notes=True)
        np.testing.assert_array_equal(served.wine, trained.wine)
        np.testing.assert_array_equal(catalogue.shelf.vectors, recommender.sources.towers.wines(trained))
        described = np.array([wine_record(None, WineFacts("P", "Red"))], dtype=generation.wines.dtype)
        alone, _ = wine_inputs(recommender.sources.encoder, described, generation.counts, day, with_notes=True)
        assert not alone.wine[:, WINE_INPUTS:].any()
    finally:
        generation.close()
        asyncio.run(store.aclose())


def test_a_generation_without_notes_shows_none_and_other_bundles_ignore_them(line, plain, plain_bundle, tmp_path):
    noted, deaf = Recommender.open(line.bundle), Recommender.open(plain_bundle)
    store, generation = opened_on(line.data, tmp_path / "noted")
    other_store, silent = opened_on(plain, tmp_path / "plain")
    try:
        day = own_day(generation)
        of_nothing = replace(generation.counts, notes=None)
        for recommender in (noted, deaf):
            expected = recommender.sources.shelf(generation.wines, of_nothing, day)
            np.testing.assert_array_equal(recommender.sources.shelf(silent.wines, silent.counts, day).vectors, expected.vectors)
        loud = deaf.sources.shelf(generation.wines, generation.counts, day)
        np.testing.assert_array_equal(loud.vectors, expected.vectors)
        shown = noted.sources.shelf(generation.wines, generation.counts, day)
        assert (shown.vectors != noted.sources.shelf(generation.wines, of_nothing, day).vectors).any()
    finally:
        for each, of in ((generation, store), (silent, other_store)):
            each.close()
            asyncio.run(of.aclose())


def test_bundles_are_judged_on_data_with_and_without_notes(line, plain, plain_bundle):
    for data, bundle in ((line.data, line.bundle), (plain, line.bundle), (line.data, plain_bundle)):
        judged = evaluate_bundle(data, bundle, baselines=False, seed=1, say=lambda _: None)
        assert all(0 <= (each.contestants["towers"].measures["recall_50"].value or 0) <= 1 for each in judged.splits)


def test_a_bundle_of_other_terms_is_refused(line, monkeypatch):
    monkeypatch.setattr("cellar_recommender.serving.recommender.terms_fingerprint", lambda: "other")
    with pytest.raises(Incompatible, match="other terms of tasting notes"):
        Recommender.open(line.bundle)

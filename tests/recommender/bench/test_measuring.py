"""The bench of a recommender: its stages answer as evaluation does, its workers are measured, and its report says what was found."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from cellar_recommender.bench.measuring import measure
from cellar_recommender.bench.memory import mapped_bytes
from cellar_recommender.bench.picture import picture
from cellar_recommender.bench.report import Report
from cellar_recommender.bench.request import Served, measure_requests
from cellar_recommender.bench.world import make_world
from cellar_recommender.serving.catalogue import open_catalogue
from cellar_recommender.serving.golden import questions_of
from cellar_recommender.serving.member_vectors import some_members
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import order_of_candidates, rank, retrieve
from cellar_shared.display import Reporter
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.service.asking import stored_history
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

SAME_SCORE = 1e-5  # two orders of the same float32 sums: wines as alike as that may change places


@pytest.fixture(scope="module")
def store(line, tmp_path_factory):
    made = LmdbStore(tmp_path_factory.mktemp("store"))
    materialize(line.data, made, say=lambda _: None)
    return made


@pytest.fixture(scope="module")
def requests(line, store):
    recommender = Recommender.open(line.bundle)
    generation = Generation.open(store, feature_fingerprint())
    yield Served.of(recommender, generation, open_catalogue(recommender, generation, store))
    generation.close()


@pytest.fixture(scope="module")
def report(line, store, tmp_path_factory) -> Report:
    return measure(line.bundle, store.name, tmp_path_factory.mktemp("work"), rounds=2, threads=1, say=lambda _: None)


def test_what_is_timed_answers_what_evaluation_judges(requests):
    recommender, generation = requests.engine.recommender, requests.engine.generation
    shelf = requests.engine.catalogues.own.shelf
    as_of = requests.asked_at
    for events in some_members(generation, 8):
        items = requests(events, lambda _: None)
        history, _, _ = stored_history(events, as_of, generation, recommender.history_limit)
        asked = recommender.asked(questions_of(history, as_of), generation.counts)
        rated = np.isin(np.arange(len(generation.wines)), events["row"])[np.newaxis]
        retrieved = retrieve(recommender.sources, asked, shelf, rated)
        scores = order_of_candidates(retrieved, rank(recommender.forest, recommender.sources, asked, shelf, retrieved))[0]
        order = np.argsort(-scores, kind="stable")
        of_wine = dict(zip(generation.wine_ids(order), scores[order].tolist(), strict=True))
        served = [of_wine[item.wine_id] for item in items]
        assert served == pytest.approx(scores[order][: len(items)].tolist(), abs=SAME_SCORE)


def test_stages_are_timed_in_their_order_and_the_whole_at_last(requests):
    figures = measure_requests(requests, some_members(requests.engine.generation, 3), rounds=2)
    names = ["understand", "filter", "features", "retrieve", "rank", "choose", "chance", "tell", "whole"]
    assert [stage.name for stage in figures] == names
    assert all(0 < stage.median_ms <= stage.p95_ms for stage in figures)


def test_a_report_tells_of_the_generation_and_bundle_it_was_asked_about(line, store, report):
    assert report.generation == store.current_id()
    assert report.bundle == Recommender.open(line.bundle).manifest.version
    assert (report.index.wines, report.index.recall, report.members) == (120, 1.0, 400)
    assert report.mapped_mib_a_million == pytest.approx(report.mapped_mib / 120 * 1_000_000)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_workers_are_measured_alone_and_two_at_a_time(report):
    assert {count: len(workers) for count, workers in report.memory.items()} == {1: 1, 2: 2}
    for workers in report.memory.values():
        for worker in workers:
            assert all(0 < pss <= rss for pss, rss in (worker.code_mib, worker.served_mib, worker.touched_mib))


def test_files_that_workers_map_are_counted_once(store, requests, report):
    (kept,) = store.indexes.iterdir()
    assert mapped_bytes(store.folder(store.current_id()), kept) / 2**20 == report.mapped_mib


def test_the_text_says_the_figures_and_the_picture_is_one(report):
    text = report.text()
    for said in ("120 wines", "recall@300 1.0000 over 64 members", "faiss Flat", "features", "whole", "worker 2 of 2: PSS"):
        assert said in text
    drawn = ElementTree.fromstring(picture(report))  # noqa: S314 - drawn a moment ago
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 2 + 9 + 4
    assert {bar.get("class") for bar in bars} == {"bar", "other"}
    assert all(float(bar.get("x")) + float(bar.get("width")) <= 720 for bar in bars)


def test_a_made_up_world_is_learnt_from_and_served(tiny, tmp_path):
    bundle, store = make_world(
        tmp_path, wines=150, members=100, learnt_wines=120, learnt_members=400, settings=tiny, seed=11, reporter=Reporter(True)
    )
    recommender = Recommender.open(bundle)
    generation = Generation.open(LmdbStore(tmp_path / "store"), recommender.manifest.feature_fingerprint)
    assert store == f"lmdb://{tmp_path / 'store'}"
    assert (len(generation.wines), generation.manifest.namespace) == (150, recommender.manifest.namespace)
    assert len(some_members(generation, 10)) == 10
    generation.close()


def test_the_command_measures_a_bundle_on_a_store(line, store, cellar, tmp_path):
    drawn = tmp_path / "drawn.svg"
    done = cellar("bench", "recommender", "--bundle", line.bundle, "--store", store.name, "--rounds", "1", "--json", "--svg", drawn)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["index"]["wines"] == 120
    assert drawn.read_text("utf-8").startswith("<svg")


def test_the_command_refuses_half_of_a_bundle_and_store(line, cellar):
    done = cellar("bench", "recommender", "--bundle", line.bundle)
    assert done.returncode != 0
    assert "--store" in done.stderr

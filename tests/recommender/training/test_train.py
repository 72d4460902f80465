"""A bundle opens, answers as torch did, is repeatable, and is refused when anything in it differs."""

from __future__ import annotations

import shutil
from hashlib import sha256

import msgspec
import numpy as np
import pytest

from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.recommender import GOLDEN_FILE, RANKER_FILE, VOCABULARY_FILE, Recommender
from cellar_recommender.training.train import train
from cellar_shared.bundle.manifest import MANIFEST, BundleManifest, version_of
from cellar_shared.errors import BadInput, Incompatible


@pytest.fixture(scope="module")
def recommender(line):
    return Recommender.open(line.bundle)


@pytest.fixture
def forge(line, tmp_path):
    """A copy of the bundle in which a file is changed and every digest mended, as somebody would who knows how."""

    def change(name: str, content: bytes):
        copy = tmp_path / "forged"
        shutil.copytree(line.bundle, copy)
        (copy / name).write_bytes(content)
        manifest = msgspec.json.decode((copy / MANIFEST).read_bytes(), type=BundleManifest)
        manifest = msgspec.structs.replace(manifest, files={**manifest.files, name: sha256(content).hexdigest()})
        (copy / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, version=version_of(manifest))))
        return copy

    return change


def test_the_bundle_holds_no_catalogue_and_says_where_it_comes_from(line, recommender):
    assert recommender.manifest.model == "recommender"
    assert recommender.manifest.facts["likes"] > 500
    assert {file.name for file in line.bundle.iterdir()} == {*recommender.manifest.files, MANIFEST}


def test_the_same_data_and_settings_make_the_same_bundle(line, tmp_path):
    again = train(line.data, tmp_path / "again", hold_out_days=180, settings=line.settings, threads=1, step=lambda _: None)
    assert again.version == Recommender.open(line.bundle).manifest.version


def test_golden_cases_rank_some_wines_and_none_that_was_tasted(line, recommender):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    tower, ranked = recommender.answer(golden)
    assert np.isfinite(tower).all()
    tasted = recommender.asked(golden.questions, golden.counts).tasted["wine"]
    rated = (golden.wines["wine"][None, :, None] == tasted[:, None, :]).any(axis=2)
    assert rated.any()
    assert np.isneginf(ranked[rated]).all()
    assert np.isfinite(ranked).any(axis=1).all()
    assert golden.histories.lengths.min() == 0


def test_a_bundle_whose_golden_cases_differ_is_refused(line, forge):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    moved = GoldenCases(golden.histories, golden.as_of, golden.wines, golden.counts, golden.tower + 0.01, golden.ranked)
    with pytest.raises(Incompatible, match="golden case"):
        Recommender.open(forge(GOLDEN_FILE, moved.to_bytes()))


def test_a_bundle_with_another_vocabulary_is_refused(line, forge):
    identities = np.load(line.bundle / VOCABULARY_FILE, allow_pickle=False)
    with (line.bundle.parent / "fewer.npy").open("wb") as stream:
        np.save(stream, identities[1:], allow_pickle=False)
    with pytest.raises(Incompatible, match="golden case"):
        Recommender.open(forge(VOCABULARY_FILE, (line.bundle.parent / "fewer.npy").read_bytes()))


def test_a_garbled_ranker_is_refused(line, forge):
    with pytest.raises(Incompatible, match="onnxruntime"):
        Recommender.open(forge(RANKER_FILE, b"no network"))


def test_an_existing_bundle_is_never_overwritten(line):
    with pytest.raises(BadInput, match="already exists"):
        train(line.data, line.bundle, hold_out_days=0, settings=line.settings, threads=1, step=lambda _: None)

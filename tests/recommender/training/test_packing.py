"""A preference bundle packed in answers as it does alone; whatever differs is refused, and what it learnt from is not forgotten."""

from __future__ import annotations

import shutil
from hashlib import sha256

import msgspec
import numpy as np
import pytest

from cellar_recommender.serving.recommender import LIKING, Recommender
from cellar_recommender.training.evaluate import evaluate_bundle
from cellar_recommender.training.train import train
from cellar_shared.bundle.golden import GoldenCases
from cellar_shared.bundle.learnt import ROWS_FILE, learnt_from
from cellar_shared.bundle.manifest import MANIFEST, BundleManifest, version_of
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.events.tables import DataFolder
from cellar_shared.liking.predictor import CALIBRATOR_FILE, GOLDEN_FILE, Predictor
from cellar_shared.store.rating_log import read_rating_log


def manifest_of(bundle):
    return msgspec.json.decode((bundle / MANIFEST).read_bytes(), type=BundleManifest)


def write_manifest(bundle, **changed):
    manifest = msgspec.structs.replace(manifest_of(bundle), **changed)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    (bundle / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return manifest


def change(bundle, name, content):
    """Change a file and mend the digests, as somebody would who knows how."""
    (bundle / name).write_bytes(content)
    files = manifest_of(bundle).files
    return write_manifest(bundle, files={**files, name: sha256(content).hexdigest()})


@pytest.fixture
def copied(packed_line, tmp_path):
    return shutil.copytree(packed_line.bundle, tmp_path / "copied")


@pytest.fixture
def other_preference(preference, tmp_path):
    return shutil.copytree(preference, tmp_path / "other")


def test_what_is_packed_answers_to_the_bit_as_its_bundle_does(packed_line, preference):
    liking = Recommender.open(packed_line.bundle).liking
    golden = GoldenCases.from_bytes((preference / GOLDEN_FILE).read_bytes())
    alone = Predictor.open(preference).predict(golden.questions, golden.counts)
    assert liking.manifest.version == manifest_of(preference).version
    assert np.array_equal(liking.predict(golden.questions, golden.counts).probabilities, alone.probabilities)


def test_packing_changes_nothing_of_the_recommender(line, packed_line):
    own, packed = manifest_of(line.bundle), manifest_of(packed_line.bundle)
    assert {name: digest for name, digest in packed.files.items() if "/" not in name and name != ROWS_FILE} == {
        name: digest for name, digest in own.files.items() if name != ROWS_FILE
    }
    assert packed.facts["rows_digest"] == own.facts["rows_digest"]
    assert packed.version != own.version


def test_all_of_the_bundle_is_packed_but_its_rows(packed_line, preference):
    files = manifest_of(packed_line.bundle).files
    wanted = {*manifest_of(preference).files, MANIFEST} - {ROWS_FILE}
    assert {name.removeprefix(f"{LIKING}/") for name in files if "/" in name} == wanted
    assert {file.name for file in (packed_line.bundle / LIKING).iterdir()} == wanted
    for name in wanted - {MANIFEST}:
        assert files[f"{LIKING}/{name}"] == manifest_of(preference).files[name]


def test_facts_name_the_packed_bundle_and_what_it_learnt_from(packed_line, preference):
    facts, its = manifest_of(packed_line.bundle).facts, manifest_of(preference)
    assert facts["preference"] == its.version
    assert facts["preference_learnt"]["trained_through"] == its.trained_through
    assert facts["preference_learnt"]["rows"] == len(learnt_from(preference))
    assert facts["preference_learnt"]["rows_digest"] == its.facts["rows_digest"]


def test_what_the_packed_bundle_learnt_from_counts_as_learnt_from(line, packed_line, preference):
    fitted = learnt_from(packed_line.bundle)
    assert fitted.tolist() == sorted({*learnt_from(line.bundle).tolist(), *learnt_from(preference).tolist()})
    assert len(fitted) > len(learnt_from(line.bundle))


def test_nobody_is_judged_on_what_the_packed_bundle_learnt_from(line, packed_line):
    said = []
    for bundle in (line.bundle, packed_line.bundle):
        evaluate_bundle(line.data, bundle, baselines=False, seed=1, say=said.append)
    left_out = [int(each.split(" ratings ")[0].replace(",", "")) for each in said]
    ratings = read_rating_log(DataFolder.open(line.data)).event_ids  # notes that bundles learnt from are nothing to be judged on
    assert left_out == [np.isin(ratings, learnt_from(bundle)).sum() for bundle in (line.bundle, packed_line.bundle)]
    assert 0 < left_out[0] < left_out[1]


def test_without_a_packed_bundle_there_is_no_chance(line):
    assert Recommender.open(line.bundle).liking is None
    assert "preference" not in manifest_of(line.bundle).facts


def test_a_calibrator_changed_in_every_manifest_is_found_out_by_the_golden_cases(copied):
    calibrator = msgspec.json.decode((copied / LIKING / CALIBRATOR_FILE).read_bytes())
    calibrator["offsets"] = [[offset + 0.01 for offset in row] for row in calibrator["offsets"]]
    inner = change(copied / LIKING, CALIBRATOR_FILE, msgspec.json.encode(calibrator))
    for name in (CALIBRATOR_FILE, MANIFEST):
        change(copied, f"{LIKING}/{name}", (copied / LIKING / name).read_bytes())
    write_manifest(copied, facts={**manifest_of(copied).facts, "preference": inner.version})
    with pytest.raises(Incompatible, match="golden case"):
        Recommender.open(copied)


def test_a_packed_file_of_another_bundle_is_named(copied):
    change(copied, f"{LIKING}/{CALIBRATOR_FILE}", b"{}")
    with pytest.raises(BadInput, match=f"{LIKING}/{CALIBRATOR_FILE} is missing or is not the file of bundle"):
        Recommender.open(copied)


def test_another_packed_bundle_than_the_one_named_is_refused(copied, packed_line):
    named = manifest_of(packed_line.preference).version
    write_manifest(copied, facts={**manifest_of(copied).facts, "preference": "0" * 12})
    with pytest.raises(BadInput, match=f"names preference bundle 000000000000, packed in is {named}"):
        Recommender.open(copied)


def test_a_bundle_whose_packed_files_are_gone_from_its_manifest_is_refused(copied):
    write_manifest(copied, files={name: digest for name, digest in manifest_of(copied).files.items() if "/" not in name})
    with pytest.raises(BadInput, match="packed in is None"):
        Recommender.open(copied)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"namespace": "others"}, "the data is"), ({"scale": "0-100"}, "the data is"), ({"feature_fingerprint": "f" * 64}, "fingerprint")],
)
def test_a_preference_bundle_of_other_data_or_features_is_refused_before_learning(line, other_preference, tmp_path, changed, said):
    write_manifest(other_preference, **changed)
    steps = []
    out = tmp_path / "out"
    with pytest.raises(Incompatible, match=said):
        train(line.data, out, hold_out_days=0, settings=line.settings, threads=1, step=steps.append, preference=other_preference)
    assert steps == []
    assert not out.exists()


def test_a_bundle_of_another_model_is_no_preference_bundle(line, tmp_path):
    with pytest.raises(Incompatible, match="bundle of model 'recommender', wanted 'preference'"):
        train(line.data, tmp_path / "out", hold_out_days=0, settings=line.settings, threads=1, step=print, preference=line.bundle)

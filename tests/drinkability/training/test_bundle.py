import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from cellar_drinkability.scoring.features import WineFacts
from cellar_drinkability.scoring.model import BATCH_TOLERANCE, GOLDEN_FILE, WindowModel, fitted_rows
from cellar_drinkability.training.export import EXPORT_TOLERANCE, export_onnx
from cellar_drinkability.training.fit import answers_of
from cellar_drinkability.training.train import held_out, train
from cellar_shared.bundle.manifest import MANIFEST, BundleManifest, version_of
from cellar_shared.bundle.network import Network
from cellar_shared.errors import BadInput, Incompatible


def stacked(windows):
    return np.stack([windows.m1, windows.s1, windows.m2, windows.s2])


@pytest.fixture(scope="module")
def model(bundle):
    return WindowModel.open(bundle)


def test_onnx_answers_as_torch_does(fitted, rows):
    facts = fitted.vocabulary.encode(rows.wines)
    holes = WineFacts(facts.codes * (np.arange(6) % 2), np.where(np.arange(3) == 1, facts.numbers, np.nan))
    network = Network(export_onnx(fitted.network, facts))
    for given in (facts, holes, facts.take(np.arange(1))):
        out = network.run({"codes": given.codes, "numbers": given.numbers.astype(np.float32)})
        np.testing.assert_allclose(out.T, answers_of(fitted.network, given), atol=EXPORT_TOLERANCE, rtol=0)


def test_one_wine_alone_is_answered_as_among_others(model, rows):
    together = stacked(model.windows(rows.wines))
    for place in range(0, len(rows), 97):
        alone = stacked(model.windows(rows.wines[place : place + 1]))
        np.testing.assert_allclose(alone[:, 0], together[:, place], atol=BATCH_TOLERANCE, rtol=0)


def test_no_wine_gives_no_window(model):
    assert stacked(model.windows(pl.DataFrame({"vintage": []}, schema={"vintage": pl.Int32()}))).shape == (4, 0)


def test_a_wine_of_which_nothing_is_known_gets_the_prior(model):
    windows = model.windows(pl.DataFrame({"vintage": [None, 2012]}, schema={"vintage": pl.Int32()}))
    assert (windows.m2 > windows.m1).all() and (windows.s1 > 0).all()
    assert 1 < np.exp(windows.m1[0]) < 15


def test_the_rows_that_were_held_out_are_not_among_those_fitted(bundle, rows):
    out = held_out(rows, 0.2, seed=20)
    assert 0.1 < out.mean() < 0.3
    assert set(fitted_rows(bundle)) == set(rows.digest[~out])
    assert not set(rows.winery[out]) & set(rows.winery[~out])


def test_the_bundle_says_where_it_comes_from(bundle, rows):
    manifest = WindowModel.open(bundle).manifest
    assert manifest.facts["rows"] + manifest.facts["rows_held_out"] == len(rows)
    assert set(manifest.facts["libraries"]) >= {"torch", "onnxruntime", "numpy", "polars"}
    assert 0 < manifest.metrics["start_mae_years_winery_left_out"] < manifest.metrics["end_mae_years_winery_left_out"]


def tampered(bundle: Path, folder: Path, file: str, change) -> Path:
    """A copy in which `file` is changed and all digests are made right again: only the golden cases can tell."""
    import hashlib

    copy = folder / "tampered"
    shutil.copytree(bundle, copy)
    (copy / file).write_bytes(change((copy / file).read_bytes()))
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes(), type=BundleManifest)
    manifest = msgspec.structs.replace(
        manifest, files={name: hashlib.sha256((copy / name).read_bytes()).hexdigest() for name in manifest.files}
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return copy


def test_an_answer_that_differs_from_a_golden_case_is_found(bundle, tmp_path):
    def moved(content: bytes) -> bytes:
        golden = json.loads(content)
        golden["answers"][3][2] += 0.001
        return json.dumps(golden).encode()

    with pytest.raises(Incompatible, match="golden case 3 is off by"):
        WindowModel.open(tampered(bundle, tmp_path, GOLDEN_FILE, moved))


def test_facts_read_otherwise_than_in_training_are_found(bundle, tmp_path):
    def reordered(content: bytes) -> bytes:
        vocabulary = json.loads(content)
        vocabulary["names"]["style"].reverse()
        return json.dumps(vocabulary).encode()

    with pytest.raises(Incompatible, match="golden case"):
        WindowModel.open(tampered(bundle, tmp_path, "vocabulary.json", reordered))


def test_a_damaged_file_and_a_bundle_that_stands_already_are_refused(bundle, statements, recipe, tmp_path):
    copy = tmp_path / "damaged"
    shutil.copytree(bundle, copy)
    with (copy / "network.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BadInput, match="damaged"):
        WindowModel.open(copy)
    with pytest.raises(BadInput, match="already exists"):
        train(statements, bundle, hold_out=0, recipe=recipe, threads=1, step=lambda _: None)


def test_an_unchanged_copy_opens(bundle, tmp_path):
    assert WindowModel.open(tampered(bundle, tmp_path, GOLDEN_FILE, lambda content: content)).manifest.facts["rows"] > 0

"""The bundle's ONNX graph answers as the torch networks it was made of, whatever the shape; and what opens a bundle checks it."""

from __future__ import annotations

import shutil
from datetime import datetime

import msgspec
import numpy as np
import pytest
import torch

from cellar_preference.training.export import EXPORT_TOLERANCE
from cellar_preference.training.learn import learn
from cellar_preference.training.network import tensors
from cellar_preference.training.rows import RatedRows
from cellar_shared.bundle.golden import REPLAY_TOLERANCE, GoldenCases
from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.manifest import Bundle
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.histories import Histories, Questions, wines_of
from cellar_shared.liking.predictor import CALIBRATOR_FILE, GOLDEN_FILE, MODEL, Predictor
from cellar_shared.store.rating_log import read_rating_log


@pytest.fixture(scope="module")
def log(line):
    return read_rating_log(DataFolder.open(line.data))


@pytest.fixture(scope="module")
def learnt_from(line, log):
    return log.events["moment"] < moment_of(datetime.fromisoformat(line.manifest.trained_through))


@pytest.fixture(scope="module")
def learned(line, log, learnt_from):
    """The networks in torch: learning is repeatable, so these are those of the bundle."""
    return learn(log, learnt_from, learnt_from, learnt_from, line.recipe, 1, lambda _: None)


@pytest.fixture(scope="module")
def questions_of(log):
    """Draws questions about the world: `lengths` ratings for each member, `pairs` wines asked of members at random."""

    def draw(pairs: int, lengths: list[int], seed: int) -> Questions:
        rng = np.random.default_rng(seed)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tasted = [np.sort(rng.choice(len(log.events), length, replace=False)) for length in lengths]
        events = log.events[np.concatenate(tasted).astype(np.int64)].copy()
        for member, begin in enumerate(offsets[:-1]):
            events["moment"][begin : offsets[member + 1]].sort()
        asked = log.events[rng.integers(0, len(log.events), pairs)]
        member = np.sort(rng.integers(0, len(lengths), pairs))
        as_of = np.full(len(lengths), log.events["moment"].max() + 1)
        midnight = as_of - as_of % MICROSECONDS_PER_DAY
        histories = Histories.of_events(offsets, events, log.wines)
        return Questions(histories, as_of, member, wines_of(log.wines, asked["row"]), asked["vintage"], midnight)

    return draw


@pytest.mark.parametrize(
    ("pairs", "lengths"),
    [
        (1, [1]),
        (1, [0]),
        (500, [0]),
        (1, [100]),
        (500, [100]),
        (7, [0, 0, 0]),
        (64, [0, 1, 100, 3, 17]),
        (3, [5, 2]),
        (40, [1] * 40),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)} members of {min(value)} to {max(value)}",
)
def test_onnx_answers_as_torch_on_questions_of_any_shape(predictor, learned, questions_of, pairs, lengths):
    encoded = predictor.encode(questions_of(pairs, lengths, seed=pairs), learned.counts)
    with torch.inference_mode():
        expected = learned.network(**tensors(encoded.inputs())).double().numpy()
    found = predictor.predict_encoded(encoded)
    assert found.logits.shape == (pairs,)
    assert np.abs(found.logits - expected).max() <= EXPORT_TOLERANCE
    assert found.own_tastings.tolist() == np.array(lengths)[encoded.member].tolist()
    if pairs > 1:
        assert len(np.unique(found.logits)) > pairs / 4  # the graph did not freeze to one answer


def test_the_bundle_answers_rows_it_never_saw_as_training_would(predictor, learned, log, learnt_from):
    everything = np.ones(len(log.events), dtype=bool)
    rows = RatedRows(log, everything, learned.counts, learned.encoder, ~learnt_from)
    for span in (rows.latest(), rows.first(3), rows.first(0)):
        served = predictor.predict_encoded(rows.batch(np.arange(len(rows)), span)).probabilities
        assert np.abs(served - learned.probabilities(rows, span)).max() <= REPLAY_TOLERANCE


def test_golden_cases_replay_and_cover_empty_short_and_long_histories(line, predictor):
    golden = GoldenCases.from_bytes((line.bundle / GOLDEN_FILE).read_bytes())
    assert golden.replay(lambda questions, counts: predictor.predict(questions, counts).probabilities) <= REPLAY_TOLERANCE
    lengths = golden.questions.histories.lengths
    assert len(golden.probabilities) >= 24
    assert (lengths == 0).sum() >= 8
    assert ((lengths > 0) & (lengths <= 3)).sum() >= 8
    assert lengths.max() > 3


def test_a_calibrator_changed_with_all_digests_mended_is_found_out_by_the_golden_cases(line, forge, tmp_path):
    bundle = shutil.copytree(line.bundle, tmp_path / "bundle")
    calibrator = msgspec.json.decode((bundle / CALIBRATOR_FILE).read_bytes())
    calibrator["offsets"] = [[offset + 0.01 for offset in row] for row in calibrator["offsets"]]
    forge(bundle, {CALIBRATOR_FILE: msgspec.json.encode(calibrator)})
    assert Bundle.open(bundle, MODEL).manifest.version != line.manifest.version
    with pytest.raises(Incompatible, match="golden case"):
        Predictor.open(bundle)


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"slopes": [[1.0]], "offsets": [[0.0]]}, "slopes"),
        ({"tastings_from": [1, 2, 3, 4]}, "begin at 0"),
        ({"slopes": None}, ""),
    ],
)
def test_a_calibrator_that_is_none_is_refused(line, forge, tmp_path, changed, names):
    bundle = shutil.copytree(line.bundle, tmp_path / "bundle")
    calibrator = msgspec.json.decode((bundle / CALIBRATOR_FILE).read_bytes())
    forge(bundle, {CALIBRATOR_FILE: msgspec.json.encode(calibrator | changed)})
    with pytest.raises(BadInput, match=f"lacks or garbles.*{names}"):
        Predictor.open(bundle)


def test_a_network_that_is_none_is_refused(line, forge, tmp_path):
    bundle = shutil.copytree(line.bundle, tmp_path / "bundle")
    forge(bundle, {"network.onnx": b"no network"})
    with pytest.raises(Incompatible, match="cannot be loaded by onnxruntime"):
        Predictor.open(bundle)


def test_rows_held_out_are_not_among_those_the_bundle_was_fitted_on(line, log, learnt_from):
    fitted = np.load(line.bundle / ROWS_FILE)
    assert (~learnt_from).sum() > 50
    assert not np.isin(log.event_ids[~learnt_from], fitted).any()
    assert sorted(fitted.tolist()) == sorted(log.event_ids[learnt_from].tolist())
    assert line.manifest.facts["rows"] == len(fitted)
    last = log.events["moment"].max()
    assert last - log.events["moment"][learnt_from].max() >= line.manifest.settings["hold_out_days"] * MICROSECONDS_PER_DAY

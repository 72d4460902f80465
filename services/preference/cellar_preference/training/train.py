"""Makes a bundle: learns from a data folder's past, exports, picks golden cases, replays them, writes the bundle; `cellar train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_preference.training.export import export_onnx
from cellar_preference.training.fit import Recipe
from cellar_preference.training.learn import Learned, learn
from cellar_preference.training.rows import HISTORY_LIMIT, RatedRows
from cellar_shared.bundle.arrays import npy_of
from cellar_shared.bundle.golden import GoldenCases
from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.lineage import lineage_of
from cellar_shared.bundle.manifest import BundleManifest, require_new, write_bundle
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, iso_of, midnight_before
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.counts import group_keys
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.liking.predictor import CALIBRATOR_FILE, GOLDEN_FILE, MODEL, NETWORK_FILE, VOCABULARY_FILE, Predictor
from cellar_shared.store.looking_back import Span
from cellar_shared.store.rating_log import RatingLog, before_the_last, read_rating_log

GOLDEN_CASES: Final = 32
GOLDEN_SEED: Final = 7
GOLDEN_DAYS: Final = 1000  # how far back the days of golden histories are drawn


def train(data: Path, out: Path, *, hold_out_days: int, recipe: Recipe, threads: int, step: Callable[[str], None]) -> BundleManifest:
    """Learn from the ratings of `data` before its last `hold_out_days` and write the bundle `out`.

    `step` hears of progress: once per epoch, then once each for export, golden cases and writing.
    """
    require_new(out)
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    through, learnt_from = before_the_last(log, hold_out_days, data)
    learned = learn(log, learnt_from, learnt_from, learnt_from, recipe, threads, step)
    rows = RatedRows(log, learnt_from, learned.counts, learned.encoder, learned.calibration_rows)
    places, span = _golden_rows(rows)
    onnx = export_onnx(learned.network, rows.batch(places, span))
    step("exported to ONNX")
    files = _files(learned, onnx, log.event_ids[learnt_from])
    manifest = BundleManifest.draft(
        model=MODEL,
        trained_through=iso_of(through),
        feature_fingerprint=feature_fingerprint(),
        namespace=folder.manifest.namespace,
        scale=folder.manifest.scale,
        settings={"history_limit": HISTORY_LIMIT, "recipe": msgspec.to_builtins(recipe), "hold_out_days": hold_out_days},
        facts=_facts(folder, log, learned, learnt_from),
        metrics={"calibration": learned.calibration},
    )
    predictor = Predictor.of_files(manifest, files)
    questions = _of_nobody(rows.questions(places, span))
    golden = GoldenCases(questions, learned.counts.only(_keys_of(questions)), predictor.predict(questions, learned.counts).probabilities)
    golden.replay(lambda asked, counts: predictor.predict(asked, counts).probabilities)
    step("golden cases replayed")
    written = write_bundle(out, manifest, {**files, GOLDEN_FILE: golden.to_bytes()})
    Predictor.open(out)
    step("written and opened again")
    return written


def _golden_rows(rows: RatedRows) -> tuple[npt.NDArray[np.int64], Span]:
    """Rows spread over the calibration rows, every third with an empty and every third with a short history."""
    count = min(GOLDEN_CASES, len(rows))
    places = np.linspace(0, len(rows) - 1, count).astype(np.int64)
    latest, first = rows.latest().only(places), rows.first(3).only(places)
    kind = np.arange(count) % 3
    begin = np.where(kind == 1, first.begin, latest.begin)
    end = np.where(kind == 1, first.end, np.where(kind == 2, latest.begin, latest.end))
    return places, Span(begin, end)


def _of_nobody(questions: Questions) -> Questions:
    """The same questions with tastings dealt anew among the histories and days moved: a bundle holds no member's history."""
    rng = np.random.default_rng(GOLDEN_SEED)
    histories = questions.histories
    dealt = rng.permutation(len(histories.wines))
    age = rng.integers(1, GOLDEN_DAYS, len(dealt)) * MICROSECONDS_PER_DAY
    as_of = midnight_before(questions.as_of)
    moments = as_of[histories.owners] - age
    order = np.lexsort((moments, histories.owners))
    mixed = Histories(
        histories.offsets,
        histories.wines[dealt],
        moments[order],
        histories.vintages[dealt],
        histories.liked[dealt],
        histories.strengths[dealt],
    )
    return Questions(mixed, as_of, questions.member, questions.wines, questions.vintages, as_of)


def _keys_of(questions: Questions) -> npt.NDArray[np.int64]:
    histories = questions.histories
    return np.concatenate(
        [group_keys(questions.wines, questions.vintages).ravel(), group_keys(histories.wines, histories.vintages).ravel()]
    )


def _files(learned: Learned, onnx: bytes, learnt_from: npt.NDArray[np.uint64]) -> dict[str, bytes]:
    return {
        NETWORK_FILE: onnx,
        VOCABULARY_FILE: npy_of(learned.encoder.vocabulary.identities),
        CALIBRATOR_FILE: msgspec.json.encode(learned.calibrator.to_json()),
        ROWS_FILE: npy_of(np.sort(learnt_from)),
    }


def _facts(folder: DataFolder, log: RatingLog, learned: Learned, learnt_from: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Lineage, and how much there was to learn from."""
    libraries = ("cellar-preference", "torch", "onnxruntime", "numpy")
    return {
        **lineage_of(folder.manifest.source, folder.digest(), log.event_ids[learnt_from], code=Path(__file__), libraries=libraries),
        "members": len(np.unique(log.members[learnt_from])),
        "names": len(learned.encoder.vocabulary),
    }

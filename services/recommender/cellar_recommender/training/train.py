"""Makes a bundle: learns from a data folder's past, exports, makes golden cases, replays them, writes the bundle; `cellar train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.contributions import TREES_FILE
from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.recommender import (
    GOLDEN_FILE,
    ITEM_ITEM_FILE,
    MEMBER_TOWER_FILE,
    MODEL,
    NOTES,
    RANKER_FILE,
    TERMS_FINGERPRINT,
    VOCABULARY_FILE,
    WINE_TOWER_FILE,
    Recommender,
    item_item_to_bytes,
)
from cellar_recommender.serving.towers import MemberInputs, wine_inputs
from cellar_recommender.training.export import export_towers
from cellar_recommender.training.forest_export import plain_trees
from cellar_recommender.training.learn import Learned, Settings, learn
from cellar_recommender.training.packing import Packed
from cellar_recommender.training.rows import HISTORY_LIMIT
from cellar_shared.bundle.arrays import npy_of
from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.lineage import lineage_of
from cellar_shared.bundle.manifest import BundleManifest, require_new, write_bundle
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, counted_before, iso_of, midnight_before
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.counts import group_keys
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import UNKNOWN_VINTAGE, Histories
from cellar_shared.features.terms import terms_fingerprint
from cellar_shared.store.note_log import NoteLog, read_note_log
from cellar_shared.store.rating_log import RatingLog, before_the_last, read_rating_log

GOLDEN_LENGTHS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34, 0, 1, 5)  # tastings of each golden history
GOLDEN_WINES: Final = 400
GOLDEN_SEED: Final = 7
GOLDEN_DAYS: Final = 1000  # how far back the days of golden histories are drawn

Step = Callable[[str], None]


def train(
    data: Path,
    out: Path,
    *,
    hold_out_days: int,
    settings: Settings,
    threads: int,
    step: Step,
    preference: Path | None = None,
    with_notes: bool = True,
) -> BundleManifest:
    """Learn from the ratings of `data` before its last `hold_out_days` and write the bundle `out`; `step` hears of progress.

    The preference bundle at `preference` is packed in: what the service then says a chance with. Whatever it was fitted on counts as
    what the new bundle was fitted on. `with_notes`: the towers read tasting notes, where the data has some.
    """
    require_new(out)
    folder = DataFolder.open(data)
    pack = Packed.none() if preference is None else Packed.of(preference, folder)
    log = read_rating_log(folder)
    through, learnable = before_the_last(log, hold_out_days, data)
    notes = read_note_log(folder, log) if with_notes else NoteLog.none()
    learned = learn(log, learnable, learnable, learnable, settings, threads, step, notes)
    noted = notes.event_ids[notes.counted(log, learnable)]
    golden = _golden(log, learnable, learned, through)
    rows = np.union1d(np.union1d(log.event_ids[learnable], noted), pack.rows)
    files = {**_files(learned, golden), ROWS_FILE: npy_of(rows), **pack.files}
    step("exported to ONNX")
    manifest = BundleManifest.draft(
        model=MODEL,
        trained_through=iso_of(through),
        feature_fingerprint=feature_fingerprint(),
        namespace=folder.manifest.namespace,
        scale=folder.manifest.scale,
        settings={
            "history_limit": HISTORY_LIMIT,
            "recipe": msgspec.to_builtins(settings),
            "hold_out_days": hold_out_days,
            NOTES: learned.sources.with_notes,
            **({TERMS_FINGERPRINT: terms_fingerprint()} if learned.sources.with_notes else {}),
        },
        facts={**_facts(folder, log, learned, learnable), "notes": len(noted), **pack.facts},
        metrics=learned.metrics,
    )
    recommender = Recommender.of_files(manifest, files)
    tower, ranked = recommender.answer(golden)
    golden = replace(golden, tower=tower, ranked=ranked)
    step("golden cases answered")
    written = write_bundle(out, manifest, {**files, GOLDEN_FILE: golden.to_bytes()})
    Recommender.open(out)
    step("written and opened again")
    return written


def _golden(log: RatingLog, learnable: npt.NDArray[np.bool_], learned: Learned, through: int) -> GoldenCases:
    """Histories of nobody: tastings dealt out of the data at random, on days drawn anew; a bundle holds no member's history."""
    rng = np.random.default_rng(GOLDEN_SEED)
    offsets = np.concatenate([[0], np.cumsum(GOLDEN_LENGTHS)])
    known = np.flatnonzero(learnable & (log.events["row"] >= 0))
    events = log.events[rng.choice(known, int(offsets[-1]))].copy()
    as_of = int(midnight_before(np.array([through]))[0])
    events["moment"] = as_of - rng.integers(1, GOLDEN_DAYS, len(events)) * MICROSECONDS_PER_DAY
    events = events[np.lexsort((events["moment"], np.repeat(np.arange(len(GOLDEN_LENGTHS)), GOLDEN_LENGTHS)))]
    histories = Histories.of_events(offsets, events, log.wines)
    wines = log.wines[np.sort(rng.permutation(len(log.wines))[:GOLDEN_WINES])]
    unknown = np.full(len(wines), UNKNOWN_VINTAGE, dtype=np.int16)
    keys = np.concatenate([group_keys(wines, unknown).ravel(), group_keys(histories.wines, histories.vintages).ravel()])
    nothing = np.zeros((0, 0), dtype=np.float32)
    return GoldenCases(histories, as_of, wines, learned.counts.only(keys), nothing, nothing)


def _files(learned: Learned, golden: GoldenCases) -> dict[str, bytes]:
    """What was learnt, as files; the golden cases are the sample that the exported towers are compared on."""
    sources = learned.sources
    encoded = sources.encoder.encode(golden.questions, golden.counts)
    member = MemberInputs.of(encoded, golden.questions.as_of)
    day = int(counted_before(np.array([golden.as_of]))[0])
    wine, _ = wine_inputs(sources.encoder, golden.wines, golden.counts, day, with_notes=sources.with_notes)
    member_tower, wine_tower = export_towers(learned.towers, member, wine)
    return {
        MEMBER_TOWER_FILE: member_tower,
        WINE_TOWER_FILE: wine_tower,
        RANKER_FILE: learned.ranker,
        TREES_FILE: plain_trees(learned.ranker).to_bytes(),
        VOCABULARY_FILE: npy_of(sources.encoder.vocabulary.identities),
        ITEM_ITEM_FILE: item_item_to_bytes(sources.item_item),
    }


def _facts(folder: DataFolder, log: RatingLog, learned: Learned, learnable: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Lineage, and how much there was to learn from."""
    libraries = ("cellar-recommender", "lightgbm", "torch", "onnxruntime", "numpy")
    return {
        **lineage_of(folder.manifest.source, folder.digest(), log.event_ids[learnable], code=Path(__file__), libraries=libraries),
        "likes": int((learnable & (log.events["liked"] > 0)).sum()),
        "members": len(np.unique(log.members[learnable])),
        "names": len(learned.sources.encoder.vocabulary),
        "wines": len(learned.sources.item_item.identities),
    }

"""Makes a bundle: learns from a data folder's past, exports, makes golden cases, replays them, writes the bundle; `cellar train`."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
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
    RANKER_FILE,
    ROWS_FILE,
    VOCABULARY_FILE,
    WINE_TOWER_FILE,
    Recommender,
    item_item_to_bytes,
)
from cellar_recommender.serving.towers import MemberInputs, wine_inputs
from cellar_recommender.training.export import export_towers
from cellar_recommender.training.forest_export import plain_trees
from cellar_recommender.training.learn import Learned, Settings, learn
from cellar_recommender.training.rows import HISTORY_LIMIT
from cellar_shared.bundle.lineage import commit_of
from cellar_shared.bundle.manifest import FORMAT, BundleManifest, write_bundle
from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, counted_before, iso_of, midnight_before
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.counts import group_keys
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import UNKNOWN_VINTAGE, Histories
from cellar_shared.store.rating_log import RatingLog, read_rating_log

GOLDEN_LENGTHS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34, 0, 1, 5)  # tastings of each golden history
GOLDEN_WINES: Final = 400
GOLDEN_SEED: Final = 7
GOLDEN_DAYS: Final = 1000  # how far back the days of golden histories are drawn

Step = Callable[[str], None]


def train(data: Path, out: Path, *, hold_out_days: int, settings: Settings, threads: int, step: Step) -> BundleManifest:
    """Learn from the ratings of `data` before its last `hold_out_days` and write the bundle `out`; `step` hears of progress."""
    if out.exists():
        raise BadInput(f"{out} already exists and a bundle is never changed; name another folder")
    folder = DataFolder.open(data)
    log = read_rating_log(folder)
    dated = log.events["moment"] != NEVER
    if not dated.any():
        raise BadInput(f"{data} holds no rating with a date; a model needs to know what came before what")
    through = int(log.events["moment"][dated].max()) + 1 - hold_out_days * MICROSECONDS_PER_DAY
    learnt_from = dated & (log.events["moment"] < through)
    learned = learn(log, learnt_from, learnt_from, learnt_from, settings, threads, step)
    golden = _golden(log, learnt_from, learned, through)
    files = _files(learned, golden, log.event_ids[learnt_from])
    step("exported to ONNX")
    manifest = BundleManifest(
        format=FORMAT,
        model=MODEL,
        version="",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_through=iso_of(through),
        feature_fingerprint=feature_fingerprint(),
        namespace=folder.manifest.namespace,
        scale=folder.manifest.scale,
        settings={"history_limit": HISTORY_LIMIT, "recipe": msgspec.to_builtins(settings), "hold_out_days": hold_out_days},
        facts=_facts(folder, log, learned, learnt_from),
        metrics=learned.metrics,
        files={},
    )
    recommender = Recommender.of_files(manifest, files)
    tower, ranked = recommender.answer(golden)
    golden = replace(golden, tower=tower, ranked=ranked)
    step("golden cases answered")
    written = write_bundle(out, manifest, {**files, GOLDEN_FILE: golden.to_bytes()})
    Recommender.open(out)
    step("written and opened again")
    return written


def _golden(log: RatingLog, learnt_from: npt.NDArray[np.bool_], learned: Learned, through: int) -> GoldenCases:
    """Histories of nobody: tastings dealt out of the data at random, on days drawn anew; a bundle holds no member's history."""
    rng = np.random.default_rng(GOLDEN_SEED)
    offsets = np.concatenate([[0], np.cumsum(GOLDEN_LENGTHS)])
    known = np.flatnonzero(learnt_from & (log.events["row"] >= 0))
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


def _files(learned: Learned, golden: GoldenCases, event_ids: npt.NDArray[np.uint64]) -> dict[str, bytes]:
    """The bundle's files but for the golden cases, which also are the sample that the exported towers are compared on."""
    sources = learned.sources
    encoded = sources.encoder.encode(golden.questions, golden.counts)
    member = MemberInputs.of(encoded, golden.questions.as_of)
    wine, _ = wine_inputs(sources.encoder, golden.wines, golden.counts, int(counted_before(np.array([golden.as_of]))[0]))
    member_tower, wine_tower = export_towers(learned.towers, member, wine)
    return {
        MEMBER_TOWER_FILE: member_tower,
        WINE_TOWER_FILE: wine_tower,
        RANKER_FILE: learned.ranker,
        TREES_FILE: plain_trees(learned.ranker).to_bytes(),
        VOCABULARY_FILE: _npy(sources.encoder.vocabulary.identities),
        ITEM_ITEM_FILE: item_item_to_bytes(sources.item_item),
        ROWS_FILE: _npy(np.sort(event_ids)),
    }


def _npy(array: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _facts(folder: DataFolder, log: RatingLog, learned: Learned, learnt_from: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Lineage: the data's digest, the rows learnt from, the code's commit, the libraries."""
    return {
        "data_source": folder.manifest.source,
        "data_digest": folder.digest(),
        "rows": int(learnt_from.sum()),
        "likes": int((learnt_from & (log.events["liked"] > 0)).sum()),
        "rows_digest": hashlib.sha256(np.sort(log.event_ids[learnt_from]).tobytes()).hexdigest(),
        "members": len(np.unique(log.members[learnt_from])),
        "names": len(learned.sources.encoder.vocabulary),
        "wines": len(learned.sources.item_item.identities),
        "commit": commit_of(Path(__file__)),
        "libraries": {name: version(name) for name in ("cellar-shared", "cellar-recommender", "lightgbm", "torch", "onnxruntime", "numpy")},
    }

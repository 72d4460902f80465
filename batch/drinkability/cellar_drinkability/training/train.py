"""Makes a bundle: learns from a data folder's windows, exports, replays golden cases, writes it; `cellar train drinkability`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
import torch

from cellar_drinkability.scoring.features import FIELDS, WineFacts
from cellar_drinkability.scoring.model import (
    GOLDEN_FILE,
    MODEL,
    NETWORK_FILE,
    READING,
    ROWS_FILE,
    VOCABULARY_FILE,
    GoldenCases,
    WindowModel,
)
from cellar_drinkability.training.export import export_onnx
from cellar_drinkability.training.fit import Fitted, Recipe, Step, fit
from cellar_drinkability.training.rows import MOST, OLDEST_VINTAGE, Rows, read_rows
from cellar_shared.bundle.arrays import npy_of
from cellar_shared.bundle.lineage import lineage_of
from cellar_shared.bundle.manifest import BundleManifest, require_new, write_bundle
from cellar_shared.events.tables import DataFolder

GOLDEN_CASES: Final = 48


def train(data: Path, out: Path, *, hold_out: float, recipe: Recipe, threads: int, step: Step) -> BundleManifest:
    """Learn from the windows of `data` but those of a share `hold_out` of its wineries, and write the bundle `out`.

    `step` hears of progress: as `fit` does, then once each for export, golden cases and writing.
    """
    require_new(out)
    torch.set_num_threads(threads)
    folder = DataFolder.open(data)
    everything = read_rows(folder)
    learnable = everything.take(~held_out(everything, hold_out, recipe.seed))
    rows = learnable.at_most(MOST, recipe.seed)
    fitted = fit(rows, recipe, step)
    onnx = export_onnx(fitted.network, fitted.vocabulary.encode(rows.wines))
    step("exported to ONNX")
    files = {
        NETWORK_FILE: onnx,
        VOCABULARY_FILE: msgspec.json.encode(fitted.vocabulary.to_json()),
        ROWS_FILE: npy_of(np.sort(rows.digest)),
    }
    manifest = BundleManifest.draft(
        model=MODEL,
        trained_through=f"{int(rows.wines['vintage'].max())}-12-31T00:00:00Z",  # type: ignore[arg-type]
        feature_fingerprint=READING,
        namespace=folder.manifest.namespace,
        scale=folder.manifest.scale,
        settings={"recipe": msgspec.to_builtins(recipe), "hold_out": hold_out},
        facts=_facts(folder, rows, len(everything) - len(learnable), len(learnable) - len(rows)),
        metrics=_metrics(fitted, rows),
    )
    model = WindowModel.of_files(manifest, files)
    wines = golden_wines(rows)
    golden = GoldenCases.of(wines, model.windows(wines))
    golden.replay(model.windows(golden.frame()))
    step("golden cases replayed")
    written = write_bundle(out, manifest, {**files, GOLDEN_FILE: msgspec.json.encode(golden)})
    WindowModel.open(out)
    step("written and opened again")
    return written


def held_out(rows: Rows, share: float, seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows belong to the share of wineries that is left out, (rows,): the same for the same rows and seed."""
    wineries = np.unique(rows.winery)
    drawn = np.random.default_rng([seed, 1]).permutation(wineries)[: round(share * len(wineries))]
    return np.isin(rows.winery, drawn)


def golden_wines(rows: Rows) -> pl.DataFrame:
    """Wines spread over the statements, every third without points and price, every third without place as well; and one with no fact."""
    places = np.linspace(0, len(rows) - 1, GOLDEN_CASES).astype(np.int64)
    wines = rows.wines[places].with_row_index("place")
    kind = pl.col("place") % 3
    lacking = [pl.when(kind == 0).then(pl.col(name)).alias(name) for name in ("points", "price")]
    lacking += [pl.when(kind < 2).then(pl.col(name)).alias(name) for name in ("region", "province") if name in wines.columns]
    nothing = wines.head(1).select(pl.lit(None, dtype).alias(name) for name, dtype in wines.schema.items())
    return pl.concat([wines.with_columns(lacking), nothing]).drop("place")


def _metrics(fitted: Fitted, rows: Rows) -> dict[str, Any]:
    """What learning itself measured: errors of statements when their own winery was left out of the process."""
    found = {}
    for name, process, ages in zip(("start", "end"), fitted.processes, rows.ages, strict=True):
        stated = ages[np.isfinite(ages)]
        found[f"{name}_mae_years_winery_left_out"] = float(np.abs(stated - stated * np.exp(-process.left_out)).mean())
    bare = WineFacts(np.zeros((1, len(FIELDS)), np.int64), np.full((1, 3), np.nan))
    found["prior"] = [round(float(value), 4) for value in fitted.answers(bare)[:, 0]]  # type: ignore[assignment]
    return {**found, "scales": [process.scales.plain() for process in fitted.processes]}


def _facts(folder: DataFolder, rows: Rows, held: int, left: int) -> dict[str, Any]:
    """Lineage, and how much there was to learn from."""
    libraries = ("cellar-drinkability", "torch", "onnxruntime", "numpy", "polars")
    return {
        **lineage_of(folder.manifest.source, folder.digest(), rows.digest, code=Path(__file__), libraries=libraries),
        "rows_held_out": held,
        "rows_beyond_the_most_learnt_from": left,
        "oldest_vintage": OLDEST_VINTAGE,
        "wineries": len(np.unique(rows.winery)),
    }

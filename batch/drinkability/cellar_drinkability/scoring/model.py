"""A drinkability bundle, ready to answer: wines' facts in, their windows out; the night, the commands and the evaluation read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_drinkability.scoring.features import FIELDS, NUMBERS, Vocabulary, WineFacts
from cellar_shared.ageing.curve import Curves
from cellar_shared.bundle.arrays import array_of
from cellar_shared.bundle.manifest import Bundle, BundleManifest
from cellar_shared.bundle.network import Network
from cellar_shared.errors import BadInput, Incompatible

MODEL: Final = "drinkability"
NETWORK_FILE: Final = "network.onnx"
VOCABULARY_FILE: Final = "vocabulary.json"
GOLDEN_FILE: Final = "golden.json"
ROWS_FILE: Final = "rows.npy"
# How the columns are read; a bundle of another reading is refused. Move it with every change of features.py that changes a code.
READING: Final = f"1:{','.join(FIELDS)}:{','.join(NUMBERS)}"
# What another machine's vector instructions and another build of the runtime may move a log age or a scale. A window of 30 years then
# moves by a day; a wrong fact moves it by months.
REPLAY_TOLERANCE: Final = 1e-4
# One wine alone and the same wine among others: float32 sums in another order.
BATCH_TOLERANCE: Final = 1e-5

# A fact of a golden case: columns of a catalogue and the critics' points.
_CASE_SCHEMA: Final = {
    "type": pl.String(), "country": pl.String(), "region": pl.String(), "province": pl.String(), "grapes": pl.List(pl.String()),
    "price": pl.Float64(), "points": pl.Float64(), "vintage": pl.Int32(),
}  # fmt: skip


class GoldenCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wines by their facts, and m1, s1, m2, s2 of each as training had them: replayed whenever a bundle is opened."""

    wines: list[dict[str, Any]]
    answers: list[tuple[float, float, float, float]]

    @classmethod
    def of(cls, wines: pl.DataFrame, windows: Curves) -> Self:
        """The cases of `wines`, any columns of a wine."""
        facts = wines.select(pl.col(name).cast(dtype) for name, dtype in _CASE_SCHEMA.items() if name in wines.columns)
        return cls(facts.to_dicts(), list(zip(*(values.tolist() for values in _columns(windows)), strict=True)))

    def frame(self) -> pl.DataFrame:
        """The wines as a frame."""
        return pl.DataFrame(self.wines, schema=_CASE_SCHEMA)

    def replay(self, windows: Curves) -> float:
        """The largest difference to `windows`, the model's answers to `frame`; Incompatible when it is past REPLAY_TOLERANCE."""
        differences = np.abs(np.stack(_columns(windows), axis=1) - np.array(self.answers).reshape(-1, 4))
        difference = float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0))
        if difference > REPLAY_TOLERANCE:
            worst = int(np.nan_to_num(differences, nan=np.inf).max(axis=1).argmax())
            raise Incompatible(
                f"golden case {worst} is off by {difference:.2e} on the log of years (tolerance {REPLAY_TOLERANCE:g}); the code or the "
                "runtime differs from the bundle's: train again or go back"
            )
        return difference


@dataclass(frozen=True, slots=True)
class WindowModel:
    """One bundle. `windows` is all a caller needs."""

    manifest: BundleManifest
    vocabulary: Vocabulary
    network: Network

    @classmethod
    def open(cls, bundle: Path) -> Self:
        """Open the bundle: digests, the reading of facts, then every golden case; BadInput or Incompatible say why not."""
        opened = Bundle.open(bundle, MODEL)
        if opened.manifest.feature_fingerprint != READING:
            raise Incompatible(
                f"bundle {opened.manifest.version} reads facts as {opened.manifest.feature_fingerprint!r}, this code as {READING!r}; "
                "score with the code it was trained with, or train again"
            )
        model = cls.of_files(opened.manifest, {name: opened.read(name) for name in opened.manifest.files})
        try:
            golden = msgspec.json.decode(opened.read(GOLDEN_FILE), type=GoldenCases)
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"the bundle lacks or garbles {GOLDEN_FILE} ({error}); take it from where it was written") from error
        golden.replay(model.windows(golden.frame()))
        return model

    @classmethod
    def of_files(cls, manifest: BundleManifest, files: dict[str, bytes]) -> Self:
        """The model out of a bundle's files; BadInput when one is missing or is not what its name says."""
        try:
            vocabulary = Vocabulary.from_json(msgspec.json.decode(files[VOCABULARY_FILE]))
            network = Network(files[NETWORK_FILE])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"the bundle lacks or garbles {error}; take it from where it was written") from error
        return cls(manifest, vocabulary, network)

    def windows(self, facts: pl.DataFrame) -> Curves:
        """The windows of wines at 13 degrees in 750 ml, (rows,) each, on the log of effective years.

        `facts` holds a wine a row: any of the columns of tables wines and windows, and vintage (null or 0: unknown). A column that is
        missing, a null and a name that no critic used are unknown, and the answer is the average over what they may be. m2 is above m1.
        """
        return self.of_facts(self.vocabulary.encode(facts))

    def of_facts(self, facts: WineFacts) -> Curves:
        """As `windows`, for facts that the vocabulary encoded."""
        if not len(facts):
            return Curves(*(np.empty(0) for _ in range(4)))
        out = self.network.run({"codes": facts.codes, "numbers": facts.numbers.astype(np.float32)})
        return Curves(*(np.ascontiguousarray(column) for column in out.T))


def fitted_rows(bundle: Path) -> npt.NDArray[np.uint64]:
    """Hashes of the ids of the statements that the bundle learnt from, ascending."""
    rows: npt.NDArray[np.uint64] = array_of(Bundle.open(bundle, MODEL).read(ROWS_FILE))
    return rows


def _columns(windows: Curves) -> tuple[npt.NDArray[np.float64], ...]:
    return windows.m1, windows.s1, windows.m2, windows.s2

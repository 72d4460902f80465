"""Packs a preference bundle into a recommender's, so that answers say the chance of a like; training calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.recommender import LIKING
from cellar_shared.bundle.learnt import learnt_from
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.bundle.opening import packed, read_bundle
from cellar_shared.events.tables import DataFolder
from cellar_shared.liking.predictor import MODEL, Predictor


@dataclass(frozen=True, slots=True)
class Packed:
    """A preference bundle to pack in: its files as the new bundle's, the hashes of the ratings it was fitted on, what facts say of it."""

    files: dict[str, bytes]
    rows: npt.NDArray[np.uint64]
    facts: dict[str, Any]

    @classmethod
    def none(cls) -> Self:
        """Nothing to pack in."""
        return cls({}, np.zeros(0, dtype=np.uint64), {})

    @classmethod
    def of(cls, bundle: Path, folder: DataFolder) -> Self:
        """The preference bundle at `bundle`; BadInput or Incompatible when it does not open, or learnt from other data than `folder`'s."""
        manifest, files = read_bundle(bundle, MODEL)
        require_same_data(manifest, folder.manifest.namespace, folder.manifest.scale)
        Predictor.replayed(manifest, files)
        told = {name: manifest.facts.get(name) for name in ("rows", "rows_digest", "data_digest")}
        facts = {LIKING: manifest.version, f"{LIKING}_learnt": {"trained_through": manifest.trained_through, **told}}
        return cls(packed(manifest, files, LIKING), learnt_from(bundle), facts)

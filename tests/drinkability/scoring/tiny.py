"""A bundle and data that a night can run on in a moment: a model of arithmetic on a few facts, and bottles of every odd kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from cellar_shared.ageing.curve import Curves
from cellar_shared.bundle.manifest import Bundle


class TinyModel:
    """Answers by arithmetic; opens any drinkability bundle and takes its version."""

    def __init__(self, bundle: Bundle) -> None:
        self.manifest = bundle.manifest

    @classmethod
    def open(cls, path: Path) -> TinyModel:
        return cls(Bundle.open(path, "drinkability"))

    def windows(self, facts: pl.DataFrame) -> Curves:
        year = facts["vintage"].fill_null(2000).cast(pl.Float64).to_numpy()
        red = (facts["type"] == "Red").fill_null(False).cast(pl.Float64).to_numpy()
        m1 = 1.2 + 0.3 * red + 0.01 * np.sin(year)
        m2 = m1 + 0.8 + 0.2 * red
        return Curves(m1, np.full(len(m1), 0.12), m2, np.full(len(m1), 0.15))

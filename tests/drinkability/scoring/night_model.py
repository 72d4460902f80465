"""A model of arithmetic on a few facts, so that tests of the night need no learning; workers import it by its name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from cellar_shared.ageing.curve import Curves
from cellar_shared.bundle.manifest import Bundle


class ArithmeticModel:
    """Opens any drinkability bundle, takes its version and answers by arithmetic."""

    def __init__(self, bundle: Bundle) -> None:
        self.manifest = bundle.manifest
        self.asked = 0

    @classmethod
    def open(cls, path: Path) -> ArithmeticModel:
        return cls(Bundle.open(path, "drinkability"))

    def windows(self, facts: pl.DataFrame) -> Curves:
        self.asked += facts.height
        year = facts["vintage"].fill_null(2000).cast(pl.Float64).to_numpy()
        red = (facts["type"] == "Red").fill_null(False).cast(pl.Float64).to_numpy()
        m1 = 1.2 + 0.3 * red + 0.01 * np.sin(year)
        m2 = m1 + 0.8 + 0.2 * red
        return Curves(m1, np.full(len(m1), 0.12), m2, np.full(len(m1), 0.15))


class DeadlyModel(ArithmeticModel):
    """Ends its process when it is asked about a wine of the region `Abyss`, as a fault in a library would."""

    def windows(self, facts: pl.DataFrame) -> Curves:
        if (facts["region"] == "Abyss").fill_null(False).any():
            os._exit(41)
        return super().windows(facts)

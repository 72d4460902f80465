"""How the size of a bottle slows or speeds its ageing; trajectories multiply their rate by it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats

REFERENCE_ML: Final = 750

# Still wine: rate = (750 / V) ** .35, sd .15. Judgement: same closure and neck, so oxygen per litre goes as 1/V, and ageing is only
# partly limited by oxygen. Half 1.27, magnum .78, 3 litres .62 times.
STILL_EXPONENT: Final = 0.35
STILL_EXPONENT_SD: Final = 0.15
# Sparkling: kept 40, 82 and 132 years in .75, 1.5 and 3 litres, so time grows as V ** .86 (Liger-Belair 2023, ACS Omega). The spread
# is a judgement: one study, of one wine.
SPARKLING_EXPONENT: Final = 0.86
SPARKLING_EXPONENT_SD: Final = 0.10


def size_rate(size_ml: npt.ArrayLike, is_sparkling: npt.ArrayLike, exponent: npt.ArrayLike | None = None) -> Floats:
    """Effective years per calendar year in a bottle of `size_ml` at 13 degrees, 1 for 750 ml. Shapes broadcast.

    `exponent` stands in for the usual one of still or sparkling wine.
    """
    usual = np.where(np.asarray(is_sparkling, np.bool_), SPARKLING_EXPONENT, STILL_EXPONENT)
    return np.asarray((REFERENCE_ML / np.asarray(size_ml, np.float64)) ** (usual if exponent is None else np.asarray(exponent, np.float64)))


def size_log_sd(size_ml: npt.ArrayLike, is_sparkling: npt.ArrayLike) -> Floats:
    """Standard deviation of the log of `size_rate` that the exponent's own spread makes; 0 for 750 ml."""
    spread = np.where(np.asarray(is_sparkling, np.bool_), SPARKLING_EXPONENT_SD, STILL_EXPONENT_SD)
    return np.asarray(spread * np.abs(np.log(np.asarray(size_ml, np.float64) / REFERENCE_ML)))

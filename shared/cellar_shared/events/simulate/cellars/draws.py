"""Random draws that belong to an id: the same whenever they are asked for, so nobody keeps them; truth and places use them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def uniforms(seed: int, stream: int, ids: npt.ArrayLike) -> Floats:
    """A number above 0 and below 1 for each of `ids` (whole numbers from 0), by splitmix64 (Steele et al. 2014)."""
    key = np.random.SeedSequence(seed, spawn_key=(4, stream)).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        mixed = (np.asarray(ids).astype(np.uint64) + np.uint64(1)) * _STEP + key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def normals(seed: int, stream: int, ids: npt.ArrayLike) -> Floats:
    """A standard normal number for each of `ids` (Box and Muller 1958); streams of two such draws differ by 2 or more."""
    radius = np.sqrt(-2 * np.log(uniforms(seed, stream, ids)))
    return np.asarray(radius * np.cos(2 * np.pi * uniforms(seed, stream + 1, ids)))

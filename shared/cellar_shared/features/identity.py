"""Stable 64-bit identities of names and ids, so that arrays carry them; used wherever a wine or a group is packed."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

UNKNOWN: Final = 0


@lru_cache(maxsize=262_144)
def identity(kind: str, text: str | None) -> int:
    """The identity of `text` among things of `kind`: an int64, the same on every machine; UNKNOWN for None and "".

    Names are compared without regard to case, outer space and Unicode form; ids (kind "wine") to the letter. Two
    different names share an identity with probability 2**-64 a pair.
    """
    if not text:
        return UNKNOWN
    if kind != "wine":
        # Caseless matching of canonical equivalents (Unicode 15, D145): folding takes letters apart and is taken apart itself.
        text = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text.strip()).casefold())
        if not text:
            return UNKNOWN
    digest = blake2b(f"{kind}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def mixed(*columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The identity of several together, element by element; UNKNOWN where any of them is unknown.

    The finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    state = np.zeros(columns[0].shape, dtype=np.uint64)
    known = np.ones(columns[0].shape, dtype=bool)
    for column in columns:
        state = (state + column.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
        known &= column != UNKNOWN
    return np.where(known, state.view(np.int64), UNKNOWN)

"""Which keys an import has met already, and where, in some 24 bytes a key; an import's rows go through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Places = npt.NDArray[np.int64]
_HASHES = npt.NDArray[np.uint64]


class SeenKeys:
    """Says of every row where its key was met first.

    A key is kept as 128 bits of hash, so that 20 million ids need half a gigabyte rather than several; two keys of one
    import share them with a chance below 1e-23. Sorted runs of doubling size make a look-up a binary search in few arrays.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[_HASHES, _HASHES, Places]] = []

    def first_places(self, rows: pl.DataFrame, key: Sequence[str], places: Places) -> Places:
        """The place at which each row's key was met first: its own place when it is new; (rows,) int64.

        `places` number the rows of the whole import in ascending order and are remembered with the keys.
        """
        whole = pl.struct(key)
        hashes = rows.select(one=whole.hash(1), two=whole.hash(2))
        one, two = hashes["one"].to_numpy(), hashes["two"].to_numpy()
        order = np.lexsort((places, two, one))
        one, two, places = one[order], two[order], places[order]
        begins = np.concatenate([[True], (one[1:] != one[:-1]) | (two[1:] != two[:-1])])[: len(one)]
        first = places[begins][np.cumsum(begins) - 1]
        for run in self._runs:
            first = np.minimum(first, _found_in(run, one, two, first))
        new = begins & (first == places)
        self._remember((one[new], two[new], places[new]))
        answer: Places = np.empty_like(first)
        answer[order] = first
        return answer

    def _remember(self, run: tuple[_HASHES, _HASHES, Places]) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(run[0]):
            older = self._runs.pop()
            one, two, places = (np.concatenate([old, new]) for old, new in zip(older, run, strict=True))
            order = np.argsort(one, kind="stable")
            run = (one[order], two[order], places[order])
        self._runs.append(run)


def _found_in(run: tuple[_HASHES, _HASHES, Places], one: _HASHES, two: _HASHES, otherwise: Places) -> Places:
    ones, twos, places = run
    if not len(ones):
        return otherwise
    at = np.minimum(np.searchsorted(ones, one), len(ones) - 1)
    return np.where((ones[at] == one) & (twos[at] == two), places[at], otherwise)

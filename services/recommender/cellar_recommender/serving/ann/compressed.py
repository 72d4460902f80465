"""Proposes wines from compressed vectors (faiss IVF with 4-bit PQ FastScan of residuals); exact re-ranking decides among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import faiss
import msgspec
import numpy as np

from cellar_recommender.serving.ann.exact import Rows, Vectors
from cellar_shared.errors import BadInput

SEED: Final = 1234
_TRAINING_ROWS: Final = 65_536  # 64 to a list at 1,024 lists; faiss asks for 39
_ROWS_A_BLOCK: Final = 65_536


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far to compress and how much to re-rank.

    `lists` coarse cells, of which `probed` are scanned; a code of 4 bits for every `dims_a_code` dimensions of the residual;
    the best `reranked` by code are scored exactly.
    """

    lists: int
    probed: int
    dims_a_code: int
    reranked: int


@dataclass(frozen=True, slots=True)
class Compressed:
    """An index of codes, in memory or mapped from its file; searched without a lock, by any number of threads."""

    codes: faiss.IndexIVFPQFastScan
    setting: Setting

    @classmethod
    def build(cls, vectors: Vectors, setting: Setting, threads: int) -> Self:
        """Learn cells and codes on a seeded sample and encode all vectors (wines, d); the same whatever `threads`."""
        width = _padded(vectors.shape[1], setting.dims_a_code)
        # Cells are the nearest, so that what is left is small: by inner product all wines would go to the longest centres.
        coarse = faiss.IndexFlatL2(width)
        codes = faiss.IndexIVFPQFastScan(coarse, width, setting.lists, width // setting.dims_a_code, 4, faiss.METRIC_INNER_PRODUCT)
        codes.by_residual = True
        codes.cp.spherical = False  # faiss's default for inner products: centres of length 1, far from longer vectors
        codes.cp.seed = codes.pq.cp.seed = SEED
        sample = np.random.default_rng(SEED).permutation(len(vectors))[:_TRAINING_ROWS]
        with _threads(1):  # sums in the order of one thread: what is learnt is small, what is encoded is not
            codes.train(_widened(vectors[np.sort(sample)], width))
        with _threads(threads):
            for start in range(0, len(vectors), _ROWS_A_BLOCK):
                codes.add(_widened(vectors[start : start + _ROWS_A_BLOCK], width))
        # Queries go to the cells of the greatest inner product, which is also a part of each score.
        centres = faiss.IndexFlatIP(width)
        centres.add(coarse.reconstruct_n(0, setting.lists))
        codes.quantizer = centres
        codes.referenced_objects = [centres]  # faiss keeps a pointer only
        return cls(codes, setting)

    @classmethod
    def open(cls, file: Path, setting: Setting) -> Self:
        """Map the codes of a file that `write` wrote; BadInput when faiss cannot read it."""
        try:
            codes = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise BadInput(f"{file} cannot be read ({error}); build the index again") from error
        if not isinstance(codes, faiss.IndexIVFPQFastScan):
            raise BadInput(f"{file} holds {type(codes).__name__}, expected IndexIVFPQFastScan; build the index again")
        return cls(codes, setting)

    def under(self, setting: Setting) -> Self | None:
        """The same codes searched under another setting; None when it asks for other codes."""
        same = (self.setting.lists, self.setting.dims_a_code) == (setting.lists, setting.dims_a_code)
        return replace(self, setting=setting) if same else None

    def write(self, file: Path) -> None:
        """Write the codes for `open`; OSError where they cannot be."""
        try:
            faiss.write_index(self.codes, str(file))
        except RuntimeError as error:  # faiss has no other
            raise OSError(f"{file} cannot be written ({error})") from error

    def propose(self, queries: Vectors, count: int, rows: Rows | None, threads: int) -> Iterator[Rows]:
        """For each query the up to `count` wines that are best by their codes, of `rows` where given; no order, each once."""
        codes = self.codes
        search = faiss.SearchParametersIVF(nprobe=self.setting.probed)
        if rows is not None:
            mask = np.zeros(codes.ntotal, dtype=np.bool_)
            mask[rows] = True
            # The selector keeps a pointer into `bits`; both live until the search is done.
            bits = np.packbits(mask, bitorder="little")
            # All cells are scanned: what is allowed may lie far from the query.
            search = faiss.SearchParametersIVF(sel=faiss.IDSelectorBitmap(bits), nprobe=self.setting.lists)
        with _threads(threads):
            _, labels = codes.search(_widened(queries, codes.d), min(count, codes.ntotal), params=search)
        for found in labels:
            yield found[found >= 0]


def _padded(width: int, dims_a_code: int) -> int:
    return -(-width // dims_a_code) * dims_a_code


def _widened(vectors: Vectors, width: int) -> Vectors:
    """Zero columns up to `width`: no inner product changes."""
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, width - vectors.shape[1]))) if vectors.shape[1] < width else vectors)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let faiss use `count` threads when called from this thread, and as many as before afterwards."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)

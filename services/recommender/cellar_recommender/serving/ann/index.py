"""The index of one catalogue's embeddings: exact while it is small, else compressed with exact re-ranking; built, kept, searched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import faiss
import msgspec
import numpy as np

from cellar_recommender.serving.ann import exact
from cellar_recommender.serving.ann.compressed import Compressed, Setting
from cellar_recommender.serving.ann.exact import Allowed, Found, Vectors
from cellar_recommender.serving.ann.probe import probes_of, recall_at
from cellar_shared.durable import staged_folder, write_durably
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.npy import map_npy, read_npy

FORMAT: Final = 1
MANIFEST: Final = "index.json"
VECTORS: Final = "vectors.npy"
CODES: Final = "codes.faiss"

EXACT_UP_TO: Final = 100_000  # wines: an exact scan of 64 dimensions takes under a millisecond there (measured)
RECALL_AT: Final = 300  # candidates that ranking asks for
LEAST_RECALL: Final = 0.985
# Ever more exact, tried in this order until one finds enough; None is an exact scan of all. Neighbours share their codes.
LADDER: Final[tuple[Setting | None, ...]] = (
    Setting(lists=512, probed=64, dims_a_code=1, reranked=1_500),
    Setting(lists=512, probed=128, dims_a_code=1, reranked=3_000),
    Setting(lists=512, probed=512, dims_a_code=1, reranked=6_000),
    None,
)
# Under a filter that leaves no more, scoring all that are left costs less than a scan of the codes.
_EXACT_UNDER_FILTER: Final = 20_000


class Tried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting that a build tried, and the recall@RECALL_AT it had on the probes; no setting is an exact scan."""

    setting: Setting | None
    recall: float


class IndexManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an index on disk says of itself; `files` are digests by name, `longest` the length of the longest vector."""

    format: int
    wines: int
    dimensions: int
    longest: float
    faiss: str
    tried: list[Tried]
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Index:
    """Finds the wines whose vectors (wines, d) float32 have the greatest inner product with a query's."""

    vectors: Vectors
    longest: float
    tried: tuple[Tried, ...]
    compressed: Compressed | None
    threads: int = field(default=1)

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        threads: int,
        *,
        probes: Vectors | None = None,
        least_recall: float = LEAST_RECALL,
        exact_up_to: int = EXACT_UP_TO,
        ladder: Sequence[Setting | None] = LADDER,
    ) -> Self:
        """The index of `vectors` (wines, d), the same whatever `threads`; above `exact_up_to` wines by the first good setting of `ladder`.

        Good is a recall@RECALL_AT of `least_recall` on `probes` (queries, d), which are drawn from the wines where none are given.
        BadInput names a row that is not finite; Incompatible when no setting of the ladder finds enough.
        """
        vectors = exact.checked(vectors, "vectors")
        longest = exact.longest_of(vectors)
        if len(vectors) <= exact_up_to:
            return cls(vectors, longest, (), None, threads)
        asked = probes_of(vectors) if probes is None else exact.checked(probes, "probes", vectors.shape[1])
        tried: list[Tried] = []
        compressed: Compressed | None = None
        for setting in ladder:
            if setting is None:
                compressed = None
            else:
                compressed = (compressed and compressed.under(setting)) or Compressed.build(vectors, setting, threads)
            index = cls(vectors, longest, (), compressed, threads)
            recall = recall_at(index, asked, RECALL_AT) if compressed else 1.0
            tried.append(Tried(setting, recall))
            if recall >= least_recall:
                return cls(vectors, longest, tuple(tried), compressed, threads)
        seen = ", ".join(f"{one.recall:.4f} with {one.setting}" for one in tried) or "no setting"
        raise Incompatible(
            f"the index of {len(vectors):,} wines finds too little: recall@{RECALL_AT} is {seen}, expected {least_recall}; "
            "allow an exact scan, or train towers whose vectors lie apart"
        )

    def search(self, queries: Vectors, k: int, allowed: Allowed | None = None) -> Found:
        """The `k` best wines of those allowed, for each query (queries, d), by score, then by row.

        `allowed` is a mask (wines,) bool or a list of rows, for all queries. Fewer than `k` come back only where fewer are
        allowed; the rest is row -1 with score -inf. BadInput names a query that is not finite, or what is wrong with `allowed`.
        """
        if k < 1:
            raise BadInput(f"k is {k}; expected at least 1")
        queries = exact.checked(queries, "queries", self.vectors.shape[1])
        rows = exact.allowed_rows(allowed, len(self.vectors))
        if rows is not None and len(rows) == len(self.vectors):
            rows = None
        if self.compressed is None or (rows is not None and len(rows) <= _EXACT_UNDER_FILTER):
            return exact.search(self.vectors, self.longest, queries, k, rows)
        found = exact.nothing_found(len(queries), k)
        needed = min(k, len(self.vectors) if rows is None else len(rows))
        # Asked for more than the setting was judged by, as many more are ranked again.
        count = max(1, -(-k // RECALL_AT)) * self.compressed.setting.reranked
        for place, candidates in enumerate(self.compressed.propose(queries, count, rows, self.threads)):
            if len(candidates) >= needed:
                exact.rerank(found, place, self.vectors, self.longest, candidates, queries[place])
            else:
                one = exact.search(self.vectors, self.longest, queries[place : place + 1], k, rows)
                found.rows[place], found.scores[place] = one.rows[0], one.scores[0]
        return found

    def save(self, folder: Path) -> IndexManifest:
        """Write the index to `folder`, whole or not at all; what stood there goes."""
        with staged_folder(folder) as staging:
            np.save(staging / VECTORS, self.vectors, allow_pickle=False)
            if self.compressed:
                self.compressed.write(staging / CODES)
            digests = {file.name: _digest(file) for file in sorted(staging.iterdir())}
            wines, dimensions = self.vectors.shape
            manifest = IndexManifest(FORMAT, wines, dimensions, self.longest, faiss.__version__, list(self.tried), digests)
            write_durably(staging / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        return manifest

    @classmethod
    def open(cls, folder: Path, threads: int = 1) -> Self:
        """Map an index that `save` wrote: its pages are shared by all processes that open it.

        BadInput when a file is missing or damaged; Incompatible when another format or faiss wrote it.
        """
        manifest = _read_manifest(folder)
        try:
            # An empty file cannot be mapped.
            vectors = (map_npy if manifest.wines else read_npy)(folder / VECTORS)
        except (OSError, ValueError) as error:
            raise BadInput(f"{folder / VECTORS} cannot be read ({error}); build the index again") from error
        if vectors.shape != (manifest.wines, manifest.dimensions) or vectors.dtype != np.float32:
            raise BadInput(
                f"{folder / VECTORS} holds {vectors.dtype} {vectors.shape}; expected float32 {(manifest.wines, manifest.dimensions)}: "
                "build the index again"
            )
        setting = manifest.tried[-1].setting if manifest.tried else None
        compressed = None if setting is None else Compressed.open(folder / CODES, setting)
        return cls(vectors, manifest.longest, tuple(manifest.tried), compressed, threads)


def _read_manifest(folder: Path) -> IndexManifest:
    file = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=IndexManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); build the index again") from error
    if (manifest.format, manifest.faiss) != (FORMAT, faiss.__version__):
        raise Incompatible(
            f"{folder} was written in format {manifest.format} by faiss {manifest.faiss}; "
            f"this code has format {FORMAT} and faiss {faiss.__version__}: build the index again"
        )
    for name, digest in manifest.files.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise BadInput(f"{folder / name} is missing or damaged; build the index again")
    return manifest


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

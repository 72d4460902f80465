"""How a catalogue lies on disk: written in slices, so that a million wines take little memory, and mapped; `catalogue` calls it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.ann.index import Index
from cellar_recommender.serving.columns import WineColumns
from cellar_recommender.serving.member_vectors import some_member_vectors
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.sources import popular, slices_of, total_likes
from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput
from cellar_shared.features.wines import no_wines
from cellar_shared.npy import map_npy
from cellar_shared.store.generation import Generation

FORMAT: Final = 1
MANIFEST: Final = "catalogue.json"
INDEX: Final = "ann"
COLUMNS: Final = "columns"
ARRAYS: Final = ("features", "likes", "popular", "total_likes")
_VECTORS: Final = "vectors.npy"  # until the index has them
_SAID_EVERY: Final = 32  # slices


class CatalogueManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a kept catalogue says of itself; `files` are digests by name of all but the index's, which has its own."""

    format: int
    bundle: str
    generation: str
    day: int
    wines: int
    files: dict[str, str]


def build(recommender: Recommender, generation: Generation, day: int, folder: Path, threads: int, say: Callable[[str], None]) -> None:
    """Write the catalogue of `generation` before `day` to the empty `folder`; OSError where it cannot be written."""
    wines = len(generation.wines)
    written = _write_shelf(recommender, generation, day, folder, threads, say)
    np.save(folder / "popular.npy", by_popularity(written["likes"]), allow_pickle=False)
    np.save(folder / "total_likes.npy", total_likes(written["likes"]), allow_pickle=False)
    (folder / COLUMNS).mkdir()
    WineColumns.of(generation.wines, generation.index).write(folder / COLUMNS)
    say(f"indexing {wines:,} wines")
    index = Index.build(written["vectors"], threads, probes=some_member_vectors(recommender, generation))
    index.save(folder / INDEX)
    (folder / _VECTORS).unlink()
    digests = {str(file.relative_to(folder)): _digest(file) for file in _files(folder)}
    manifest = CatalogueManifest(FORMAT, recommender.manifest.version, generation.manifest.id, day, wines, digests)
    write_durably(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    say(f"index of {wines:,} wines built" + "".join(f", recall {tried.recall:.4f}" for tried in index.tried[-1:]))


def verify(folder: Path, recommender: Recommender, generation: Generation, day: int) -> None:
    """BadInput where `folder` holds another catalogue than this one, or a file of it is missing or damaged."""
    file = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=CatalogueManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); build the index again") from error
    wanted = CatalogueManifest(
        FORMAT, recommender.manifest.version, generation.manifest.id, day, len(generation.wines), files=manifest.files
    )
    if manifest != wanted:
        raise BadInput(f"{file} is of {manifest.bundle} on {manifest.generation}, day {manifest.day}; build the index again")
    for name, digest in manifest.files.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise BadInput(f"{folder / name} is missing or damaged; build the index again")


def arrays_of(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """ARRAYS by name, memory-mapped."""
    return {name: map_npy(folder / f"{name}.npy") for name in ARRAYS}


def by_popularity(likes: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Rows of recent `likes` (W, windows) by falling `sources.popular`, equal ones by row; (W,) int64."""
    return np.argsort(-popular(likes), kind="stable").astype(np.int64)


def _write_shelf(
    recommender: Recommender, generation: Generation, day: int, folder: Path, threads: int, say: Callable[[str], None]
) -> Mapping[str, npt.NDArray[np.float32]]:
    """Features, likes and vectors of every wine, slice by slice into mapped files; the same whatever `threads`."""
    sources, wines = recommender.sources, generation.wines
    of_nothing = sources.shelf(no_wines(1), generation.counts, day)  # tells the widths
    widths = {name: getattr(of_nothing, name).shape[1] for name in ("features", "likes", "vectors")}
    arrays = {name: _reserved(folder / f"{name}.npy", (len(wines), width)) for name, width in widths.items()}

    def write(rows: slice) -> int:
        part = sources.shelf(wines[rows], generation.counts, day)
        for name, array in arrays.items():
            array[rows] = getattr(part, name)
        return int(rows.stop)

    with ThreadPoolExecutor(threads) as pool:
        for number, done in enumerate(pool.map(write, slices_of(len(wines)))):
            if number % _SAID_EVERY == 0:
                say(f"embedding wines: {done:,} of {len(wines):,}")
    return arrays


def _reserved(file: Path, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """A mapped file to write to; OSError where the disk has no room: to run out of it later would kill the process."""
    mapping = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    with file.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
    return mapping


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.npy"), *(folder / COLUMNS).glob("*.npy")])


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""A small real line: a made-up world, a bundle trained on it with its end held out, and a generation of all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from cellar_preference.training.fit import Recipe
from cellar_preference.training.network import Shape
from cellar_preference.training.train import train
from cellar_shared.bundle.manifest import MANIFEST, BundleManifest, version_of
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.liking.predictor import Predictor
from cellar_shared.store.generation import Generation
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

HOLD_OUT_DAYS = 180


@dataclass(frozen=True)
class Line:
    """What one run of the line made, for reading only."""

    data: Path
    bundle: Path
    store: Path
    recipe: Recipe

    @property
    def manifest(self) -> BundleManifest:
        return msgspec.json.decode((self.bundle / MANIFEST).read_bytes(), type=BundleManifest)

    def train_again(self, out: Path, **changed: Any) -> BundleManifest:
        """Train as the bundle was trained, but for what is `changed`."""
        asked = {"data": self.data, "hold_out_days": HOLD_OUT_DAYS, "recipe": self.recipe, "threads": 1} | changed
        return train(out=out, step=lambda _: None, **asked)


@pytest.fixture(scope="session")
def line(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    place = tmp_path_factory.mktemp("line")
    recipe = Recipe(shape=Shape(embedding=4, heads=2, key=2, value=2, hidden=(8, 4)), epochs=1, batch=256)
    made = Line(small_world, place / "bundle", place / "store", recipe)
    made.train_again(made.bundle)
    materialize(made.data, LmdbStore(made.store), say=lambda _: None)
    return made


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[tuple[subprocess.Popen[str], int]]]:
    """Starts `cellar serve` on a line as a process; gives it and its port once it listens, ready or not."""

    @contextmanager
    def start(line: Any, port: int = 0, *options: str, name: str = "preference") -> Iterator[tuple[subprocess.Popen[str], int]]:
        words = ["serve", name, "--bundle", str(line.bundle), "--store", f"lmdb://{line.store}", "--port", str(port)]
        words += ["--max-wait-ms", "60000", *options]  # a busy machine is not what is asked about
        environment = os.environ | {"COLUMNS": "200"}
        with subprocess.Popen(
            [sys.executable, "-m", "cellar_shared", *words], stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            try:
                assert process.stderr
                said = process.stderr.readline()
                assert said.startswith(f"{name} listens on http://127.0.0.1:"), said + process.stderr.read()
                yield process, int(said.removeprefix(f"{name} listens on http://127.0.0.1:").split()[0])
            finally:
                process.kill()

    return start


@pytest.fixture(scope="session")
def predictor(line: Line) -> Predictor:
    return Predictor.open(line.bundle)


@pytest.fixture(scope="session")
def generation(line: Line) -> Generation:
    return Generation.open(LmdbStore(line.store), line.manifest.feature_fingerprint)


@pytest.fixture(scope="session")
def ratings(line: Line) -> pl.DataFrame:
    """The world's ratings with `moment`, when each one counts (a date: at its day's last microsecond), in order of it."""
    at = pl.col("rated_at").dt.timestamp("us")
    by_day = at - at % MICROSECONDS_PER_DAY + MICROSECONDS_PER_DAY - 1
    moment = pl.when(pl.col("time_precision") == "date").then(by_day).otherwise(at)
    return DataFolder.open(line.data).scan("ratings").with_columns(moment=moment).sort("moment", "event_id").collect()


@pytest.fixture(scope="session")
def data_of(line: Line) -> Callable[[Path, pl.DataFrame], Path]:
    """Writes a data folder with the world's wines and some of its ratings."""

    def write(out: Path, ratings: pl.DataFrame) -> Path:
        world = DataFolder.open(line.data)
        with DataWriter(out, world.manifest.namespace, world.manifest.scale, "part of a world") as writer:
            writer.add("wines", world.scan("wines").collect())
            writer.add("ratings", ratings.drop("moment"))
        return out

    return write


@pytest.fixture
def forge() -> Callable[..., None]:
    """Changes a bundle's file or manifest and mends every digest, as somebody would who knows how."""

    def change(bundle: Path, files: dict[str, bytes] | None = None, **fields: Any) -> None:
        manifest = msgspec.json.decode((bundle / MANIFEST).read_bytes(), type=BundleManifest)
        digests = dict(manifest.files)
        for name, content in (files or {}).items():
            (bundle / name).write_bytes(content)
            digests[name] = sha256(content).hexdigest()
        manifest = msgspec.structs.replace(manifest, files=digests, **fields)
        manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
        (bundle / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    return change

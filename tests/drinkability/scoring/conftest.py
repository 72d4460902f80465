"""Data folders with bottles of every kind, a bundle, and nights that run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cellar_drinkability.scoring.layout import Part
from cellar_drinkability.scoring.night import Report, run_night
from cellar_drinkability.scoring.part import PartWork, Terms
from cellar_drinkability.scoring.pool import Outcome, Step, done
from cellar_shared.bundle.manifest import BundleManifest, write_bundle
from cellar_shared.events.tables import DataWriter, dtypes_of

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # where tests, and workers that they start, find night_model
MODEL = "night_model:ArithmeticModel"
AS_OF = date(2025, 6, 1)

BOTTLE: dict[str, Any] = {
    "bottle_id": "b1",
    "member_id": "m1",
    "wine_id": "w1",
    "vintage": 2015,
    "size_ml": 750,
    "state": "stored",
    "acquired_at": date(2018, 3, 1),
    "storage_id": "cool",
    "location": "Cellar",
    "bin": "A1",
    "consumed_at": None,
    "consumed_how": None,
    "window_from": None,
    "window_to": None,
    "window_source": None,
}
WINE: dict[str, Any] = {
    "wine_id": "w1",
    "name": "One",
    "producer": "Winery",
    "type": "Red",
    "country": "Italy",
    "region": "Piedmont",
    "grapes": ["Nebbiolo"],
    "abv": 14.0,
    "body": 4.0,
    "acidity": 3.0,
    "price": 30.0,
    "currency": "EUR",
    "source": "test",
}
WINES = [
    WINE,
    WINE | {"wine_id": "w2", "type": "White", "grapes": ["Riesling"], "region": "Mosel"},
    WINE | {"wine_id": "fizz", "type": "Sparkling", "grapes": ["Chardonnay"], "region": "Champagne"},
    WINE | {"wine_id": "blank", "type": None, "country": None, "region": None, "grapes": []},
]
PLACE: dict[str, Any] = {
    "storage_id": "cool",
    "member_id": "m1",
    "kind": "constant",
    "mean_c": 12.0,
    "amplitude_c": None,
    "at": None,
    "temperature_c": None,
}


def table(name: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table, with its types."""
    return pl.DataFrame(rows, schema=dtypes_of(name) | {}, strict=False).select(list(rows[0]) if rows else list(dtypes_of(name)))


def in_this_process(terms: Terms, step: Step, parts: Sequence[Part], workers: int) -> Iterator[Outcome]:
    """An engine that starts no process."""
    work = PartWork(terms)
    return (done(work, step, part) for part in parts)


@contextmanager
def unwatched(title: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda rows: None


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drinkability bundle that the tests' models open."""
    place = tmp_path_factory.mktemp("bundle") / "b"
    manifest = BundleManifest(1, "drinkability", "", "2025-01-01", "2025-01-01", "f", "sim", "1-5", {}, {}, {}, {})
    write_bundle(place, manifest, {"a.txt": b"a"})
    return place


@pytest.fixture
def make_data(tmp_path: Path) -> Callable[..., Path]:
    """Writes a data folder: `make_data([rows of part 0, rows of part 1, ...], places=[...])`; again under one name replaces it."""

    def make(
        parts: Sequence[Sequence[dict[str, Any]] | pl.DataFrame],
        *,
        wines: Sequence[dict[str, Any]] = WINES,
        places: Sequence[dict[str, Any]] = (PLACE,),
        name: str = "data",
    ) -> Path:
        out = tmp_path / name
        with DataWriter(out, "sim", "1-5", "test", replace=True) as writer:
            writer.add("wines", table("wines", wines))
            writer.add("storage", table("storage", places))
            for rows in parts:
                writer.add("bottles", rows if isinstance(rows, pl.DataFrame) else table("bottles", rows))
        return out

    return make


@pytest.fixture
def night(bundle: Path, tmp_path: Path) -> Callable[..., Report]:
    """Runs a night in this process: `night(data)`; other arguments as run_night takes them."""

    def run(data: Path, out: Path | None = None, as_of: date = AS_OF, **more: Any) -> Report:
        settings = {"engine": in_this_process, "model": MODEL, "watch": unwatched, "say": lambda text: None} | more
        return run_night(data, bundle, tmp_path / "out" if out is None else out, as_of, **settings)

    return run


@pytest.fixture
def rows_of_night() -> Callable[[Path], pl.DataFrame]:
    """The rows of the newest night in a folder, in the order of its parts."""
    from cellar_drinkability.scoring.manifest import read_manifest

    def read(out: Path) -> pl.DataFrame:
        listed = read_manifest(out / "night.json").parts
        return pl.concat([pl.read_parquet(out / "bottles" / f"{part.bottles}.parquet") for part in listed])

    return read


@pytest.fixture(scope="session")
def bottle() -> dict[str, Any]:
    """A plain bottle, to be varied: bottle | {"vintage": 0}."""
    return BOTTLE


@pytest.fixture(scope="session")
def wines() -> list[dict[str, Any]]:
    """The wines of every data folder that asks for no others."""
    return WINES


@pytest.fixture(scope="session")
def place() -> dict[str, Any]:
    """A plain place, to be varied."""
    return PLACE


@pytest.fixture
def many_bottles() -> Callable[..., list[pl.DataFrame]]:
    """Parts of made-up bottles with odd ones among them: `many_bottles(parts, rows_of_a_part, seed)`."""
    import numpy as np

    def make(parts: int, rows: int, seed: int = 3) -> list[pl.DataFrame]:
        made = []
        for number in range(parts):
            draw = np.random.default_rng([seed, number])
            vintage = draw.integers(1990, 2027, rows)
            vintage[draw.random(rows) < 0.03] = 0
            frame = pl.DataFrame(
                {
                    "bottle_id": [f"b{number}-{row}" for row in range(rows)],
                    "member_id": [f"m{number}-{row // 40}" for row in range(rows)],
                    "wine_id": draw.choice(["w1", "w2", "fizz", "blank", "lacking"], rows),
                    "vintage": vintage,
                    "size_ml": draw.choice([375, 750, 1500], rows),
                    "state": draw.choice(["stored", "pending", "consumed"], rows, p=[0.85, 0.05, 0.1]),
                    "acquired_at": (draw.integers(10_000, 20_000, rows)).astype("datetime64[D]"),
                    "storage_id": draw.choice(["cool", "wave", "trace", "nowhere"], rows),
                    "window_from": np.where(draw.random(rows) < 0.2, vintage + 5, -1),
                    "window_to": np.where(draw.random(rows) < 0.2, vintage + 15, -1),
                    "window_source": draw.choice(["personal", "community"], rows),
                }
            ).with_columns(
                vintage=pl.when(pl.Series(draw.random(rows) > 0.02)).then("vintage"),
                window_from=pl.when(pl.col("window_from") > 1700).then("window_from"),
                window_to=pl.when(pl.col("window_to") > 1700).then("window_to"),
                acquired_at=pl.col("acquired_at").cast(pl.Date),
                **dict.fromkeys(("location", "bin", "consumed_how"), pl.lit(None, dtype=pl.String)),
                consumed_at=pl.lit(None, dtype=pl.Date),
            )
            made.append(frame)
        return made

    return make


@pytest.fixture(scope="session")
def many_places() -> list[dict[str, Any]]:
    """The places of `many_bottles`."""
    from datetime import UTC, datetime

    trace = [
        PLACE
        | {
            "storage_id": "trace",
            "kind": "trace",
            "mean_c": None,
            "at": datetime(2020, 1 + month % 12, 1, tzinfo=UTC).replace(year=2020 + month // 12),
            "temperature_c": 12.0 + month % 12,
        }
        for month in range(40)
    ]
    return [PLACE, PLACE | {"storage_id": "wave", "kind": "seasonal", "mean_c": 14.0, "amplitude_c": 4.0}, *trace]


@pytest.fixture
def program(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The words that start a night as a process of its own: `program(data, out, engine="local", as_of=...)`."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))

    def words(data: Path, out: Path, engine: str = "local", as_of: date = AS_OF) -> list[str]:
        return [sys.executable, str(HERE / "night_program.py"), str(data), str(bundle), str(out), str(as_of), engine]

    return words

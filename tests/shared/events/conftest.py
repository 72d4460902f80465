"""A small made X-Wines release and made rows of every table, for tests to bend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from cellar_shared.events.locking import LOCK
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.intake import TableReport, Terms
from cellar_shared.events.sources.xwines import import_xwines
from cellar_shared.events.tables import DataWriter, schema_of

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)
WINES_HEADER = (
    "WineID,WineName,Type,Elaborate,Grapes,Harmonize,ABV,Body,Acidity,Code,Country,RegionID,RegionName,WineryID,WineryName,Website,Vintages"
)
RATINGS_HEADER = "RatingID,UserID,WineID,Vintage,Rating,Date"
WINES = (
    """1,Espumante,Sparkling,Varietal/100%,"['Moscato']","['Aperitif', 'Cake']",7.5,Light-bodied,High,BR,Brazil,9,Serra,3,Perla,,[0]""",
    """2,Grand Vin,Red,Blend,"['Merlot', 'Syrah/Shiraz']",['Beef'],13.5,Very full-bodied,Low,FR,France,8,Médoc,4,"Clos, Fils",,[2015]""",
)
RATINGS = (
    "10,u1,1,N.V.,4.0,2019-05-06 07:08:09",
    "11,u1,2,2015,3.5,2020-01-02 00:00:00",
    "12,u2,2,0,5.0,2020-01-03",
)


@dataclass(frozen=True, slots=True)
class Release:
    """A folder with the two files of a release; tests write over them."""

    folder: Path

    @property
    def wines(self) -> Path:
        return self.folder / "wines.csv"

    @property
    def ratings(self) -> Path:
        return self.folder / "ratings.csv"

    def with_wines(self, *rows: str) -> Release:
        self.wines.write_text("\n".join((WINES_HEADER, *rows)) + "\n", "utf-8")
        return self

    def with_ratings(self, *rows: str) -> Release:
        self.ratings.write_text("\n".join((RATINGS_HEADER, *rows)) + "\n", "utf-8")
        return self

    def take(self, out: Path, *, since: datetime | None = None, replace: bool = False, skip_bad: bool = False) -> dict[str, TableReport]:
        terms = Terms(moment_of(NOW), replace, skip_bad, moment_of(since) if since else None)
        return import_xwines(self.folder, out, terms, progress=lambda _what, _count: None)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A good release of two wines and three ratings."""
    folder = tmp_path / "release"
    folder.mkdir()
    return Release(folder).with_wines(*WINES).with_ratings(*RATINGS)


@pytest.fixture
def good_ratings() -> tuple[str, ...]:
    """The rows of the good release's ratings file, lines 2 to 4."""
    return RATINGS


@pytest.fixture
def good_wines() -> tuple[str, ...]:
    """The rows of the good release's wines file, lines 2 and 3."""
    return WINES


@pytest.fixture
def bytes_of() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder by its relative name, but for the lock of whoever writes it."""
    return lambda folder: {
        str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file() and file.name != LOCK
    }


MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
GIVEN = {
    "wines": {"wine_id": pl.format("w{}", "n"), "name": pl.format("Wine {}", "n"), "source": pl.lit("made")},
    "ratings": {
        "event_id": pl.format("e{}", "n"), "member_id": pl.format("m{}", pl.col("n") % 3), "wine_id": pl.format("w{}", "n"),
        "vintage": pl.lit(2015), "rating_raw": pl.lit(4.0), "scale": pl.lit("1-5"), "like": pl.lit(True), "rated_at": pl.lit(MOMENT),
        "time_precision": pl.lit("datetime"), "defective": pl.lit(False), "source": pl.lit("made"),
    },
    "notes": {
        "event_id": pl.format("n{}", "n"), "member_id": pl.lit("m1"), "wine_id": pl.lit("w1"), "text": pl.lit("Plums"),
        "noted_at": pl.lit(MOMENT),
    },
    "truth": {"event_id": pl.format("e{}", "n"), "probability": pl.lit(0.5)},
    "truth_ageing": {
        "wine_id": pl.format("w{}", "n"), "vintage": pl.lit(2015), "begin_years": pl.lit(5.0), "end_years": pl.lit(15.0),
        "energy_kj": pl.lit(78.0), "size_exponent": pl.lit(0.35), "curve": pl.lit("powers"), "peak_years": pl.lit(9.0),
        "rise": pl.lit(2.0), "fall": pl.lit(2.0), "heat": pl.lit(1.0),
    },
    "bottles": {
        "bottle_id": pl.format("b{}", "n"), "member_id": pl.lit("m1"), "wine_id": pl.lit("w1"), "vintage": pl.lit(2015),
        "size_ml": pl.lit(750), "state": pl.lit("stored"), "acquired_at": pl.lit(date(2019, 5, 1)),
    },
    "storage": {"storage_id": pl.format("s{}", "n"), "member_id": pl.lit("m1"), "kind": pl.lit("constant"), "mean_c": pl.lit(13.0)},
    "preferences": {
        "event_id": pl.format("p{}", "n"), "member_id": pl.lit("m1"), "kind": pl.lit("hide_wine"), "value": pl.lit("w1"),
        "set_at": pl.lit(MOMENT),
    },
    "windows": {"window_id": pl.format("x{}", "n"), "start": pl.lit(2020), "end": pl.lit(2030), "kind": pl.lit("range"),
                "source": pl.lit("made")},
    "matches": {"wine_id": pl.format("w{}", "n"), "namespace": pl.lit("shop"), "reason": pl.lit("not_alike_enough")},
    "impressions": {
        "request_id": pl.format("r{}", pl.col("n") // 2), "position": pl.col("n") % 2, "member_id": pl.lit("m1"),
        "wine_id": pl.lit("w1"), "source": pl.lit("popular"), "propensity": pl.lit(0.5), "candidate_hash": pl.lit("abc"),
        "shown_at": pl.lit(MOMENT),
    },
    "predictions": {
        "request_id": pl.format("r{}", "n"), "position": pl.lit(0), "asked_at": pl.lit(MOMENT), "as_of": pl.lit(MOMENT),
        "wine_id": pl.lit("w1"), "raw_score": pl.lit(0.1), "probability": pl.lit(0.5), "bundle": pl.lit("b"), "generation": pl.lit("g"),
        "deployment": pl.lit("blue"), "attempt": pl.lit(1), "degraded": pl.lit([], dtype=pl.List(pl.String())),
        "feature_fingerprint": pl.lit("f"), "sample_rate": pl.lit(1.0),
    },
    "outcomes": {
        "outcome_id": pl.format("o{}", "n"), "member_id": pl.lit("m1"), "wine_id": pl.lit("w1"), "kind": pl.lit("bought"),
        "value": pl.lit(1.0), "occurred_at": pl.lit(MOMENT), "recorded_at": pl.lit(MOMENT),
    },
}  # fmt: skip


def _rows_of(table: str, count: int, **changed: pl.Expr) -> pl.DataFrame:
    """`count` good rows of `table`, numbered n from 0, with the columns in `changed` made otherwise."""
    nothing = dict.fromkeys(schema_of(table)["required"], pl.lit(None))
    columns = nothing | GIVEN[table] | changed
    return pl.DataFrame({"n": range(count)}).with_columns(**columns).select(*columns)


def _written(out: Path, scale: str = "1-5", **tables: pl.DataFrame | list[pl.DataFrame]) -> Path:
    """A data folder at `out` with these tables; a list is one part each."""
    with DataWriter(out, "made", scale, "test") as writer:
        for table, parts in tables.items():
            for rows in parts if isinstance(parts, list) else [parts]:
                writer.add(table, rows)
    return out


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., pl.DataFrame]:
    """Makes good rows of a table, and bends them."""
    return _rows_of


@pytest.fixture(scope="session")
def written() -> Callable[..., Path]:
    """Writes tables as a data folder."""
    return _written

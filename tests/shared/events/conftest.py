"""A small made X-Wines release that tests bend, and the import of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellar_shared.events.locking import LOCK
from cellar_shared.events.sources.xwines import ImportReport, import_xwines

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

    def take(self, out: Path, *, replace: bool = False, skip_bad: bool = False) -> ImportReport:
        return import_xwines(self.folder, out, replace=replace, skip_bad=skip_bad, progress=lambda _what, _count: None)


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

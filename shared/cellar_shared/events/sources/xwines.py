"""The source `xwines`: the X-Wines release's two CSV files become the tables wines and ratings.

Source: R. X. de Azambuja, A. J. Morais, V. Filipe, "X-Wines: A Wine Dataset for Recommender Systems and Machine
Learning", Big Data Cogn. Comput. 2023, 7(1), 20. Non-vintage is written 0 in one release and N.V. in others. A wine
stands for all its vintages. RatingID is sorted by vintage, so it is kept as an id and never read as a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.scales import SCALES
from cellar_shared.events.sources.delimited import Rule, apply_rules, read_batches
from cellar_shared.events.sources.intake import Reading, TableReport, Terms, take_in
from cellar_shared.events.sources.refusals import Refusals
from cellar_shared.literals import literal_of

NAMESPACE = "xwines"
SCALE = SCALES["1-5"]
BODIES = {
    "Very light-bodied": 1.0,
    "Light-bodied": 2.0,
    "Medium-bodied": 3.0,
    "Full-bodied": 4.0,
    "Very full-bodied": 5.0,
}
ACIDITIES = {"Low": 1.0, "Medium": 2.0, "High": 3.0}
NON_VINTAGE = ("0", "N.V.", "NV")

_RATINGS_FILES = (
    "ratings.csv",
    "XWines_Slim_150K_ratings.csv",
    "XWines_Full_21M_ratings.csv",
    "XWines_Test_1K_ratings.csv",
)
_WINES_FILES = ("wines.csv", "XWines_Slim_1K_wines.csv", "XWines_Full_100K_wines.csv", "XWines_Test_100_wines.csv")


def _text(column: str) -> pl.Expr:
    return pl.col(column)


def _number(column: str, lowest: float, highest: float) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(value.is_between(lowest, highest)).then(value)


def _names(column: str) -> pl.Expr:
    return pl.col(column).map_elements(_list_literal, return_dtype=pl.List(pl.String))


def _list_literal(text: str) -> list[str] | None:
    """A Python list literal of texts, as the release writes lists; None when it is something else."""
    try:
        value = literal_of(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    return [str(item).strip() for item in value if str(item).strip()]


def _vintage(column: str) -> pl.Expr:
    year = pl.col(column).cast(pl.Int32, strict=False)
    return pl.when(pl.col(column).is_in(NON_VINTAGE)).then(0).when(year.is_between(1700, 2100)).then(year)


WINE_RULES = (
    Rule("WineID", "wine_id", _text("WineID"), "an id", required=True),
    Rule("WineName", "name", _text("WineName"), "a name", required=True),
    Rule("WineryName", "producer", _text("WineryName"), "a text"),
    Rule("Type", "type", _text("Type"), "a text"),
    Rule("Country", "country", _text("Country"), "a text"),
    Rule("RegionName", "region", _text("RegionName"), "a text"),
    Rule("Grapes", "grapes", _names("Grapes"), "a list such as ['Merlot', 'Syrah/Shiraz']"),
    Rule("ABV", "abv", _number("ABV", 0, 80), "a percentage from 0 to 80"),
    Rule("Body", "body", _text("Body").replace_strict(BODIES, default=None), f"one of {', '.join(BODIES)}"),
    Rule("Acidity", "acidity", _text("Acidity").replace_strict(ACIDITIES, default=None), f"one of {', '.join(ACIDITIES)}"),
    Rule("Elaborate", "elaborate", _text("Elaborate"), "a text"),
    Rule("Harmonize", "pairings", _names("Harmonize"), "a list such as ['Beef', 'Lamb']"),
)


def _moment(column: str, form: str) -> pl.Expr:
    """The moment written in `form`; null unless of this or the last century (%Y would take 21 for the year 21)."""
    moment = pl.col(column).str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
    return pl.when(moment.dt.year().is_between(1900, 2100)).then(moment)


_STAMP = _moment("Date", "%Y-%m-%d %H:%M:%S")
_DAY = _moment("Date", "%Y-%m-%d")

RATING_RULES = (
    Rule("RatingID", "event_id", _text("RatingID"), "an id", required=True),
    Rule("UserID", "member_id", _text("UserID"), "an id", required=True),
    Rule("WineID", "wine_id", _text("WineID"), "an id", required=True),
    Rule("Vintage", "vintage", _vintage("Vintage"), "a year from 1700 to 2100, 0 or N.V."),
    Rule("Rating", "rating_raw", _number("Rating", SCALE.lowest, SCALE.highest), "a rating from 1 to 5", required=True),
    Rule("Date", "rated_at", pl.coalesce(_STAMP, _DAY), "YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
    Rule("Date", "time_precision", pl.when(_STAMP.is_not_null()).then(pl.lit("datetime")).when(_DAY.is_not_null()).then(pl.lit("date")),
         "YYYY-MM-DD HH:MM:SS or YYYY-MM-DD"),
)  # fmt: skip


def import_xwines(source: Path, out: Path, terms: Terms, *, progress: Callable[[str, int], None]) -> dict[str, TableReport]:
    """Read the release in folder `source` and write the data folder `out`, or add what is new to it; see `take_in`."""
    readings = (
        _reading("wines", _file_in(source, _WINES_FILES), WINE_RULES, _as_wines),
        _reading("ratings", _file_in(source, _RATINGS_FILES), RATING_RULES, _as_ratings),
    )
    return take_in(readings, out, terms, namespace=NAMESPACE, scale=SCALE.name, source="xwines", progress=progress)


def _reading(table: str, file: Path, rules: Sequence[Rule], finish: Callable[[pl.DataFrame], pl.DataFrame]) -> Reading:
    columns = list(dict.fromkeys(rule.column for rule in rules))

    def read(refusals: Refusals) -> Iterator[pl.DataFrame]:
        for batch in read_batches(file, columns, refusals):
            yield finish(apply_rules(batch, rules, file.name, refusals))

    return Reading(table, file, {rule.name: rule.column for rule in rules}, read)


def _file_in(source: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (source / name).is_file():
            return source / name
    raise BadInput(f"{source} holds none of {', '.join(names)}; name the folder with the X-Wines release's CSV files")


def _as_wines(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None)
    return rows.with_columns(price=nothing, currency=nothing, source=pl.lit("xwines"))


def _as_ratings(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col("time_precision").fill_null("unknown"),
        scale=pl.lit(SCALE.name),
        like=pl.col("rating_raw") >= SCALE.liked_from,
        defective=pl.lit(False),
        source=pl.lit("xwines"),
    )

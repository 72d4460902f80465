"""The source `xwines`: the X-Wines release's two CSV files become the tables wines and ratings.

Source: R. X. de Azambuja, A. J. Morais, V. Filipe, "X-Wines: A Wine Dataset for Recommender Systems and Machine
Learning", Big Data Cogn. Comput. 2023, 7(1), 20. Non-vintage is written 0 in one release and N.V. in others. A wine
stands for all its vintages. RatingID is sorted by vintage, so it is kept as an id and never read as a number.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.scales import SCALES
from cellar_shared.events.sources.delimited import LINE, Refusal, Refusals, Rule, apply_rules, read_batches
from cellar_shared.events.tables import DataWriter

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


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import took and left: rows kept and refused per table."""

    wines: int
    ratings: int
    refused: int


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
        value = ast.literal_eval(text)
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


def import_xwines(
    source: Path, out: Path, *, replace: bool = False, skip_bad: bool = False, progress: Callable[[str, int], None]
) -> ImportReport:
    """Read the release in folder `source` and write the data folder `out`, whole or not at all.

    `progress` hears the table's name and the rows read so far. The first bad row ends the import with BadInput that names
    file, line and column; with `skip_bad` bad rows are left out, counted and listed in `out/refused.csv`.
    """
    refusals = Refusals(skip_bad)
    wines_file, ratings_file = _file_in(source, _WINES_FILES), _file_in(source, _RATINGS_FILES)
    kept = {"wines": 0, "ratings": 0}
    with DataWriter(out, NAMESPACE, SCALE.name, "xwines", replace=replace) as writer:
        for table, file, rules, finish in (
            ("wines", wines_file, WINE_RULES, _as_wines),
            ("ratings", ratings_file, RATING_RULES, _as_ratings),
        ):
            ids = _SeenIds(file.name, rules[0].column, refusals)
            for batch in read_batches(file, list(dict.fromkeys(rule.column for rule in rules)), refusals):
                rows = ids.first_of(apply_rules(batch, rules, file.name, refusals), rules[0].name)
                kept[table] += rows.height
                if rows.height:
                    writer.add(table, finish(rows))
                progress(table, kept[table])
            if not kept[table]:
                raise BadInput(f"{file} holds no row that can be taken; expected at least one of table {table}")
        writer.notes.update(refused=len(refusals.kept))
        refusals.write(writer.staging / "refused.csv")
    return ImportReport(kept["wines"], kept["ratings"], len(refusals.kept))


def _file_in(source: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (source / name).is_file():
            return source / name
    raise BadInput(f"{source} holds none of {', '.join(names)}; name the folder with the X-Wines release's CSV files")


def _as_wines(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None)
    return rows.drop(LINE).with_columns(price=nothing, currency=nothing, source=pl.lit("xwines"))


def _as_ratings(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop(LINE).with_columns(
        pl.col("time_precision").fill_null("unknown"),
        scale=pl.lit(SCALE.name),
        like=pl.col("rating_raw") >= SCALE.liked_from,
        defective=pl.lit(False),
        source=pl.lit("xwines"),
    )


@dataclass(slots=True)
class _SeenIds:
    """Lets an id through once; the same id on a second row is refused with the line of the first."""

    file: str
    column: str
    refusals: Refusals
    _lines: dict[str, int] = field(default_factory=dict)

    def first_of(self, rows: pl.DataFrame, name: str) -> pl.DataFrame:
        keep = []
        for line, identity in zip(rows[LINE], rows[name], strict=True):
            first = self._lines.setdefault(identity, line)
            keep.append(first == line)
            if first != line:
                self.refusals.add(Refusal(self.file, line, self.column, identity, f"an id of its own (line {first} has it too)"))
        return rows.filter(pl.Series(keep)) if not all(keep) else rows

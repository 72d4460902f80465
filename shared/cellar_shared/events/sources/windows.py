"""The source `windows`: a CSV of drinking windows as critics stated them becomes the table windows.

One-sided statements are censored: the side that was not stated stays null and nothing is put in its place. The wine is described, not
named by an id; its type, grapes and country's name follow the written vocabulary, and the file's own words are kept beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.manifest import MANIFEST, read_manifest
from cellar_shared.events.scales import SCALES
from cellar_shared.events.sources.delimited import Rule, apply_rules, read_batches
from cellar_shared.events.sources.intake import Reading, TableReport, Terms, take_in
from cellar_shared.events.sources.refusals import LINE, Refusal, Refusals, as_found
from cellar_shared.events.tables import schema_of
from cellar_shared.events.vocabulary.wine_words import country_named, type_of, variety_of

NAMESPACE: Final = "windows"
SCALE: Final = SCALES["0-100"]  # critics' points
NON_VINTAGE: Final = ("0", "1001", "N.V.", "NV")

# Whether each kind states the start, and the end.
SIDES: Final = {
    "range": (True, True),
    "start": (True, False), "hold_until": (True, False), "not_before": (True, False),
    "through": (False, True), "now_to_end": (False, True), "drink_until": (False, True),
}  # fmt: skip

_FIELDS: Final = (
    "vintage", "start", "end", "kind", "points", "price", "country", "province", "region_1", "variety", "winery", "reviewer",
)  # fmt: skip
_ID: Final = "statement"
YEARS_OF_LIFE: Final = 200  # from the vintage to a stated year; the oldest wines still drunk are about that old


def _year(column: str, lowest: int, highest: int) -> pl.Expr:
    number = pl.col(column).cast(pl.Float64, strict=False)
    year = pl.when(number == number.floor()).then(number.cast(pl.Int32, strict=False))
    return pl.when(year.is_between(lowest, highest)).then(year)


def _vintage() -> pl.Expr:
    return pl.when(pl.col("vintage").is_in(NON_VINTAGE)).then(0).otherwise(_year("vintage", 1700, 2100))


def _number(column: str, lowest: float, highest: float) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(value.is_between(lowest, highest)).then(value)


RULES: Final = (
    Rule("vintage", "vintage", _vintage(), "a year from 1700 to 2100, NV, or nothing"),
    Rule("start", "start", _year("start", 1700, 2300), "a year from 1700 to 2300, or nothing where none was stated"),
    Rule("end", "end", _year("end", 1700, 2300), "a year from 1700 to 2300, or nothing where none was stated"),
    Rule("kind", "kind", pl.when(pl.col("kind").is_in(list(SIDES))).then(pl.col("kind")), f"one of {', '.join(SIDES)}", required=True),
    Rule("points", "points", _number("points", SCALE.lowest, SCALE.highest), "points from 0 to 100, or nothing"),
    Rule("price", "price", _number("price", 0, 1e7), "a price from 0 (which means none), or nothing"),
    Rule("country", "country", pl.col("country"), "a text"),
    Rule("province", "province", pl.col("province"), "a text"),
    Rule("region_1", "region_1", pl.col("region_1"), "a text"),
    Rule("variety", "variety", pl.col("variety"), "a text"),
    Rule("winery", "producer", pl.col("winery"), "a text"),
    Rule("reviewer", "reviewer", pl.col("reviewer"), "a text"),
    Rule(_ID, "window_id", pl.col(_ID), "an id", required=True),
)


def import_windows(
    file: Path, out: Path, terms: Terms, *, currency: str | None = None, progress: Callable[[str, int], None]
) -> dict[str, TableReport]:
    """Read the statements in `file` into the data folder `out`, or add those it lacks; see `take_in`.

    `currency` is the ISO 4217 code of the file's prices, None where nobody knows. Statements name no wine by an id and hold no rating, so
    with `since` they may be added to a folder of any namespace and scale.
    """
    if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise BadInput(f"--currency {currency!r} is no code of ISO 4217; say one such as USD or EUR")
    namespace, scale = NAMESPACE, SCALE.name
    if terms.since is not None and (out / MANIFEST).is_file():
        manifest = read_manifest(out)
        namespace, scale = manifest.namespace, manifest.scale

    def read(refusals: Refusals) -> Iterator[pl.DataFrame]:
        seen: Counter[str] = Counter()
        for batch in read_batches(file, _FIELDS, refusals):
            stated = batch.with_columns(_statement_ids(batch, seen).alias(_ID))
            yield _as_windows(_of_one_mind(apply_rules(stated, RULES, file.name, refusals), file.name, refusals), currency)

    called = {rule.name: rule.column for rule in RULES} | {"region": "region_1", "window_id": "the row"}
    reading = Reading("windows", file, called, read)
    return take_in([reading], out, terms, namespace=namespace, scale=scale, source="windows", progress=progress)


def _statement_ids(batch: pl.DataFrame, seen: Counter[str]) -> pl.Series:
    """An id for each row, from its own words: the same in whatever order the rows stand. The same words again are another statement."""
    ids = []
    for row in batch.select(_FIELDS).iter_rows():
        digest = blake2b("\x1f".join("\0" if field is None else field for field in row).encode(), digest_size=12).hexdigest()
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return pl.Series(ids, dtype=pl.String)


def _of_one_mind(rows: pl.DataFrame, file: str, refusals: Refusals) -> pl.DataFrame:
    """The rows whose years fit their kind and their vintage; the others go to `refusals` by the first thing that does not."""
    start, end, vintage, kind = (pl.col(name) for name in ("start", "end", "vintage", "kind"))
    has_start, has_end = (pl.col("kind").replace_strict({name: sides[side] for name, sides in SIDES.items()}) for side in (0, 1))
    has_year = vintage.is_not_null() & (vintage > 0)
    within_life = pl.format(f"a year at most {YEARS_OF_LIFE} after the vintage {{}}", vintage)
    problems = (
        ("start", start.is_null() & has_start, pl.format("a year, since {} states the start", kind)),
        ("end", end.is_null() & has_end, pl.format("a year, since {} states the end", kind)),
        ("start", start.is_not_null() & ~has_start, pl.format("nothing, since {} states the end alone", kind)),
        ("end", end.is_not_null() & ~has_end, pl.format("nothing, since {} states the start alone", kind)),
        ("end", end < start, pl.format("a year not before the start {}", start)),
        ("start", has_year & (start < vintage), pl.format("a year not before the vintage {}", vintage)),
        ("end", has_year & (end < vintage), pl.format("a year not before the vintage {}", vintage)),
        ("start", has_year & (start > vintage + YEARS_OF_LIFE), within_life),
        ("end", has_year & (end > vintage + YEARS_OF_LIFE), within_life),
    )
    marked = rows.with_columns(
        bad=pl.coalesce(pl.when(broken.fill_null(False)).then(pl.lit(place)) for place, (_, broken, _) in enumerate(problems)),
        sentence=pl.coalesce(pl.when(broken.fill_null(False)).then(expected) for _, broken, expected in problems),
    )
    for row in marked.filter(pl.col("bad").is_not_null()).iter_rows(named=True):
        column = problems[row["bad"]][0]
        refusals.add(Refusal(file, row[LINE], column, as_found(row[column]), row["sentence"]))
    return marked.filter(pl.col("bad").is_null()).select(rows.columns)


def _as_windows(rows: pl.DataFrame, currency: str | None) -> pl.DataFrame:
    varieties = [variety_of(text) if text else None for text in rows["variety"]]
    places = zip(rows["variety"], rows["region_1"], rows["province"], strict=True)
    has_price = pl.col("price") > 0
    finished = rows.with_columns(
        wine_id=pl.lit(None, pl.String),
        type=pl.Series([type_of(*facts) for facts in places], dtype=pl.String),
        country=pl.Series([country_named(name) if name else None for name in rows["country"]], dtype=pl.String),
        region=pl.coalesce("region_1", "province"),
        grapes=pl.Series([list(each.grapes) if each and each.grapes else None for each in varieties], dtype=pl.List(pl.String)),
        price=pl.when(has_price).then("price"),
        currency=pl.when(has_price).then(pl.lit(currency, pl.String)),
        stated_at=pl.lit(None, pl.Date),
        source=pl.lit("windows"),
    )
    return finished.select(LINE, *(name for name in schema_of("windows")["properties"] if name in finished.columns))

"""The source `tables`: somebody's own CSV and Parquet files become cellar's tables as a `map.yml` says."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.scales import SCALES
from cellar_shared.events.sources import casts
from cellar_shared.events.sources.delimited import Form, Rule, apply_rules, read_batches
from cellar_shared.events.sources.intake import Reading, TableReport, Terms, take_in
from cellar_shared.events.sources.mapping import ColumnMap, SourceMap, TableMap, read_map
from cellar_shared.events.sources.refusals import LINE, Refusals
from cellar_shared.events.tables import batches, schema_of

PARQUET = (".parquet", ".pq")
BATCH_ROWS = 200_000
EXPECTED = {
    "text": "a text", "number": "a number", "int": "a whole number", "bool": "true or false (yes or no, t or f, 1 or 0)",
    "list": "a list",
}  # fmt: skip


def import_tables(
    sources: Sequence[Path], mapping: Path, out: Path, terms: Terms, *, progress: Callable[[str, int], None]
) -> dict[str, TableReport]:
    """Read the files and folders `sources` as the file `mapping` says into the data folder `out`; see `take_in`."""
    plan = read_map(mapping)
    readings = [_reading(plan, table, file) for table, file in _files(plan, sources)]
    return take_in(readings, out, terms, namespace=plan.namespace, scale=plan.scale, source=plan.source, progress=progress)


def _files(plan: SourceMap, sources: Sequence[Path]) -> list[tuple[TableMap, Path]]:
    """Every table with each of its files; BadInput for a table without one and a named file without a table."""
    found: list[tuple[TableMap, Path]] = []
    for source in sources:
        if not source.exists():
            raise BadInput(f"{source} does not exist; name files, or folders that hold them")
    for table in plan.tables:
        matching = [file for source in sources for file in _matching(source, table.files)]
        if not matching:
            looked = ", ".join(map(str, sources))
            raise table.place.refuse(f"no file {' or '.join(table.files)} among {looked}", "at least one file for the table")
        found += [(table, file) for file in dict.fromkeys(matching)]
    unused = [source for source in sources if source.is_file() and source not in [file for _, file in found]]
    if unused:
        raise BadInput(f"{unused[0]} is not what any table's `files` ask for; add it to the map or leave it out")
    return found


def _matching(source: Path, patterns: Sequence[str]) -> list[Path]:
    names = sorted(file for file in source.iterdir() if file.is_file()) if source.is_dir() else [source]
    return [file for file in names if any(fnmatch.fnmatchcase(file.name, pattern) for pattern in patterns)]


def _reading(plan: SourceMap, table: TableMap, file: Path) -> Reading:
    columns = list(dict.fromkeys(source for column in table.columns for source in column.sources))
    is_parquet = file.suffix.lower() in PARQUET
    dtypes: dict[str, pl.DataType] = _parquet_dtypes(file, columns) if is_parquet else {name: pl.String() for name in columns}
    inputs = [_input(column, dtypes) for column in table.columns]
    rules = [rule for column in table.columns for rule in _tried(column, list(_rules(table, column, _typed(column, dtypes))), dtypes)]

    def read(refusals: Refusals) -> Iterator[pl.DataFrame]:
        form = table.form or Form(delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
        of_file = _parquet_batches(file, columns) if is_parquet else read_batches(file, columns, refusals, form, BATCH_ROWS)
        for batch in of_file:
            yield _finished(plan, table, apply_rules(batch.with_columns(inputs), rules, file.name, refusals))

    return Reading(table.table, file, {column.name: column.called for column in table.columns}, read)


def _parquet_dtypes(file: Path, columns: Sequence[str]) -> dict[str, pl.DataType]:
    try:
        found = pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{file} cannot be read as Parquet ({error})") from error
    missing = [name for name in columns if name not in found]
    if missing:
        raise BadInput(f"{file}: column {', '.join(missing)} is missing; found {', '.join(found)}")
    return {name: found[name] for name in columns}


def _parquet_batches(file: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    numbered = pl.scan_parquet(file, glob=False).select(columns).with_row_index(LINE, offset=1).with_columns(pl.col(LINE).cast(pl.Int64))
    yield from batches(numbered, BATCH_ROWS)


def _tried(column: ColumnMap, rules: list[Rule], dtypes: dict[str, pl.DataType]) -> list[Rule]:
    """The rules, tried on a row without values: a format that cannot be followed or a bad constant is the map's fault, not a row's."""
    row = pl.DataFrame({name: [None] for name in dtypes} | {LINE: [0]}, schema=dtypes | {LINE: pl.Int64()})
    try:
        made = row.with_columns(_input(column, dtypes)).select(rule.value.alias(rule.name) for rule in rules)
    except pl.exceptions.PolarsError as error:
        raise column.place.refuse("what cannot be followed", f"formats and zones that can ({error})") from error
    if column.constant is not None and made[column.name].null_count():
        raise column.place.refuse(f"constant {column.constant!r}", rules[-1].expected)
    return rules


def _input(column: ColumnMap, dtypes: dict[str, pl.DataType]) -> pl.Expr:
    """What a column is made of: its source column, the digest of several, or a constant; after the map's `values`."""
    made: pl.Expr
    if column.is_derived:
        texts = [casts.as_text(pl.col(name), dtypes[name]) for name in column.sources]
        joined = pl.concat_str([text.fill_null("\0") for text in texts], separator="\x1f")
        made = pl.when(pl.any_horizontal(text.is_not_null() for text in texts)).then(joined.map_batches(_digests, pl.String))
    elif not column.sources:
        made = pl.lit(column.constant, pl.String)
    else:
        made = pl.col(column.sources[0])
        if column.values or dtypes[column.sources[0]] == pl.String:
            text = casts.as_text(made, dtypes[column.sources[0]]).str.strip_chars()
            made = pl.when(text != "").then(text)
        if column.values:
            made = made.replace(column.values)
    return made.alias(_input_name(column))


def _typed(column: ColumnMap, dtypes: dict[str, pl.DataType]) -> pl.DataType:
    if len(column.sources) != 1 or column.values or column.is_derived:
        return pl.String()
    return dtypes[column.sources[0]]


def _input_name(column: ColumnMap) -> str:
    return f"\0in {column.name}"


def _digests(texts: pl.Series) -> pl.Series:
    return pl.Series([None if text is None else blake2b(text.encode(), digest_size=16).hexdigest() for text in texts], dtype=pl.String)


def _rules(table: TableMap, column: ColumnMap, dtype: pl.DataType) -> Iterator[Rule]:
    made = pl.col(_input_name(column))
    rule = partial(Rule, _input_name(column), called=column.called)
    # An empty cell of these two has a meaning: not defective, and a like by the rating.
    required = column.required and column.name not in ("defective", "like")
    if column.kind == "timestamp":
        moment, is_day = casts.as_moment(made, dtype, column.manner)
        if column.day_only:
            moment = casts.as_day(made, dtype, column.manner).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            is_day = pl.lit(True)
        expected = f"a moment as {column.manner.format}" if column.manner.format else "a moment such as 2024-05-03T18:30:00Z or a day"
        if "time_precision" in schema_of(table.table)["properties"]:
            precision = pl.when(is_day).then(pl.lit("date")).otherwise(pl.lit("datetime"))
            if table.column("time_precision") is None:
                yield rule("time_precision", pl.when(moment.is_not_null()).then(precision), expected)
        else:
            # Nothing else says that only the day is known, so that it counts from the following midnight.
            end = moment + pl.duration(microseconds=MICROSECONDS_PER_DAY - 1)
            moment = pl.when(is_day).then(end).otherwise(moment)
        yield rule(column.name, moment, expected, required)
        return
    value = {
        "text": lambda: casts.as_text(made, dtype),
        "number": lambda: casts.as_number(made, dtype, column.manner),
        "int": lambda: casts.as_whole_number(made, dtype, column.manner),
        "bool": lambda: casts.as_truth(made, dtype),
        "list": lambda: casts.as_list(made, dtype, column.manner),
        "date": lambda: casts.as_day(made, dtype, column.manner),
    }[column.kind]()
    day = f"a day as {column.manner.format}" if column.manner.format else "a day such as 2024-05-03"
    yield rule(column.name, value, EXPECTED.get(column.kind, day), required)


def _finished(plan: SourceMap, table: TableMap, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what the map left to be filled in."""
    lacking = [name for name in schema_of(table.table)["required"] if name not in rows.columns]
    filled = {name: pl.lit(plan.source) if name == "source" else pl.lit(None) for name in lacking}
    if table.table != "ratings":
        return rows.with_columns(**filled)
    filled |= {name: made for name, made in (("scale", pl.lit(plan.scale)), ("defective", pl.lit(False))) if name in lacking}
    rows = rows.with_columns(**filled).with_columns(pl.col("defective").fill_null(False), pl.col("time_precision").fill_null("unknown"))
    by_scale = pl.coalesce(
        pl.when(pl.col("scale") == scale.name).then(
            pl.col("rating_raw") >= (scale.liked_from if table.like_from is None else table.like_from)
        )
        for scale in SCALES.values()
    )
    return rows.with_columns(pl.col("like").cast(pl.Boolean).fill_null(by_scale))

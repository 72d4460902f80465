"""How a source's column becomes a value of a table's type: texts are read, typed columns converted; the source `tables` uses it.

Every cast gives null where it cannot, so that the row is refused by what was expected there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

TRUE: Final = ("true", "t", "yes", "y", "1")
FALSE: Final = ("false", "f", "no", "n", "0")
UNIX: Final = {"unix": 1_000_000, "unix_ms": 1_000}
"""Moments as numbers since 1970 UTC, by the microseconds in one."""

_DAY = "%Y-%m-%d"
# Tried in this order where no format is named: RFC 3339 with its zone, then a database's own, then a day alone.
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True)
class Manner:
    """What has to be known to read a column's texts: the decimal mark, a moment's format and its zone, a list's separator."""

    decimal_comma: bool = False
    format: str | None = None
    zone: str = "UTC"
    split: str | None = None


def as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Text; whole numbers without a point, so that an id read as a number is the id again."""
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        return pl.when(whole.cast(pl.Float64) == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    return column if dtype == pl.String else column.cast(pl.String, strict=False)


def as_number(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> pl.Expr:
    """A number; with a decimal comma, points between thousands are dropped."""
    if dtype == pl.String and manner.decimal_comma:
        grouped = column.str.replace(r"^([+-]?\d{1,3})((?:\.\d{3})+)(,|$)", "$1$2$3")
        dotted = pl.when(column.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$")).then(grouped.str.replace_all(".", "", literal=True))
        column = dotted.otherwise(pl.when(~column.str.contains(".", literal=True)).then(column)).str.replace(",", ".", literal=True)
    return column.cast(pl.Float64, strict=False)


def as_whole_number(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> pl.Expr:
    """A whole number; 2015.0 is one, 2015.5 is none."""
    number = as_number(column, dtype, manner)
    return pl.when(number == number.floor()).then(number.cast(pl.Int32, strict=False))


def as_truth(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """true or false, in the words of TRUE and FALSE."""
    if dtype == pl.Boolean:
        return column
    word = as_text(column, dtype).str.to_lowercase()
    return pl.when(word.is_in(TRUE)).then(True).when(word.is_in(FALSE)).then(False)


def as_list(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> pl.Expr:
    """A list of texts: a list as it is, or a text split; entries are stripped and empty ones dropped."""
    if isinstance(dtype, pl.List):
        entries = column.cast(pl.List(pl.String), strict=False)
    else:
        text = as_text(column, dtype)
        entries = text.str.split(manner.split) if manner.split else pl.concat_list(text)
    stripped = entries.list.eval(pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != ""))
    return pl.when(column.is_not_null()).then(stripped)


def as_day(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> pl.Expr:
    """A day; of a moment, its day in the manner's zone."""
    if dtype == pl.Date:
        return column
    if dtype == pl.String:
        day = column.str.to_date(manner.format or _DAY, strict=False)
        moment = _moment(column, dtype, manner) if manner.format is None else pl.lit(None, pl.Datetime("us", "UTC"))
        return _of_our_times(pl.coalesce(day, moment.dt.convert_time_zone(manner.zone).dt.date()))
    return _of_our_times(_moment(column, dtype, manner).dt.convert_time_zone(manner.zone).dt.date())


def as_moment(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> tuple[pl.Expr, pl.Expr]:
    """The moment in UTC, and whether only its day is known; a day's moment is its midnight UTC."""
    if dtype == pl.Date:
        return _of_our_times(column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")), pl.lit(True)
    moment = _of_our_times(_moment(column, dtype, manner))
    if dtype != pl.String or (manner.format and _has_time(manner.format)):
        return moment, pl.lit(False)
    day = _of_our_times(column.str.to_date(manner.format or _DAY, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    return pl.coalesce(moment, day), moment.is_null() & day.is_not_null()


def _has_time(form: str) -> bool:
    return form in UNIX or any(mark in form for mark in ("%H", "%I", "%T", "%R", "%X", "%c", "%+"))


def _moment(column: pl.Expr, dtype: pl.DataType, manner: Manner) -> pl.Expr:
    if manner.format in UNIX:
        number = column.cast(pl.Float64, strict=False)
        return (number * UNIX[manner.format]).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype == pl.String:
        return _moment_of_text(column, manner)
    if isinstance(dtype, pl.Datetime):
        micro = column.cast(pl.Datetime("us", dtype.time_zone))
        return micro.dt.convert_time_zone("UTC") if dtype.time_zone else _in_utc(micro, manner.zone)
    return pl.lit(None, pl.Datetime("us", "UTC"))


def _moment_of_text(column: pl.Expr, manner: Manner) -> pl.Expr:
    if manner.format is None:
        zoned = [column.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC") for form in _ZONED]
        local = [_in_utc(column.str.to_datetime(form, strict=False, time_unit="us"), manner.zone) for form in _LOCAL]
        return pl.coalesce(zoned + local)
    if not _has_time(manner.format):
        return pl.lit(None, pl.Datetime("us", "UTC"))
    if any(mark in manner.format for mark in ("%z", "%#z", "%:z", "%+")):
        return column.str.to_datetime(manner.format, strict=False, time_unit="us", time_zone="UTC")
    return _in_utc(column.str.to_datetime(manner.format, strict=False, time_unit="us"), manner.zone)


def _in_utc(local: pl.Expr, zone: str) -> pl.Expr:
    """Of an hour that a clock change shows twice the first is meant; one that it skips is no moment."""
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _of_our_times(when: pl.Expr) -> pl.Expr:
    """Null unless of this or the last century: %Y would take 21 for the year 21."""
    return pl.when(when.dt.year().is_between(1900, 2100)).then(when)

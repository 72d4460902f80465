"""What must hold for one row of a table, from its published schema and beyond it; imports refuse by it, `data check` checks it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, datetime_of
from cellar_shared.events.scales import SCALES
from cellar_shared.events.tables import schema_of

AHEAD: Final = MICROSECONDS_PER_DAY
"""How far a moment may lie after now: a day (judgement), which takes any mistaken time zone and no mistaken year."""


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule of one row: the column it is told of, what is expected there, and the expression that is true where it is broken."""

    column: str
    expected: str
    broken: pl.Expr


def row_rules(table: str, present: Collection[str], now: int | None) -> list[RowRule]:
    """The rules of `table` for the columns that are present; without `now` (a moment) nothing lies too far in the future."""
    schema = schema_of(table)
    rules = [
        made
        for name, rule in schema["properties"].items()
        if name in present
        for made in (_given(name, rule), _of_a_kind(name, rule), _finite(name, rule), _within(name, rule), _been(name, rule, now))
        if made
    ]
    return rules + [rule for needed, rule in _BETWEEN_COLUMNS.get(table, ()) if needed <= set(present)]


def _given(name: str, rule: dict[str, Any]) -> RowRule | None:
    if "null" in rule["type"]:
        return None
    column = pl.col(name)
    empty = column.str.len_bytes() == 0 if rule.get("minLength") else pl.lit(False)
    return RowRule(name, "a value", column.is_null() | empty.fill_null(False))


def _of_a_kind(name: str, rule: dict[str, Any]) -> RowRule | None:
    if "array" in rule["type"]:
        return RowRule(name, "a list without empty entries", pl.col(name).list.contains("") | pl.col(name).list.contains(None))
    if "enum" not in rule:
        return None
    values = [value for value in rule["enum"] if value is not None]
    return RowRule(name, f"one of {', '.join(values)}", ~pl.col(name).is_in(values))


def _finite(name: str, rule: dict[str, Any]) -> RowRule | None:
    return RowRule(name, "a number", ~pl.col(name).is_finite()) if "number" in rule["type"] else None


def _within(name: str, rule: dict[str, Any]) -> RowRule | None:
    column = pl.col(name)
    least, above, most = (rule.get(bound) for bound in ("minimum", "exclusiveMinimum", "maximum"))
    broken = [column < least] if least is not None else []
    broken += [column <= above] if above is not None else []
    broken += [column > most] if most is not None else []
    words = [f"from {least}"] if least is not None else []
    words += [f"above {above}"] if above is not None else []
    words += [f"to {most}"] if most is not None else []
    return RowRule(name, f"a number {' '.join(words)}", pl.any_horizontal(broken)) if broken else None


def _been(name: str, rule: dict[str, Any], now: int | None) -> RowRule | None:
    if now is None or not rule.get("x-past"):
        return None
    latest: datetime | date = datetime_of(now + AHEAD)
    if rule["format"] == "date":
        latest = datetime_of(now).date() + timedelta(days=1)
    shown = datetime_of(now).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return RowRule(name, f"a time that has been (it is {shown} now)", pl.col(name) > pl.lit(latest))


def _off_scale() -> pl.Expr:
    rating, scale = pl.col("rating_raw"), pl.col("scale")
    return pl.any_horizontal((scale == known.name) & ~rating.is_between(known.lowest, known.highest) for known in SCALES.values())


def _unlike(kind: str, *given: str, absent: tuple[str, ...] = ()) -> pl.Expr:
    lacking = pl.any_horizontal([pl.col(name).is_null() for name in given] + [pl.col(name).is_not_null() for name in absent])
    return (pl.col("kind") == kind) & lacking


_BETWEEN_COLUMNS: Final[dict[str, tuple[tuple[set[str], RowRule], ...]]] = {
    "ratings": (
        (
            {"rating_raw", "scale"},
            RowRule("rating_raw", f"a rating within the row's scale ({' or '.join(SCALES)})", _off_scale()),
        ),
        (
            {"rated_at", "time_precision"},
            RowRule(
                "time_precision",
                "unknown where rated_at is null, datetime or date where it is given",
                pl.col("rated_at").is_null() != (pl.col("time_precision") == "unknown"),
            ),
        ),
    ),
    "bottles": (
        (
            {"window_from", "window_to"},
            RowRule("window_to", "a year not before window_from", pl.col("window_to") < pl.col("window_from")),
        ),
        (
            {"state", "consumed_at", "consumed_how"},
            RowRule(
                "state",
                "consumed where consumed_at or consumed_how is given",
                (pl.col("state") != "consumed") & (pl.col("consumed_at").is_not_null() | pl.col("consumed_how").is_not_null()),
            ),
        ),
    ),
    "storage": (
        (
            {"kind", "mean_c", "amplitude_c", "at", "temperature_c"},
            RowRule(
                "kind",
                "constant with mean_c alone, seasonal with mean_c and amplitude_c alone, or trace with at and temperature_c alone",
                _unlike("constant", "mean_c", absent=("amplitude_c", "at", "temperature_c"))
                | _unlike("seasonal", "mean_c", "amplitude_c", absent=("at", "temperature_c"))
                | _unlike("trace", "at", "temperature_c", absent=("mean_c", "amplitude_c")),
            ),
        ),
    ),
    "windows": (
        ({"start", "end"}, RowRule("end", "a year not before start", pl.col("end") < pl.col("start"))),
        ({"start", "end"}, RowRule("start", "a year, here or in end", pl.col("start").is_null() & pl.col("end").is_null())),
    ),
}  # fmt: skip

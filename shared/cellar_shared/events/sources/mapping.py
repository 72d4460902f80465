"""A `map.yml`: which files and columns of somebody's own tables become which of cellar's; the source `tables` follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cellar_shared.errors import BadInput
from cellar_shared.events.scales import scale_named
from cellar_shared.events.sources.casts import UNIX, Manner
from cellar_shared.events.sources.delimited import Form
from cellar_shared.events.sources.yaml_places import Place, read_places
from cellar_shared.events.tables import published_tables, schema_of

KINDS: Final = ("text", "number", "int", "bool", "timestamp", "date", "list")
COLUMN_KEYS: Final = ("from", "constant", "values", "as", "format", "zone", "split")
FILLED_IN: Final = {"ratings": ("scale", "like", "time_precision", "defective")}
"""Columns that a row needs and a map need not name, beside `source`."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How one column is made: out of one source column, an id out of several, or a constant; then `values`, then the kind."""

    name: str
    kind: str
    required: bool
    sources: tuple[str, ...]
    is_derived: bool
    constant: str | None
    values: dict[str, str | None]
    manner: Manner
    day_only: bool
    place: Place

    @property
    def called(self) -> str:
        """What the source calls the column."""
        return " + ".join(self.sources) or "constant"


@dataclass(frozen=True, slots=True)
class TableMap:
    """One table: the files it is read from, how they are written, its columns, and from which rating a like is one."""

    table: str
    files: tuple[str, ...]
    form: Form | None
    columns: tuple[ColumnMap, ...]
    like_from: float | None
    place: Place

    def column(self, name: str) -> ColumnMap | None:
        """The map of a column, if it has one."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class SourceMap:
    """A whole map: whose ids, the rating scale, what rows give as their source, the tables."""

    namespace: str
    scale: str
    source: str
    tables: tuple[TableMap, ...]


def read_map(file: Path) -> SourceMap:
    """The map in `file`; BadInput names line and key of what cannot be followed."""
    root = read_places(file)
    keys = root.mapping(("namespace", "scale", "source", "csv", "time_zone", "tables"))
    for needed in ("namespace", "scale", "tables"):
        if needed not in keys:
            raise root.refuse(f"no {needed}", {"namespace": "whose ids these are, such as my-shop"}.get(needed, f"the key {needed}"))
    scale = keys["scale"].text()
    try:
        scale_named(scale)
    except BadInput as error:
        raise BadInput(f"{file}, line {keys['scale'].line}, scale: {error}") from None
    namespace = keys["namespace"].text()
    written = _Written(*_form(keys.get("csv"), _Written()), _zone(keys.get("time_zone"), "UTC"))
    tables = keys["tables"].mapping([table for table in published_tables() if not table.startswith("night/")])
    if not tables:
        raise keys["tables"].refuse("no table", "at least one")
    source = keys["source"].text() if "source" in keys else namespace
    return SourceMap(namespace, scale, source, tuple(_table(name, place, written) for name, place in tables.items()))


@dataclass(frozen=True, slots=True)
class _Written:
    """How texts are written where nothing nearer says otherwise; no form: a file's ending tells the delimiter."""

    form: Form | None = None
    decimal_comma: bool = False
    zone: str = "UTC"


def _form(place: Place | None, otherwise: _Written) -> tuple[Form | None, bool]:
    if place is None:
        return otherwise.form, otherwise.decimal_comma
    keys = place.mapping(("delimiter", "encoding", "decimal_comma"))
    comma = keys["decimal_comma"].truth() if "decimal_comma" in keys else otherwise.decimal_comma
    said = {name: keys[name].text() for name in ("delimiter", "encoding") if name in keys}
    if said.get("delimiter") in ("tab", "\\t"):
        said["delimiter"] = "\t"
    try:
        return (replace(otherwise.form or Form(), **said) if said else otherwise.form), comma
    except ValueError as error:
        raise BadInput(f"{place.file}, line {place.line}, {place.key}: {error}") from None


def _zone(place: Place | None, otherwise: str) -> str:
    if place is None:
        return otherwise
    try:
        ZoneInfo(place.text())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise place.refuse(repr(place.value), "a time zone such as Europe/Paris or UTC") from None
    return place.text()


def _table(table: str, place: Place, written: _Written) -> TableMap:
    known = ("files", "csv", "time_zone", "columns", *(("like_from",) if table == "ratings" else ()))
    keys = place.mapping(known)
    for needed in ("files", "columns"):
        if needed not in keys:
            raise place.refuse(f"no {needed}", "files (a name or a pattern such as ratings-*.csv) and columns")
    form, comma = _form(keys.get("csv"), written)
    near = _Written(form, comma, _zone(keys.get("time_zone"), written.zone))
    schema = schema_of(table)
    columns = tuple(_column(name, at, schema, near) for name, at in keys["columns"].mapping().items())
    if not any(column.sources for column in columns):
        raise keys["columns"].refuse("no column of the files", "at least one")
    named = {column.name for column in columns}
    for name in schema["required"]:
        may_lack = "null" in schema["properties"][name]["type"] or name == "source" or name in FILLED_IN.get(table, ())
        if name not in named and not may_lack:
            advice = f", or {name}: {{from: [COLUMN, ...]}} to derive one" if name in schema["x-key"] else ""
            raise keys["columns"].refuse(f"no {name}", f"it, since every row needs one{advice}")
    like_from = keys["like_from"].number() if "like_from" in keys else None
    return TableMap(table, tuple(keys["files"].texts()), form, columns, like_from, place)


def _column(name: str, place: Place, schema: dict[str, Any], near: _Written) -> ColumnMap:
    rule = schema["properties"].get(name)
    keys = (
        {"from": place} if isinstance(place.value, str) else place.mapping(("from", "constant", "values", "as", "format", "zone", "split"))
    )
    kind = _kind(name, place, keys.get("as"), rule)
    if ("from" in keys) == ("constant" in keys):
        raise place.refuse("both from and constant" if "from" in keys else "neither from nor constant", "one of them")
    if "constant" in keys and "values" in keys:
        raise keys["values"].refuse("values of a constant", "the value itself as the constant")
    for only, kinds in (("split", ("list",)), ("format", ("timestamp", "date")), ("zone", ("timestamp", "date"))):
        if only in keys and kind not in kinds:
            raise keys[only].refuse(f"{only} of a {kind}", f"it for a {' or '.join(kinds)} alone")
    is_derived = "from" in keys and isinstance(keys["from"].value, list)
    if is_derived and kind != "text":
        raise keys["from"].refuse("several columns", f"one, since {name} is no id")
    return ColumnMap(
        name=name,
        kind=kind,
        required=bool(rule) and "null" not in rule["type"],
        sources=tuple(keys["from"].texts()) if "from" in keys else (),
        is_derived=is_derived,
        constant=keys["constant"].text_or_none() if "constant" in keys else None,
        values={word: value.text_or_none() for word, value in keys["values"].mapping().items()} if "values" in keys else {},
        manner=Manner(near.decimal_comma, _format(keys.get("format")), _zone(keys.get("zone"), near.zone), _split(keys.get("split"))),
        day_only="as" in keys and keys["as"].value == "date" and bool(rule) and rule.get("format") == "date-time",
        place=place,
    )


def _kind(name: str, place: Place, said: Place | None, rule: dict[str, Any] | None) -> str:
    if said is not None and said.text() not in KINDS:
        raise said.refuse(repr(said.value), f"one of {', '.join(KINDS)}")
    if rule is None:
        if said is None:
            raise place.refuse("a column that the table does not have", f"`as` with one of {', '.join(KINDS)}, to add it")
        return said.text()
    kind = next(_kinds_of(rule))
    if said is not None and said.text() not in _kinds_of(rule):
        raise said.refuse(repr(said.value), f"{' or '.join(_kinds_of(rule))}: {name} is one")
    return kind


def _kinds_of(rule: dict[str, Any]) -> Iterator[str]:
    """The column's own kind, then what else `as` may say of it: of a moment, that only its day counts."""
    if "format" in rule:
        yield from {"date-time": ("timestamp", "date"), "date": ("date",)}[rule["format"]]
        return
    types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    yield {"string": "text", "number": "number", "integer": "int", "boolean": "bool", "array": "list"}[
        next(kind for kind in types if kind != "null")
    ]


def _format(place: Place | None) -> str | None:
    if place is None:
        return None
    if place.text() not in UNIX and "%" not in place.text():
        raise place.refuse(repr(place.value), f"a format such as %d.%m.%Y %H:%M:%S, or one of {', '.join(UNIX)}")
    return place.text()


def _split(place: Place | None) -> str | None:
    if place is not None and not place.text():
        raise place.refuse("an empty text", "what stands between two entries")
    return place.text() if place else None

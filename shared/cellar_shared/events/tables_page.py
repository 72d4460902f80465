"""Writes the page about the tables (docs/tables.md) out of their published schemas; `cellar data schema` prints it."""

from __future__ import annotations

from typing import Any

from cellar_shared.events.tables import published_tables, schema_of

_TYPES = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false", "array": "list of texts"}
_FORMATS = {"date-time": "moment", "date": "day"}
_HEAD = """\
# The tables

<!-- Written by `cellar data schema > docs/tables.md` out of the published schemas; change those, not this page. -->

A data folder holds one folder of Parquet files per table and `data.json`, which names the files that count. Every table has a
JSON Schema of one row: `cellar data schema TABLE` prints it, `cellar data check DATA` holds a folder to it.

Moments are UTC, in microseconds. Ids are the source's own, as text. A column in **bold** belongs to the key: no two rows share the
whole key. "Or null" says that a value may be unknown; a column that may be left out altogether is marked so. A file may have
columns beyond these.

The tables under `night/` are what a night of scoring writes; the others are what it, and everything else, reads.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *(_section(schema_of(table)) for table in published_tables())])


def _section(schema: dict[str, Any]) -> str:
    lines = [f"## {schema['title']}", "", _text(schema["description"]), "", "| column | type | meaning |", "|---|---|---|"]
    for name, rule in schema["properties"].items():
        shown = f"**{name}**" if name in schema["x-key"] else name
        lines.append(f"| {shown} | {_type(rule, name in schema['required'])} | {_meaning(rule)} |")
    if time := schema.get("x-time"):
        lines += ["", f"An increment (`--since`) goes by `{time}`."]
    return "\n".join([*lines, ""])


def _type(rule: dict[str, Any], required: bool) -> str:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    shown = _FORMATS.get(rule.get("format", ""), _TYPES[kind])
    if values := rule.get("enum"):
        shown = " / ".join(f"`{value}`" for value in values if value is not None)
    return shown + _range(rule) + (" or null" if "null" in kinds else "") + ("" if required else "; may be left out")


def _range(rule: dict[str, Any]) -> str:
    least, above, most = (rule.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f", {least} to {most}"
    parts = [f"above {above}" if above is not None else "", f"from {least}" if least is not None else "", f"to {most}" if most else ""]
    return "".join(f", {part}" for part in parts if part)


def _meaning(rule: dict[str, Any]) -> str:
    shown = _text(rule["description"])
    if refers := rule.get("x-refers"):
        table, _, column = refers.partition(".")
        shown += f" Must stand in `{table}` as `{column}`."
    return shown


def _text(description: str) -> str:
    return description.replace("|", "\\|").replace(" * ", " \\* ").replace("<", "&lt;")

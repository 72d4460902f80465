"""The page about the tables is what the published schemas say."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellar_shared.events.tables import published_tables, schema_of
from cellar_shared.events.tables_page import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tables.md"


def test_the_page_is_what_the_schemas_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it again: cellar data schema > docs/tables.md"


@pytest.mark.parametrize("table", published_tables())
def test_every_column_of_a_table_has_its_line(table: str) -> None:
    section = page().split(f"\n## {table}\n")[1].split("\n## ")[0]
    columns = [line.split(" | ")[0].removeprefix("| ").strip("*") for line in section.splitlines() if line.startswith("| ")][1:]
    assert columns == list(schema_of(table)["properties"])

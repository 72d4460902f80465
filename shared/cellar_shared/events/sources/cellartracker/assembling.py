"""An export while it is put together: its files' rows become wines, bottles and tastings, and those rows of cellar's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import datetime_of
from cellar_shared.events.sources.cellartracker.bottles import OF_TABLE, Bottle
from cellar_shared.events.sources.cellartracker.files import Row, TableFile
from cellar_shared.events.sources.cellartracker.kinds import KINDS, READ, key_of
from cellar_shared.events.sources.cellartracker.merging import Cellar
from cellar_shared.events.sources.cellartracker.tastings import (
    SOURCE,
    end_of,
    liked_row,
    note_row,
    own_score_in,
    rating_row,
    score_row,
    tasting_in,
    uses_likes,
)
from cellar_shared.events.sources.cellartracker.texts import Manner, manner_of
from cellar_shared.events.sources.cellartracker.wines import PREFIX, Refused, Wine, WineIds, facts_in, windows_in, without_producer
from cellar_shared.events.sources.intake import Reading
from cellar_shared.events.sources.refusals import LINE, Refusal, Refusals
from cellar_shared.events.tables import dtypes_of, schema_of

ROWS_OF_A_PAGE: Final = 25  # what the site's own pages export where nobody asks for more
_NUMBERS: Final = ("Price", "NativePrice", "Valuation", "Value", "BottleCost", "MY", "CT", "PScore", "CScore", "Rating")
_DAYS: Final = ("PurchaseDate", "DeliveryDate", "ConsumptionDate", "Consumed", "TastingDate", "BeginConsume", "EndConsume")
_TABLES: Final = ("wines", "bottles", "ratings", "notes", "outcomes")
_IDS: Final = {"Bottles": "Barcode", "Inventory": "Barcode", "Consumed": "iConsumed", "Notes": "iNote"}
_CALLED: Final = {
    "wine_id": "iWine", "name": "Wine", "vintage": "Vintage", "bottle_id": "Barcode", "size_ml": "Size", "acquired_at": "PurchaseDate",
    "consumed_at": "Consumed", "window_from": "BeginConsume", "window_to": "EndConsume", "rating_raw": "Rating", "rated_at": "TastingDate",
}  # fmt: skip


class FileReport(msgspec.Struct):
    """What became of one file's rows: `kept` gave a row of their own to some table, `merged` told of what another row had given."""

    file: str
    table: str
    encoding: str
    rows: int
    kept: int
    merged: int
    refused: int


@dataclass(slots=True)
class Export:
    """An export while it is put together."""

    member: str
    now: int
    refuse: Callable[[Refusal], None]
    files: list[TableFile] = field(default_factory=list)
    wines: dict[str, Wine] = field(default_factory=dict)
    bottles: list[tuple[Bottle, int, int]] = field(default_factory=list)
    rows: dict[str, list[tuple[int, int, dict[str, Any]]]] = field(default_factory=lambda: {table: [] for table in _TABLES})
    scores: dict[str, tuple[int, int, float, bool]] = field(default_factory=dict)

    def take(self, files: Sequence[TableFile]) -> None:
        """Put the files together, in the order of precedence; rows that cannot be taken go to `refuse`."""
        order = [kind.name for kind in KINDS]
        self.files = sorted(files, key=lambda file: order.index(file.kind.name))
        ids = WineIds(self.files)
        cellar = Cellar()
        for number, file in enumerate(self.files):
            if file.kind.is_read:
                self._take_file(number, file, ids, cellar)
        self._finish()

    def _take_file(self, number: int, file: TableFile, ids: WineIds, cellar: Cellar) -> None:
        manner = manner_of(
            (row[name] or "" for name in _NUMBERS for row in file.rows), (row[name] or "" for name in _DAYS for row in file.rows)
        )
        by_likes = uses_likes(file)
        seen: dict[str, int] = {}
        claims: list[tuple[Row, Bottle]] = []
        good: list[Row] = []
        for row in file.rows:
            try:
                self._require_own_id(row, file, seen)
                wine_id = ids.of(row)
                made = OF_TABLE[file.kind.name](row, wine_id, manner) if file.kind.name in OF_TABLE else []
                self._require_past(row, made)
                facts, windows, score = facts_in(row, manner), windows_in(row, manner), own_score_in(row, manner, by_likes)
                if file.kind.name == "Notes":
                    self._take_tasting(number, row, wine_id, facts, manner, by_likes)
            except Refused as fault:
                self.refuse(
                    Refusal(file.path.name, row.line, file.columns.get(key_of(fault.column), fault.column), fault.found, fault.expected)
                )
                file.refused += 1
                continue
            good.append(row)
            wine = self._wine(wine_id, facts, number, row.line)
            wine.windows += windows
            if score is not None:
                self.scores.setdefault(wine_id, (number, row.line, *score))
            claims += [(row, bottle) for bottle in made]
        file.rows = good
        if claims:
            own = cellar.settle(file.kind.name, number, [bottle for _, bottle in claims])
            self.bottles += [(bottle, number, row.line) for (row, bottle), is_own in zip(claims, own, strict=True) if is_own]

    def _wine(self, wine_id: str, facts: dict[str, Any], number: int, line: int) -> Wine:
        wine = self.wines.get(wine_id)
        if wine is None:
            wine = self.wines[wine_id] = Wine({"wine_id": wine_id, "source": SOURCE})
            self.rows["wines"].append((number, line, wine.facts))
        wine.learn(facts)
        return wine

    def _take_tasting(self, number: int, row: Row, wine_id: str, facts: dict[str, Any], manner: Manner, by_likes: bool) -> None:
        tasting = tasting_in(row, manner)
        self._require_been("TastingDate", tasting.tasted_on)
        of = {"member_id": self.member, "wine_id": wine_id, "vintage": facts["vintage"]}
        made = {
            "ratings": rating_row(tasting, by_likes, **of),
            "notes": note_row(tasting.note_id, tasting.text, tasting.tasted_on, **of),
            "outcomes": liked_row(tasting, by_likes, **of),
        }
        for table, each in made.items():
            if each:
                self.rows[table].append((number, row.line, each))

    def _require_own_id(self, row: Row, file: TableFile, seen: dict[str, int]) -> None:
        column = _IDS.get(file.kind.name)
        cell = (row[column] or "").strip() if column else ""
        if cell and seen.setdefault(cell, row.line) != row.line:
            raise Refused(column or "", cell, f"an id of its own (line {seen[cell]} has it too)")

    def _require_past(self, row: Row, made: Sequence[Bottle]) -> None:
        for bottle in made:
            self._require_been("ConsumptionDate" if row["ConsumptionDate"] is not None else "Consumed", bottle.consumed_at)

    def _require_been(self, column: str, day: date | None) -> None:
        today = datetime_of(self.now).date()
        if day and day > today + timedelta(days=1):
            raise Refused(column, day.isoformat(), f"a day that has been (it is {today.isoformat()})")

    def _finish(self) -> None:
        """Rows of bottles, of what was drunk and of scores beside wines, when everything has been read."""
        for wine in self.wines.values():
            wine.facts["name"] = without_producer(wine.facts["name"], wine.facts.get("producer"))
        ranks: dict[str, int] = {}
        for bottle, number, line in self.bottles:
            wine = self.wines[bottle.wine_id]
            of = {"member_id": self.member, "wine_id": bottle.wine_id, "vintage": wine.facts.get("vintage")}
            bottle_id = self._bottle_id(bottle, ranks)
            window = wine.window
            self.rows["bottles"].append((number, line, {
                "bottle_id": bottle_id, **of, "size_ml": bottle.size_ml, "state": bottle.state, "acquired_at": bottle.acquired_at,
                "storage_id": None, "location": bottle.location, "bin": bottle.bin, "consumed_at": bottle.consumed_at,
                "consumed_how": bottle.consumed_how, "window_from": window.first, "window_to": window.last, "window_source": window.source,
                "price": bottle.price, "value": bottle.value, "currency": bottle.currency,
            }))  # fmt: skip
            if note := note_row(f"{bottle_id}:said", bottle.said, bottle.consumed_at, **of):
                self.rows["notes"].append((number, line, note))
            if when := end_of(bottle.consumed_at):
                # When the member told the site is not exported: it is taken as known on the day itself.
                kind = "opened" if bottle.consumed_how == "drunk" else bottle.consumed_how or "other"
                self.rows["outcomes"].append((number, line, {
                    "outcome_id": f"{bottle_id}:gone", "request_id": None, **of, "bottle_id": bottle_id, "kind": kind, "value": 1.0,
                    "occurred_at": when, "recorded_at": when,
                }))  # fmt: skip
        rated = {row["wine_id"] for *_, row in self.rows["ratings"]}
        for wine_id, (number, line, score, like) in self.scores.items():
            if wine_id not in rated:
                of = {"member_id": self.member, "wine_id": wine_id, "vintage": self.wines[wine_id].facts.get("vintage")}
                self.rows["ratings"].append((number, line, score_row(score, like, **of)))

    def _bottle_id(self, bottle: Bottle, ranks: dict[str, int]) -> str:
        """By the site's own numbers; a bottle without one by its lot and its rank in it."""
        if bottle.barcode:
            return f"{PREFIX}b{bottle.barcode}"
        if bottle.consumed_id:
            return f"{PREFIX}c{bottle.consumed_id}"
        lot = "\x1f".join(map(str, (self.member, bottle.wine_id, bottle.size_ml, bottle.bought_at)))
        ranks[lot] = ranks.get(lot, 0) + 1
        return f"{PREFIX}h{blake2b(lot.encode(), digest_size=8).hexdigest()}-{ranks[lot]}"

    def readings(self, refused: Sequence[Refusal]) -> list[Reading]:
        """What the intake takes: a reading for each table and file, the first of which tells it what was refused before."""
        told = list(refused)
        made = []
        for table in _TABLES:
            for number, file in enumerate(self.files):
                rows = [(line, row) for at, line, row in self.rows[table] if at == number]
                if rows:
                    made.append(Reading(table, file.path, _CALLED, self._batches(table, rows, told)))
        if not made:
            raise BadInput(f"{', '.join(file.path.name for file in self.files)}: no row can be taken; expected rows of {READ}")
        return made

    @staticmethod
    def _batches(table: str, rows: list[tuple[int, dict[str, Any]]], told: list[Refusal]) -> Callable[[Refusals], Iterator[pl.DataFrame]]:
        columns = dtypes_of(table)
        dtypes = {
            name: dtype for name, dtype in columns.items() if name in schema_of(table)["required"] or any(name in row for _, row in rows)
        }

        def read(refusals: Refusals) -> Iterator[pl.DataFrame]:
            while told:
                refusals.add(told.pop(0))
            cells = [(line, *(row.get(name) for name in dtypes)) for line, row in rows]
            yield pl.DataFrame(cells, schema={LINE: pl.Int64(), **dtypes}, orient="row")

        return read

    def reports(self) -> list[FileReport]:
        """What became of each file's rows; kept, merged and refused are all of them."""
        kept: dict[int, set[int]] = {}
        for rows in self.rows.values():
            for number, line, _ in rows:
                kept.setdefault(number, set()).add(line)
        return [
            FileReport(
                file.path.name, file.kind.name, file.encoding, len(file.rows) + file.refused, len(kept.get(number, ())),
                len(file.rows) - len(kept.get(number, ())), file.refused,
            )
            for number, file in enumerate(self.files)
        ]  # fmt: skip

    def warnings(self) -> list[str]:
        """What the member should know of the export, in sentences."""
        said = [f"{file.path.name}: table {file.kind.name} says nothing of bottles, ratings or notes and was read past"
                for file in self.files if not file.kind.is_read]  # fmt: skip
        said += [
            f"{file.path.name} has just {ROWS_OF_A_PAGE} rows, as many as the site's pages show: was it the whole list?"
            for file in self.files
            if file.kind.name == "List" and len(file.rows) + file.refused == ROWS_OF_A_PAGE
        ]
        return said

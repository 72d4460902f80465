"""Makes exports: tables with the documented headers, in the site's encodings, for tests to bend."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.cellartracker.importing import ImportReport, import_cellartracker
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.tables import DataFolder

NOW = moment_of(datetime(2024, 2, 29, 12, tzinfo=UTC))
PLACES = ("Country", "Region", "SubRegion", "Appellation")
HEADERS = {
    "List": "iWine,WineBarcode,Quantity,Pending,Location,Bin,Size,Price,Valuation,Currency,Vintage,Wine,Locale,Country,Region,SubRegion,"
    "Appellation,Producer,Type,Varietal,MasterVarietal,Designation,Vineyard,WA,CT,MY,BeginConsume,EndConsume,UPC",
    "Page": "Color,Category,Size,Currency,Value,Price,TotalQuantity,Quantity,Pending,Vintage,Wine,Locale,Producer,Varietal,Country,Region,"
    "SubRegion,BeginConsume,EndConsume,PScore,CScore,LikeIt,WindowSource",
    "Inventory": "iWine,Barcode,Location,Bin,Size,Currency,ExchangeRate,Valuation,Price,StoreName,PurchaseDate,BottleNote,Vintage,Wine,"
    "Locale,Country,Region,SubRegion,Appellation,Producer,Type,Color,Category,Varietal,MasterVarietal,WA,CT,CNotes,MY,PNotes,BeginConsume,"
    "EndConsume",
    "Bottles": "BottleState,Barcode,iWine,Vintage,Wine,Locale,Quantity,BottleSize,Location,Bin,Store,PurchaseDate,DeliveryDate,BottleCost,"
    "BottleCostCurrency,BottleNote,PurchaseNote,ConsumptionDate,ConsumptionType,ShortType,ConsumptionNote",
    "Consumed": "iConsumed,iWine,Type,Consumed,ConsumedYear,ConsumedMonth,Size,ShortType,Currency,Value,Price,iNote,ConsumptionNote,"
    "Location,Bin,Vintage,Wine,Locale,Color,Category,Varietal,Country,Region,SubRegion,Appellation",
    "Purchase": "iWine,iPurchase,PurchaseDate,DeliveryDate,StoreName,Currency,Price,Quantity,Remaining,OrderNumber,Delivered,Size,Vintage,"
    "Wine,Locale,Type,Color,Category,Producer,Varietal,Country,Region,SubRegion,Appellation",
    "Notes": "iNote,iWine,Type,iUser,Vintage,Wine,Locale,Producer,Varietal,Country,Region,SubRegion,Appellation,Color,TastingDate,"
    "Defective,Rating,TastingNotes,fLikeIt,CScore",
    "Availability": "iWine,Type,Color,Category,Available,Linear,Bell,Early,Late,Fast,TwinPeak,Simple,Pending,LocalQuantity,Consumed,"
    "Inventory,Vintage,Wine,Locale,Producer,Varietal,Country,Region,SubRegion,Appellation,PersonalBegin,PersonalEnd,WABegin,WAEnd,ComBegin,"
    "ComEnd,BeginConsume,EndConsume,Source,PNotes,PScore,CScore",
}
HEADERS["Pending"] = HEADERS["Purchase"]
WINE = {
    "iWine": "7", "Vintage": "2010", "Wine": "Weingut Prüfer Riesling Kabinett", "Locale": "Germany, Mosel", "Country": "Germany",
    "Region": "Mosel", "SubRegion": "Unknown", "Appellation": "Unknown", "Producer": "Weingut Prüfer", "Type": "White - Off-dry",
    "Color": "White", "Category": "Off-dry", "Varietal": "Riesling", "Size": "750ml", "BottleSize": "750ml",
}  # fmt: skip

Export = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder where exports are written and imported."""

    folder: Path

    def write(self, name: str, table: str, *rows: Mapping[str, Any], encoding: str = "cp1252", separator: str = "\t") -> Path:
        """Write a table of rows of WINE with what differs; the file's name says nothing of the table."""
        header = HEADERS[table].split(",")
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=separator, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows([str((WINE | row).get(column, "")) for column in header] for row in rows)
        file = self.folder / name
        file.write_bytes(stream.getvalue().encode(encoding))
        return file

    def take(self, *sources: Path, out: str = "data", member: str = "me", **terms: Any) -> ImportReport:
        """Import the sources, or all that lies in the folder's exports, into `out`."""
        return import_cellartracker(sources, self.folder / out, Terms(NOW, **terms), member=member, progress=lambda _w, _c: None)

    def rows(self, table: str, out: str = "data") -> list[dict[str, Any]]:
        """The rows of a table that was written; none where it was not."""
        data = DataFolder.open(self.folder / out)
        return data.scan(table).collect().to_dicts() if table in data.manifest.tables else []


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty desk."""
    return Desk(tmp_path)


@pytest.fixture
def ways_to_break() -> Mapping[str, Callable[[bytes], bytes]]:
    """What happens to a tab-separated file in UTF-8 on its way, by what a person would call it."""

    def without_last_column_of_last_row(raw: bytes) -> bytes:
        lines = raw.decode().rstrip("\n").split("\n")
        return "\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2]]).encode()

    return {
        "cut in mid-row": without_last_column_of_last_row,
        "in an old Mac's encoding": lambda raw: raw.decode().encode("mac-roman"),
        "in a DOS encoding": lambda raw: raw.decode().encode("cp437", "replace"),
        "decoded twice": lambda raw: raw.decode().encode().decode("cp1252", "replace").encode(),
        "in UTF-16 without its mark": lambda raw: raw.decode().encode("utf-16-le"),
        "a web page": lambda raw: b"<html><body>You are currently not logged into CellarTracker.</body></html>",
        "empty": lambda raw: b"",
        "without its header": lambda raw: raw.split(b"\n", 1)[1],
    }

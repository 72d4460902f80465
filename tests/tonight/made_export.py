"""Makes an export of a cellar of any size, in the site's headers and encoding; `python tests/tonight/made_export.py FOLDER` writes one.

Everything in it is made up: estates of syllables, wines of the classic places, windows around what critics give such wines. A tenth
of the wines have a window of one side or none.
"""

from __future__ import annotations

import argparse
import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

# Type, country, region, subregion, variety, from and to in years after the vintage, price of a bottle.
STYLES = (
    ("Red", "France", "Bordeaux", "Pauillac", "Red Bordeaux Blend", 8, 25, 70),
    ("Red", "France", "Burgundy", "Volnay", "Pinot Noir", 5, 15, 55),
    ("White", "France", "Burgundy", "Meursault", "Chardonnay", 3, 10, 60),
    ("White - Sparkling", "France", "Champagne", "Champagne", "Champagne Blend", 1, 9, 45),
    ("White - Sweet/Dessert", "France", "Bordeaux", "Sauternes", "Sémillon-Sauvignon Blanc Blend", 8, 35, 60),
    ("Red", "France", "Rhône", "Châteauneuf-du-Pape", "Red Rhone Blend", 5, 18, 40),
    ("Red", "Italy", "Piedmont", "Barolo", "Nebbiolo", 8, 22, 55),
    ("Red", "Italy", "Tuscany", "Chianti Classico", "Sangiovese", 4, 13, 25),
    ("White - Off-dry", "Germany", "Mosel", "Mosel", "Riesling", 4, 20, 20),
    ("Red", "Spain", "La Rioja", "Rioja", "Tempranillo", 5, 17, 25),
    ("Red - Fortified", "Portugal", "Douro", "Porto", "Port Blend", 15, 45, 60),
    ("Rosé", "France", "Provence", "Bandol", "Rosé Blend", 1, 4, 20),
    ("White", "Austria", "Niederösterreich", "Wachau", "Grüner Veltliner", 2, 9, 25),
    ("Red", "USA", "California", "Napa Valley", "Cabernet Sauvignon", 6, 18, 80),
)  # fmt: skip
SYLLABLES = ("bel", "cor", "dru", "fel", "gar", "lo", "mar", "nes", "or", "pel", "ran", "sil", "tes", "ur", "val", "ver")
HOUSES = {"France": "Domaine", "Italy": "Cantina", "Germany": "Weingut", "Austria": "Weingut", "Spain": "Bodegas", "Portugal": "Quinta",
          "USA": "Estate"}  # fmt: skip
LOCATIONS = ("Cellar", "Cellar", "Cellar", "Kitchen rack", "Offsite")
HEADERS = {
    "inventory": "iWine,Barcode,Location,Bin,Size,Currency,ExchangeRate,Valuation,Price,StoreName,PurchaseDate,BottleNote,Vintage,Wine,"
    "Locale,Country,Region,SubRegion,Appellation,Producer,Type,Color,Category,Varietal,MasterVarietal,CT,CNotes,MY,PNotes,BeginConsume,"
    "EndConsume",
    "notes": "iNote,iWine,Type,iUser,Vintage,Wine,Locale,Producer,Varietal,Country,Region,SubRegion,Appellation,Color,TastingDate,"
    "Defective,Rating,TastingNotes,fLikeIt,CScore",
}


def made_export(folder: Path, bottles: int = 1000, seed: int = 7, today: date = date(2026, 11, 25)) -> None:
    """Write Inventory and Notes of a cellar of `bottles` bottles into the folder: windows-1252, tab-separated."""
    rng = np.random.default_rng(seed)
    stock: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    number = 1000
    while len(stock) < bottles:
        number += int(rng.integers(1, 400))
        wine = _wine(rng, number, today)
        stock += _bottles(rng, wine, len(stock), min(int(rng.choice([1, 1, 2, 2, 3, 6, 12])), bottles - len(stock)), today)
        if rng.random() < 0.35:
            notes.append(_note(rng, wine, len(notes), today))
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "inventory.tsv", HEADERS["inventory"], stock)
    _write(folder / "notes.tsv", HEADERS["notes"], notes)


def _wine(rng: np.random.Generator, number: int, today: date) -> dict[str, Any]:
    kind, country, region, place, variety, first, last, price = STYLES[int(rng.integers(len(STYLES)))]
    estate = f"{HOUSES[country]} {''.join(rng.choice(SYLLABLES, 3)).capitalize()}"
    oldest = min(last + 2, 25)
    vintage = today.year - int(rng.integers(1, oldest + 1))
    begin, end = vintage + max(0, first + int(rng.integers(-1, 3))), vintage + last + int(rng.integers(-2, 4))
    said = rng.random()
    return {
        "iWine": number, "Vintage": 1001 if "Sparkling" in kind and rng.random() < 0.5 else vintage, "Wine": f"{estate} {place}",
        "Producer": estate, "Locale": f"{country}, {region}, {place}", "Country": country, "Region": region, "SubRegion": place,
        "Appellation": place, "Type": kind, "Color": kind.split(" ")[0], "Category": kind.partition(" - ")[2] or "Dry",
        "Varietal": variety, "MasterVarietal": variety, "Size": str(rng.choice(["750ml", "1.5L", "375ml"], p=[0.9, 0.06, 0.04])),
        "Currency": "EUR", "ExchangeRate": 1, "Price": round(price * float(rng.lognormal(0, 0.5)), 2),
        "Valuation": round(price * float(rng.lognormal(0.1, 0.5)), 2), "CT": f"{rng.normal(91, 2):.1f}" if rng.random() < 0.8 else "",
        "BeginConsume": 9999 if said < 0.08 else begin, "EndConsume": 9999 if said < 0.05 or 0.08 <= said < 0.11 else max(end, begin + 1),
    }  # fmt: skip


def _bottles(rng: np.random.Generator, wine: dict[str, Any], before: int, count: int, today: date) -> list[dict[str, Any]]:
    bought = today - timedelta(days=int(rng.integers(30, 3000)))
    where, bin_ = str(rng.choice(LOCATIONS)), f"{rng.choice(list('ABCDEFGH'))}{int(rng.integers(1, 13))}"
    purchased = f"{bought.month}/{bought.day}/{bought.year}"
    return [
        wine | {"Barcode": f"{10_000_000 + before + each:010d}", "Location": where, "Bin": bin_, "PurchaseDate": purchased}
        for each in range(count)
    ]


def _note(rng: np.random.Generator, wine: dict[str, Any], before: int, today: date) -> dict[str, Any]:
    tasted = today - timedelta(days=int(rng.integers(10, 1500)))
    return wine | {
        "iNote": 500_000 + before, "iUser": 1, "TastingDate": f"{tasted.month}/{tasted.day}/{tasted.year}", "Defective": "False",
        "Rating": int(np.clip(round(rng.normal(90, 3)), 75, 100)), "TastingNotes": "Opened an hour before.", "fLikeIt": "False",
    }  # fmt: skip


def _write(path: Path, header: str, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="cp1252", newline="") as stream:
        writer = csv.DictWriter(stream, header.split(","), extrasaction="ignore", restval="", delimiter="\t", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--bottles", type=int, default=1000)
    options.add_argument("--seed", type=int, default=7)
    asked = options.parse_args()
    made_export(asked.folder, asked.bottles, asked.seed)

"""Stands for your database's own export: `python export.py shop.sqlite` makes the views of views.sql and writes one CSV file each."""

import csv
import sqlite3
import sys
from pathlib import Path

shop = sqlite3.connect(sys.argv[1])
shop.executescript(Path("views.sql").read_text("utf-8"))
for (view,) in shop.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
    rows = shop.execute(f'SELECT * FROM "{view}"')  # noqa: S608
    with Path(f"{view}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([column[0] for column in rows.description])
        writer.writerows(rows)
shop.close()

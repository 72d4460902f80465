"""Makes up a small wine shop's database, so that the way from SQL to an answer can be tried: `python make_shop.py shop.sqlite`.

Every customer has a taste that the reviews follow; nobody in it is real. Equal runs give equal reviews. `--another-day` adds a
day of reviews to a shop that stands.
"""

import argparse
import random
import sqlite3
from datetime import UTC, datetime, timedelta

CUSTOMERS, PRODUCTS, REVIEWS, REVIEWS_A_DAY = 500, 120, 9_000, 40
OPENED = datetime(2022, 1, 1, tzinfo=UTC)
DAYS = 730
# grape: colour, country, region
GRAPES = {
    "Cabernet Sauvignon": ("red", "France", "Bordeaux"),
    "Merlot": ("red", "France", "Bordeaux"),
    "Sangiovese": ("red", "Italy", "Toscana"),
    "Nebbiolo": ("red", "Italy", "Piemonte"),
    "Tempranillo": ("red", "Spain", "Rioja"),
    "Riesling": ("white", "Germany", "Mosel"),
    "Silvaner": ("white", "Germany", "Franken"),
    "Sauvignon Blanc": ("white", "France", "Loire"),
    "Chardonnay": ("white", "France", "Bourgogne"),
    "Glera": ("sparkling", "Italy", "Veneto"),
}
SCHEMA = """
CREATE TABLE product (
    sku INTEGER PRIMARY KEY, title TEXT, winery TEXT, colour TEXT, country TEXT, region TEXT, grapes TEXT,
    strength REAL, price_cents INTEGER);
CREATE TABLE review (
    review_no INTEGER PRIMARY KEY, customer_no INTEGER, sku INTEGER, bottling TEXT, stars REAL, corked INTEGER,
    is_withdrawn INTEGER, written_at INTEGER);  -- seconds since 1970
"""


def products(draw):
    """Rows of table product."""
    for sku in range(1, PRODUCTS + 1):
        grape = draw.choice(list(GRAPES))
        colour, country, region = GRAPES[grape]
        second = draw.choice([other for other in GRAPES if GRAPES[other][0] == colour])
        grapes = grape if second == grape or draw.random() < 0.6 else f"{grape}, {second}"
        winery = f"{draw.choice(('Domaine', 'Cantina', 'Weingut'))} {draw.choice('ABCDEFGHKLMN')}{draw.randrange(1, 4)}"
        yield (
            sku, f"{draw.choice(('Classic', 'Terraces', 'Old Vines', 'Reserve'))} {grape}", winery, colour, country, region,
            grapes, draw.randrange(110, 150) / 10, draw.randrange(500, 6000, 50),
        )  # fmt: skip


def quality(sku):
    """How good everybody finds a wine, in stars around the middle."""
    return random.Random(f"wine {sku}").gauss(0, 0.5)


def taste(customer):
    """What a customer adds for a colour and a country, in stars."""
    draw = random.Random(f"customer {customer}")
    return {name: draw.gauss(0, 0.8) for name in ("red", "white", "sparkling", "France", "Italy", "Spain", "Germany")}


def reviews(draw, stock, first, count, since, days):
    """Rows of table review, in the order written."""
    moments = sorted(since + timedelta(seconds=draw.randrange(int(days * 86_400))) for _ in range(count))
    for number, moment in enumerate(moments, start=first):
        customer, product = draw.randrange(1, CUSTOMERS + 1), draw.choice(stock)
        likes = taste(customer)
        stars = 3.6 + quality(product[0]) + likes[product[3]] + likes[product[4]] + draw.gauss(0, 0.5)
        bottling = "NV" if product[3] == "sparkling" else str(draw.randrange(2015, 2021))
        yield (
            number, customer, product[0], bottling, min(5, max(1, round(stars * 2) / 2)),
            int(draw.random() < 0.01), int(draw.random() < 0.02), int(moment.timestamp()),
        )  # fmt: skip


def main():
    """Write the database that the arguments name."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("database")
    arguments.add_argument("--another-day", action="store_true")
    asked = arguments.parse_args()
    with sqlite3.connect(asked.database) as shop:
        put = "INSERT INTO review VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        if asked.another_day:
            stock = shop.execute("SELECT * FROM product").fetchall()
            last, at = shop.execute("SELECT max(review_no), max(written_at) FROM review").fetchone()
            midnight = datetime.fromtimestamp(at - at % 86_400, UTC) + timedelta(days=1)
            shop.executemany(put, reviews(random.Random(last), stock, last + 1, REVIEWS_A_DAY, midnight, 1))
        else:
            draw = random.Random(1)
            stock = list(products(draw))
            shop.executescript(SCHEMA)
            shop.executemany("INSERT INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", stock)
            shop.executemany(put, reviews(draw, stock, 1, REVIEWS, OPENED, DAYS))
    shop.close()


if __name__ == "__main__":
    main()

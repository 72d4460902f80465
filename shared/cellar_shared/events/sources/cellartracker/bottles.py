"""Which bottles the tables of an export speak of, each once: several tables describe the same ones; merging.py puts them together.

A row speaks of some bottles of one wine: a row of Bottles or Inventory of one, a purchase of all it brought, a row of List of what
is there. Every such claim finds a bottle that an earlier file told of, or is a bottle of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from cellar_shared.events.sources.cellartracker.files import Row
from cellar_shared.events.sources.cellartracker.texts import Manner, count_of, day_of, number_of, prose_of, size_of, text_of, truth_of
from cellar_shared.events.sources.cellartracker.wines import Refused, read

_STATES: Final = {"1": "stored", "0": "consumed", "-1": "pending"}
# Words of ConsumptionType and ShortType, the first that occurs counts: "Missing or presumed drunk" is lost.
_HOWS: Final = (
    ("missing", "lost"), ("lost", "lost"), ("broke", "lost"), ("stolen", "lost"), ("gift", "gifted"), ("gave", "gifted"), ("sold", "sold"),
    ("auction", "sold"), ("donat", "donated"), ("cork", "faulty"), ("spoil", "faulty"), ("fault", "faulty"), ("flaw", "faulty"),
    ("bad", "faulty"), ("undrinkable", "faulty"), ("return", "other"), ("drank", "drunk"), ("drunk", "drunk"), ("tast", "drunk"),
    ("restaurant", "drunk"), ("used", "drunk"),
)  # fmt: skip


@dataclass(slots=True)
class Bottle:
    """A bottle, or a row's claim to one. `told_by` is the table it was first told of by, `seen_in` the last file that spoke of it."""

    wine_id: str
    state: str
    told_by: str
    size_ml: int | None = None
    bought_at: date | None = None
    delivered_at: date | None = None
    location: str | None = None
    bin: str | None = None
    consumed_at: date | None = None
    consumed_how: str | None = None
    price: float | None = None
    value: float | None = None
    currency: str | None = None
    barcode: str | None = None
    consumed_id: str | None = None
    said: str | None = None
    in_inventory: bool = False
    seen_in: int = -1

    def absorb(self, claim: Bottle, moves: bool) -> None:
        """Take from a claim to the same bottle what is not known yet; `moves`: it has been consumed since."""
        if moves:
            self.state = claim.state
        takes_consumption = self.state == "consumed" and claim.state == "consumed"
        for name in _FACTS + (_OF_CONSUMPTION if takes_consumption else ()):
            if getattr(self, name) is None:
                setattr(self, name, getattr(claim, name))
        self.in_inventory |= claim.in_inventory

    @property
    def acquired_at(self) -> date | None:
        """The day on which it came, or was bought while it has not come."""
        return self.bought_at if self.state == "pending" else self.delivered_at or self.bought_at


_FACTS: Final = ("size_ml", "bought_at", "delivered_at", "location", "bin", "price", "value", "currency", "barcode", "said")
_OF_CONSUMPTION: Final = ("consumed_at", "consumed_how", "consumed_id")


def _lot(bottle: Bottle, count: int) -> list[Bottle]:
    return [replace(bottle) for _ in range(count)]


def of_bottles(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table Bottles."""
    state = _STATES.get(text_of(row["BottleState"]) or "")
    if state is None:
        raise Refused("BottleState", row["BottleState"] or "", "1 (in the cellar), 0 (consumed) or -1 (pending)")
    price = read(row, "BottleCost", number_of, manner) or None
    bottle = Bottle(
        wine_id, state, "Bottles", read(row, "BottleSize", size_of), read(row, "PurchaseDate", day_of, manner),
        read(row, "DeliveryDate", day_of, manner), price=price, currency=text_of(row["BottleCostCurrency"]) if price else None,
        barcode=text_of(row["Barcode"]), **_where(row),
    )  # fmt: skip
    if state == "consumed":
        bottle.consumed_at = read(row, "ConsumptionDate", day_of, manner)
        bottle.consumed_how = how_of(text_of(row["ConsumptionType"]) or text_of(row["ShortType"]))
        bottle.said = prose_of(row["ConsumptionNote"])
    count = read(row, "Quantity", count_of, manner)
    if bottle.barcode and count not in (None, 1):
        raise Refused("Quantity", row["Quantity"] or "", "1, since the row has a barcode")
    return _lot(bottle, 1 if count is None else count)


def of_inventory(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table Inventory: a bottle in the cellar, or one that is pending."""
    is_pending = "pending" in (text_of(row["Location"]) or "").casefold()
    return [
        Bottle(
            wine_id, "pending" if is_pending else "stored", "Inventory", read(row, "Size", size_of),
            read(row, "PurchaseDate", day_of, manner),
            barcode=text_of(row["Barcode"]), in_inventory=True,
            **_where(row), **_money(row, manner, "Valuation"),
        )
    ]  # fmt: skip


def of_consumed(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table Consumed: a bottle that went."""
    return [
        Bottle(
            wine_id, "consumed", "Consumed", read(row, "Size", size_of), consumed_at=read(row, "Consumed", day_of, manner),
            consumed_how=how_of(text_of(row["ShortType"])), consumed_id=text_of(row["iConsumed"]), said=prose_of(row["ConsumptionNote"]),
            **_where(row), **_money(row, manner, "Value"),
        )
    ]  # fmt: skip


def of_purchase(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table Purchase or Pending: what remains of it is here or awaited, the rest went at a time that it does not say."""
    quantity = read(row, "Quantity", count_of, manner) or 0
    remaining = read(row, "Remaining", count_of, manner)
    remaining = quantity if remaining is None else remaining
    if remaining > quantity:
        raise Refused("Remaining", row["Remaining"] or "", f"at most the Quantity ({quantity})")
    is_here = read(row, "Delivered", truth_of) is not False
    bottle = Bottle(
        wine_id, "stored" if is_here else "pending", "Purchase", read(row, "Size", size_of), read(row, "PurchaseDate", day_of, manner),
        read(row, "DeliveryDate", day_of, manner) if is_here else None, **_money(row, manner, None),
    )  # fmt: skip
    return _lot(bottle, remaining) + _lot(replace(bottle, state="consumed"), quantity - remaining)


def of_list(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table List, the site's own or the reports': how many are here, how many awaited."""
    here, awaited = read(row, "Quantity", count_of, manner) or 0, read(row, "Pending", count_of, manner) or 0
    value = "Valuation" if row["Valuation"] is not None else "Value"
    bottle = Bottle(wine_id, "stored", "List", read(row, "Size", size_of), **_where(row), **_money(row, manner, value))
    return _lot(bottle, here) + _lot(replace(bottle, state="pending", location=None, bin=None), awaited)


def of_availability(row: Row, wine_id: str, manner: Manner) -> list[Bottle]:
    """A row of table Availability: how many are here, awaited and gone, of sizes that it does not say."""
    states = {
        "stored": ("LocalQuantityActual", "LocalQuantity"),
        "pending": ("ActualPending", "Pending"),
        "consumed": ("ActualConsumed", "Consumed"),
    }
    claims: list[Bottle] = []
    for state, columns in states.items():
        column = next((each for each in columns if text_of(row[each])), columns[0])
        claims += _lot(Bottle(wine_id, state, "Availability"), read(row, column, count_of, manner) or 0)
    return claims


OF_TABLE: Final[dict[str, Callable[[Row, str, Manner], list[Bottle]]]] = {
    "Bottles": of_bottles, "Inventory": of_inventory, "Consumed": of_consumed, "Purchase": of_purchase, "List": of_list,
    "Availability": of_availability,
}  # fmt: skip


def how_of(text: str | None) -> str | None:
    """How a bottle went, in the words of table bottles; other for words that are not known."""
    if text is None:
        return None
    said = text.casefold()
    return next((how for word, how in _HOWS if word in said), "other")


def _where(row: Row) -> dict[str, Any]:
    location = text_of(row["Location"])
    return {"location": None if location and location.casefold() in ("(pending)", "pending") else location, "bin": text_of(row["Bin"])}


def _money(row: Row, manner: Manner, value: str | None) -> dict[str, Any]:
    """Price and value of the bottle, 0 being none, and their currency."""
    price = read(row, "Price", number_of, manner) or None
    worth = (read(row, value, number_of, manner) or None) if value else None
    return {"price": price, "value": worth, "currency": text_of(row["Currency"]) if price or worth else None}

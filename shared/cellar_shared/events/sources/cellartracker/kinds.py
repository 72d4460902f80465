"""Which table an export's file holds, by its header whatever the file is called; and which columns that table cannot be read without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cellar_shared.errors import BadInput

FEWEST_MARKS: Final = 0.5  # share of a table's marks that a header must show before it is taken for that table (judgement)


@dataclass(frozen=True, slots=True)
class TableKind:
    """A table of the site: `marks` tell its header from others', `required` must all be there, `is_read` where cellar has a use for it."""

    name: str
    marks: tuple[str, ...]
    required: tuple[str, ...] = ()
    is_read: bool = True


# In the order of precedence: what an earlier one says of a bottle stands, a later one fills in what is missing (bottles.py).
KINDS: Final = (
    TableKind(
        "Bottles",
        ("BottleState", "BottleSize", "BottleCost", "ConsumptionDate", "ConsumptionType"),
        ("BottleState", "iWine", "Vintage", "Wine", "Quantity", "BottleSize", "Location", "PurchaseDate", "ConsumptionDate"),
    ),
    TableKind(
        "Inventory",
        ("Barcode", "StoreName", "PurchaseDate", "BottleNote"),
        ("iWine", "Barcode", "Location", "Size", "PurchaseDate", "Vintage", "Wine", "BeginConsume", "EndConsume"),
    ),
    TableKind(
        "Consumed",
        ("iConsumed", "Consumed", "ConsumedYear", "ConsumedMonth", "ConsumptionNote"),
        ("iWine", "Consumed", "Size", "ShortType", "Vintage", "Wine"),
    ),
    TableKind(
        "Purchase",
        ("iPurchase", "Remaining", "Delivered", "OrderNumber", "DeliveryDate"),
        ("iWine", "PurchaseDate", "Quantity", "Remaining", "Delivered", "Size", "Vintage", "Wine"),
    ),
    TableKind(
        "List",
        ("Quantity", "Pending", "Size", "BeginConsume", "EndConsume"),
        ("Quantity", "Size", "Vintage", "Wine", "BeginConsume", "EndConsume"),
    ),
    TableKind(
        "Availability",
        ("Available", "Linear", "Bell", "Simple", "LocalQuantity", "ComBegin"),
        ("iWine", "Vintage", "Wine", "BeginConsume", "EndConsume"),
    ),
    TableKind(
        "Notes",
        ("iNote", "TastingDate", "TastingNotes", "Rating", "Defective"),
        ("iNote", "iWine", "Vintage", "Wine", "TastingDate", "TastingNotes", "Rating"),
    ),
    TableKind("Tag", ("ListName", "ListNotes", "MaxPrice"), is_read=False),
    TableKind("ProReview", ("iReview", "Publication", "ReviewDate", "Reviewer"), is_read=False),
    TableKind("PrivateNotes", ("PrivateNote",), is_read=False),
    TableKind("FoodTag", ("FoodTag",), is_read=False),
)
READ: Final = ", ".join(kind.name for kind in KINDS if kind.is_read)


def key_of(column: str) -> str:
    """A column's name as headers are compared: without case, blanks and underscores, which people's tools change."""
    return column.strip().strip('"').replace(" ", "").replace("_", "").casefold()


def kind_of(header: Sequence[str], file: str) -> TableKind:
    """The table whose header this is; BadInput that names what is missing, or says that it is no table of an export.

    A header of two tables' marks is the one that shows the larger share; of equals the first of KINDS, but Purchase and Pending are one.
    """
    keys = [key_of(name) for name in header]
    shares = [(sum(key_of(mark) in keys for mark in kind.marks) / len(kind.marks), kind) for kind in KINDS]
    share, kind = max(shares, key=lambda each: each[0])
    shown = ", ".join(name.strip() for name in header[:12]) + (", ..." if len(header) > 12 else "")
    if share < FEWEST_MARKS:
        raise BadInput(
            f"{file}, line 1: this is the header of no table that a member exports ({READ}); found {shown or 'nothing'}. "
            "Export the table again, or name only the files of the export"
        )
    if missing := [name for name in kind.required if key_of(name) not in keys]:
        raise BadInput(
            f"{file}, line 1: column {', '.join(missing)} is missing of table {kind.name}; found {shown}. "
            "Export the table again with all its columns"
        )
    twice = [name for name in kind.required if keys.count(key_of(name)) > 1]
    if twice:
        raise BadInput(f"{file}, line 1: column {', '.join(twice)} stands there more than once; keep one")
    return kind

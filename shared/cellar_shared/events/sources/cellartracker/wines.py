"""What an export says of its wines: an id for each vintage of a wine, and the facts of every table that names it, put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from cellar_shared.events.sources.cellartracker.files import Row, TableFile
from cellar_shared.events.sources.cellartracker.texts import Manner, Unreadable, number_of, size_of, text_of, vintage_of, window_year_of
from cellar_shared.events.vocabulary.canonical import canonical, colour_in, made_of
from cellar_shared.events.vocabulary.words import folded

PREFIX: Final = "ct:"
FULL_BOTTLE_ML: Final = 750
_WINDOW_SOURCES: Final = {"personal": "personal", "community": "community"}


class Refused(Exception):
    """A row that cannot be taken: the column, what stood there, what was expected."""

    def __init__(self, column: str, found: str, expected: str) -> None:
        super().__init__(column)
        self.column, self.found, self.expected = column, found, expected


def read(row: Row, column: str, reader: Any, *terms: Any) -> Any:
    """What `reader` makes of the cell; Refused where it cannot be read."""
    try:
        return reader(row[column], *terms)
    except Unreadable as fault:
        raise Refused(column, row[column] or "", str(fault)) from None


@dataclass(frozen=True, slots=True)
class Window:
    """First and last year, and who stated it; None where that is not known."""

    first: int | None
    last: int | None
    source: str | None


@dataclass(slots=True)
class Wine:
    """A wine of the export: its facts by column of table wines, and the windows that were stated."""

    facts: dict[str, Any]
    windows: list[Window] = field(default_factory=list)

    def learn(self, facts: dict[str, Any]) -> None:
        """Take what is not known yet."""
        for name, value in facts.items():
            if value is not None and self.facts.get(name) is None:
                self.facts[name] = value

    @property
    def window(self) -> Window:
        """The window that counts: the member's own, then one whose source is known, then the first that was read."""
        ranks = {"personal": 0, "community": 1, "critic": 1, None: 2}
        return min(self.windows, key=lambda window: ranks[window.source], default=Window(None, None, None))


class WineIds:
    """Ids of wines: the site's own number; without it that of the same wine elsewhere in the export, else one made of its facts."""

    def __init__(self, files: Iterable[TableFile]) -> None:
        self._numbers: dict[tuple[str, str], set[str]] = {}
        for file in files:
            for row in file.rows:
                if number := text_of(row["iWine"]):
                    self._numbers.setdefault(self._name(row), set()).add(number)

    @staticmethod
    def _name(row: Row) -> tuple[str, str]:
        return text_of(row["Vintage"]) or "", folded(text_of(row["Wine"]) or "")

    def of(self, row: Row) -> str:
        """The row's wine; Refused where it names none."""
        name = text_of(row["Wine"])
        if name is None:
            raise Refused("Wine", row["Wine"] or "", "a wine's name")
        if number := text_of(row["iWine"]):
            if not (number.isascii() and number.isdigit()):
                raise Refused("iWine", number, "a wine's number")
            return f"{PREFIX}{number}"
        known = self._numbers.get(self._name(row), set())
        if len(known) == 1:
            return f"{PREFIX}{next(iter(known))}"
        # The same for the same facts in whatever export, so that a newer one names the same wines.
        facts = "\x1f".join((*self._name(row), folded(", ".join(_places(row)))))
        return f"{PREFIX}x{blake2b(facts.encode(), digest_size=8).hexdigest()}"


def _places(row: Row) -> list[str]:
    """Country, region and so on, from the widest; of a row without such columns its Locale, which lists them."""
    if locale := text_of(row["Locale"]):
        return [part for part in (text_of(each) for each in locale.split(",")) if part]
    return [part for part in (text_of(row[column]) for column in ("Country", "Region", "SubRegion", "Appellation")) if part]


def facts_in(row: Row, manner: Manner) -> dict[str, Any]:
    """The row's facts by column of table wines; type, country and grapes are spelled as the vocabularies do where they know them."""
    places = _places(row)
    country = text_of(row["Country"]) or (places[0] if places and canonical("country", places[0]) else None)
    wider = [place for place in places[1:] if place] if country else []
    kind = _type(row)
    variety = text_of(row["Varietal"]) or text_of(row["MasterVarietal"])
    made = next((told for text in (variety, text_of(row["MasterVarietal"])) if text and (told := made_of(text)) and told.grapes), None)
    price, currency = _price(row, manner)
    return {
        "vintage": read(row, "Vintage", vintage_of),
        "name": text_of(row["Wine"]),
        "full_name": text_of(row["Wine"]),
        "producer": text_of(row["Producer"]),
        "type": canonical("type", kind) or kind,
        "colour": colour_in(kind) or colour_in(text_of(row["Color"])),
        "country": canonical("country", country) or country,
        "region": wider[-1] if wider else None,
        "province": text_of(row["Region"]) or (wider[0] if wider else None),
        "variety": variety,
        "grapes": list(made.grapes) if made else None,
        "price": price,
        "currency": currency,
        "community_score": next((score for column in ("CT", "CScore") if (score := score_in(row, column, manner))), None),
    }


def _type(row: Row) -> str | None:
    """The site's type; of a table without it what its colour and category say together, as the site writes types."""
    if kind := text_of(row["Type"]):
        return kind
    colour, category = text_of(row["Color"]), text_of(row["Category"])
    return f"{colour} - {category}" if colour and category and category.casefold() != "dry" else colour or category


def without_producer(name: str | None, producer: str | None) -> str | None:
    """The name on the label: the site's name begins with the producer."""
    if name and producer and name.casefold().startswith(f"{producer.casefold()} "):
        return name[len(producer) :].strip()
    return name


def _price(row: Row, manner: Manner) -> tuple[float | None, str | None]:
    """What a 750 ml bottle is worth, else what it cost; and the currency."""
    if read(row, "Size", size_of) != FULL_BOTTLE_ML:
        return None, None
    found = [read(row, column, number_of, manner) for column in ("Valuation", "Value", "Price")]
    price = next((each for each in found if each), None)
    return price, text_of(row["Currency"]) if price else None


def score_in(row: Row, column: str, manner: Manner) -> float | None:
    """A score out of 100; 0 is none."""
    return read(row, column, number_of, manner, 100.0) or None


def windows_in(row: Row, manner: Manner) -> list[Window]:
    """The windows that the row states, who stated them where the table says so."""
    own = _window(row, "PersonalBegin", "PersonalEnd", "personal", manner)
    community = _window(row, "ComBegin", "ComEnd", "community", manner)
    said = text_of(row["Source"]) or text_of(row["WindowSource"])
    shown = _window(row, "BeginConsume", "EndConsume", _WINDOW_SOURCES.get(said.casefold(), "critic") if said else None, manner)
    if shown and community and shown.source is None and (shown.first, shown.last) == (community.first, community.last):
        shown = None
    return [window for window in (own, shown, community) if window]


def _window(row: Row, begin: str, end: str, source: str | None, manner: Manner) -> Window | None:
    first, last = read(row, begin, window_year_of, manner), read(row, end, window_year_of, manner)
    if first and last and last < first:
        raise Refused(end, row[end] or "", f"a year not before {begin} ({first})")
    return Window(first, last, source) if first or last else None

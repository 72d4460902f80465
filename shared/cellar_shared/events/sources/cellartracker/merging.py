"""The rule by which claims to bottles become bottles, none counted twice and none lost; importing.py hands the files over in order.

Files come in the order of kinds.KINDS: Bottles, Inventory, Consumed, Purchase and Pending, List, Availability. A file's claim takes the
first bottle of its wine (and size, where both say it) that an earlier file told of, that no other row of the same file has taken, and that
fits by the table's levels, closest fit first; a claim that finds none is a bottle of its own. So of tables that disagree the larger
number counts, and what an earlier table says of a bottle stands while later ones fill in what it leaves out. Two barcodes are two bottles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cellar_shared.events.sources.cellartracker.bottles import Bottle

Fits = Callable[[Bottle, Bottle], bool]


@dataclass(frozen=True, slots=True)
class Level:
    """One way in which a claim fits a bottle; `moves`: the bottle was consumed after the table that told of it first was exported."""

    fits: Fits
    moves: bool = False


def _same_state(claim: Bottle, bottle: Bottle) -> bool:
    return claim.state == bottle.state


def _same_day(claim: Bottle, bottle: Bottle) -> bool:
    return claim.bought_at is not None and claim.bought_at == bottle.bought_at


def _no_other_day(claim: Bottle, bottle: Bottle) -> bool:
    return claim.bought_at is None or bottle.bought_at is None or claim.bought_at == bottle.bought_at


def _same_place(claim: Bottle, bottle: Bottle) -> bool:
    return (claim.location, claim.bin) == (bottle.location, bottle.bin)


def _same_consumption(claim: Bottle, bottle: Bottle) -> bool:
    return _same_state(claim, bottle) and claim.consumed_at == bottle.consumed_at


def _is_whole(bottle: Bottle) -> bool:
    """Was it told of by the table that lists every bottle ever? Then another table's bottle of that wine is one of these."""
    return bottle.told_by == "Bottles"


def _was_open_then(claim: Bottle, bottle: Bottle) -> bool:
    """Could the bottle have been consumed when the claim says, though the table of all bottles still holds it for stored?"""
    after = claim.consumed_at is None or bottle.bought_at is None or bottle.bought_at <= claim.consumed_at
    return _is_whole(bottle) and bottle.state == "stored" and not bottle.in_inventory and after


def _went_after(claim: Bottle, bottle: Bottle) -> bool:
    is_later = claim.bought_at is None or bottle.consumed_at is None or bottle.consumed_at >= claim.bought_at
    return bottle.bought_at is None and _same_state(claim, bottle) and is_later


LEVELS: Final[dict[str, tuple[Level, ...]]] = {
    "Bottles": (
        Level(lambda claim, bottle: _same_consumption(claim, bottle) and _same_day(claim, bottle) and _same_place(claim, bottle)),
        Level(lambda claim, bottle: _same_consumption(claim, bottle) and _no_other_day(claim, bottle)),
    ),
    "Inventory": (
        Level(lambda claim, bottle: _same_state(claim, bottle) and _same_day(claim, bottle) and _same_place(claim, bottle)),
        Level(lambda claim, bottle: _same_state(claim, bottle) and _same_day(claim, bottle)),
        Level(lambda claim, bottle: _same_state(claim, bottle) and _no_other_day(claim, bottle)),
        Level(lambda claim, bottle: _is_whole(bottle) and _same_day(claim, bottle)),
    ),
    "Consumed": (
        Level(lambda claim, bottle: _same_consumption(claim, bottle) and claim.consumed_how == bottle.consumed_how),
        Level(_same_consumption),
        Level(lambda claim, bottle: _same_state(claim, bottle) and None in (claim.consumed_at, bottle.consumed_at)),
        Level(_was_open_then, moves=True),
    ),
    "Purchase": (
        Level(lambda claim, bottle: _same_day(claim, bottle) and _same_state(claim, bottle)),
        Level(_same_day),
        Level(_went_after),
    ),
    "List": (
        Level(lambda claim, bottle: _same_state(claim, bottle) and _same_place(claim, bottle)),
        # Rows of the site's pages that lie in two places are not of one lot.
        Level(lambda claim, bottle: _same_state(claim, bottle) and bottle.told_by != "List"),
        Level(lambda _, bottle: _is_whole(bottle)),
    ),
    "Availability": (Level(_same_state), Level(lambda _, bottle: _is_whole(bottle))),
}  # fmt: skip


class Cellar:
    """The bottles of an export, by wine, in the order in which files told of them."""

    def __init__(self) -> None:
        self._of_wine: dict[str, list[Bottle]] = {}
        self._of_barcode: dict[str, Bottle] = {}

    def settle(self, table: str, file: int, claims: Sequence[Bottle]) -> list[bool]:
        """For each of a file's claims, is it a bottle of its own? The others have told a known bottle what it lacked."""
        is_own = [False] * len(claims)
        left = [place for place, claim in enumerate(claims) if not self._by_barcode(claim, file)]
        for level in LEVELS[table]:
            left = [place for place in left if not self._by_level(claims[place], file, level)]
        for place in left:
            claim = claims[place]
            claim.seen_in, is_own[place] = file, True
            self._of_wine.setdefault(claim.wine_id, []).append(claim)
            if claim.barcode:
                self._of_barcode[claim.barcode] = claim
        return is_own

    def _by_barcode(self, claim: Bottle, file: int) -> bool:
        bottle = self._of_barcode.get(claim.barcode) if claim.barcode else None
        if bottle is None:
            return False
        self._take(bottle, claim, file, moves=False)
        return True

    def _by_level(self, claim: Bottle, file: int, level: Level) -> bool:
        for bottle in self._of_wine.get(claim.wine_id, ()):
            if bottle.seen_in != file and _may_be_one(claim, bottle) and level.fits(claim, bottle):
                self._take(bottle, claim, file, level.moves)
                return True
        return False

    def _take(self, bottle: Bottle, claim: Bottle, file: int, moves: bool) -> None:
        bottle.absorb(claim, moves)
        bottle.seen_in = file
        if bottle.barcode:
            self._of_barcode[bottle.barcode] = bottle


def _may_be_one(claim: Bottle, bottle: Bottle) -> bool:
    sizes = claim.size_ml is None or bottle.size_ml is None or claim.size_ml == bottle.size_ml
    barcodes = claim.barcode is None or bottle.barcode is None or claim.barcode == bottle.barcode
    consumed = claim.consumed_id is None or bottle.consumed_id is None or claim.consumed_id == bottle.consumed_id
    return sizes and barcodes and consumed

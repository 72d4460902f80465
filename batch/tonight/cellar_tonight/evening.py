"""What an evening is made of: the lines of a cellar, what was asked, what was chosen, the plan; everything here passes these values on.

A line is all bottles of one wine, vintage and size that a member has or awaits; it stands for one row of the report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

Section = Literal["open", "at_risk", "leave", "unknown"]
SECTIONS: Final[tuple[Section, ...]] = ("open", "at_risk", "leave", "unknown")


@dataclass(frozen=True, slots=True)
class Wine:
    """What is known of a wine. `key` is the export's own number, None where it has none; `name` as the export writes it."""

    wine_id: str
    key: str | None
    name: str
    producer: str | None
    vintage: int | None  # 0: non-vintage
    type: str | None
    colour: str | None
    country: str | None
    region: str | None
    grapes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Vintage and name, as people say it."""
        year = "NV" if self.vintage == 0 else "" if self.vintage is None else str(self.vintage)
        return f"{year} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Place:
    """Where `bottles` of a line lie; None is not said."""

    location: str | None
    bin: str | None
    bottles: int

    @property
    def label(self) -> str:
        """The place as people say it."""
        return " ".join(part for part in (self.location, self.bin) if part) or "place not said"


@dataclass(frozen=True, slots=True)
class Window:
    """A window that was stated, whole years within; None is a side that nobody stated. `source`: personal, community, critic, None."""

    first: int | None
    last: int | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a line's bottles stand on their curve on the evening's day, and where they will; None is not known.

    `by_year` is drinkability in the middle of each of the evening's `years`, empty where there is no curve. `reason` is the code of what
    was taken for granted or is missing, `says` the sentence for it.
    """

    phase: str | None
    drinkability: float | None
    ready_from: date | None
    peak_from: date | None
    peak_to: date | None
    drink_by: date | None
    drink_by_lo: date | None
    drink_by_hi: date | None
    by_year: tuple[float, ...] = ()
    next_year: float | None = None  # drinkability a year from the evening
    reason: str | None = None
    says: str | None = None


@dataclass(frozen=True, slots=True)
class Taste:
    """How far the member is likely to like it: `chance` 0 to 1 with its `basis`, and what scores (0 to 100) there are.

    `basis`: "preference" (a bundle's percentage), "own" (the member's own score of this wine), "community", or None for neutral.
    """

    chance: float | None
    basis: str | None
    own_score: float | None = None
    community_score: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the cellar. `value` and `price` are of one bottle, in `currency`; `bottles` lie there, `awaited` are on their way."""

    wine: Wine
    size_ml: int | None
    bottles: int
    awaited: int
    places: tuple[Place, ...]
    window: Window
    standing: Standing
    taste: Taste
    section: Section
    value: float | None = None
    currency: str | None = None
    bottle_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the member asked for tonight: food and location as they wrote them, guests besides the member."""

    food: str | None = None
    location: str | None = None
    guests: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for or against a choice: a code, a sentence for people, and the factor by which it moved the choice's score."""

    code: str
    text: str
    factor: float


@dataclass(frozen=True, slots=True)
class Pick:
    """A line chosen for tonight, best first; `open` bottles of it are needed. `line` is its place among the evening's lines."""

    line: int
    score: float
    open: int
    whys: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """`bottles` of a line to be opened in `year` at an occasion; `enjoyment` of one, 0 to 1."""

    line: int
    year: int
    occasion: str
    bottles: int
    enjoyment: float


@dataclass(frozen=True, slots=True)
class DrinkPlan:
    """Which bottle in which year. `status` says how good it is (optimal, or within `gap` of the bound). `enjoyment` counts what is planned
    and what the bottles kept promise; `baseline` is the same of always opening what is due soonest, under the same terms."""

    years: tuple[int, ...]
    bottles_a_year: int
    planned: tuple[Planned, ...]
    enjoyment: float
    baseline: float
    status: str
    gap: float
    left: int  # bottles that the years have no room for, or that are better kept
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Because:
    """One reason for a suggestion, or with an effect below 0 against it: a code, a sentence, and by how much it moved the score."""

    code: str
    text: str
    effect: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A wine to buy, neither owned nor rated: the `chance` that the member likes it, and why; `price` is of one bottle in `currency`.

    None is not known; a wine that no catalogue names is called by its id.
    """

    wine: Wine
    chance: float | None
    price: float | None
    currency: str | None
    whys: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class LotPace:
    """CellarTracker's index of how fast a lot is drunk, in bottles, by style; on the day it was computed for."""

    wine: Wine
    bottles: int
    consumed: int
    by_style: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read, and what became of its rows."""

    file: str
    table: str
    rows: int
    kept: int
    merged: int
    refused: int


@dataclass(frozen=True, slots=True)
class Evening:
    """All of it. `years` are the plan's and the charts' years, the first the evening's own; `to_buy` is None where nobody was asked."""

    as_of: date
    export_day: date | None
    wish: Wish
    years: tuple[int, ...]
    lines: tuple[Line, ...]
    picks: tuple[Pick, ...]
    plan: DrinkPlan | None
    pace: tuple[LotPace, ...]
    sources: tuple[Source, ...]
    models: tuple[str, ...]  # versions of the bundles that answered, in words
    notes: tuple[str, ...]  # what the member should know
    pace_day: date | None = None  # of `pace`; None: as_of
    to_buy: tuple[Suggestion, ...] | None = None  # best first

    def of_section(self, section: Section) -> list[tuple[int, Line]]:
        """The lines of a section with their numbers: at risk by the day they are to be drunk by, others by their chance, best first."""
        lines = [(number, line) for number, line in enumerate(self.lines) if line.section == section]
        if section == "at_risk":
            return sorted(lines, key=lambda each: (each[1].standing.drink_by or date.max, each[1].wine.label))
        return sorted(lines, key=lambda each: (-(each[1].standing.drinkability or 0.0), each[1].wine.label))

"""Small catalogues and rating logs for laws: Hypothesis strategies, and the same world as arrays, questions or a data folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from hypothesis import strategies as st

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, datetime_of, midnight_before
from cellar_shared.events.scales import SCALES
from cellar_shared.events.tables import DataWriter
from cellar_shared.features.counting import count_ratings
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoded, Encoder
from cellar_shared.features.histories import EVENT, Histories, Questions, history_of, wines_of
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.features.wines import WINE, WineFacts, wine_record
from cellar_shared.store.rating_log import RatingLog, event_hashes

DAY = MICROSECONDS_PER_DAY
START = 17_000 * DAY
MEMBERS = 3
DAYS = (0, 1, 2, 3, 89, 90, 91, 200, 364, 365, 366, 367, 500)  # both sides of a season's and a year's end
TIMES = (0, 1, DAY // 2, DAY - 2, DAY - 1)


class Rating(NamedTuple):
    """One rating; `wine` is a place in the catalogue, -1 a wine it lacks; `time` None is known by its day only."""

    member: int
    wine: int
    vintage: int
    stars: float
    day: int
    time: int | None

    @property
    def moment(self) -> int:
        return START + self.day * DAY + (DAY - 1 if self.time is None else self.time)


def events_of(ratings: Iterable[Rating]) -> np.ndarray:
    rows = [(r.moment, r.wine, r.vintage, r.stars >= SCALES["1-5"].liked_from, r.stars - SCALES["1-5"].liked_from) for r in ratings]
    return np.array(rows, dtype=EVENT)


@dataclass(frozen=True)
class World:
    """A catalogue, wine "w0" first, and ratings by members "m0" to "m2"."""

    catalogue: tuple[WineFacts, ...]
    ratings: tuple[Rating, ...]

    def having(self, ratings: Iterable[Rating]) -> World:
        return replace(self, ratings=tuple(ratings))

    @property
    def wines(self) -> np.ndarray:
        return np.array([wine_record(f"w{place}", facts) for place, facts in enumerate(self.catalogue)], dtype=WINE)

    @property
    def encoder(self) -> Encoder:
        """Knows every second name of the catalogue."""
        return Encoder(Vocabulary(np.unique(Encoder.names_of(self.wines))[1::2]))

    def log(self) -> RatingLog:
        order = sorted(range(len(self.ratings)), key=lambda place: (self.ratings[place].member, self.ratings[place].moment, place))
        ratings = [self.ratings[place] for place in order]
        return RatingLog(
            np.array([f"w{place}" for place in range(len(self.catalogue))]),
            self.wines,
            np.array([f"m{member}" for member in range(MEMBERS)]),
            np.array([rating.member for rating in ratings], dtype=np.int32),
            events_of(ratings),
            event_hashes([f"e{place:03d}" for place in order]),
        )

    def counts(self) -> RunningCounts:
        log = self.log()
        return count_ratings(log.wines, log.events, log.members)

    def asks(self, member: int, as_of: int, wines: list[int], vintages: list[int], limit: int = 100) -> Questions:
        """What a store is asked: one member's history before `as_of`, and wines of the catalogue (-1: an unknown one)."""
        log = self.log()
        histories, _ = history_of(log.events[log.members == member], log.wines, as_of, limit)
        return questions_of(histories, log.wines, as_of, wines, vintages)

    def write(self, folder: Path) -> Path:
        """The world as a data folder."""
        with DataWriter(folder, "made", "1-5", "a test", replace=True) as writer:
            writer.add("wines", self.wine_table())
            writer.add("ratings", self.rating_table())
        return folder

    def wine_table(self) -> pl.DataFrame:
        fields = ("producer", "type", "country", "region", "grapes", "abv", "body", "acidity", "price", "elaborate", "pairings")
        rows = [
            {name: getattr(facts, name) for name in fields} | {"wine_id": f"w{place}", "name": "n", "currency": None, "source": "made"}
            for place, facts in enumerate(self.catalogue)
        ]
        lists = {"grapes": pl.List(pl.String()), "pairings": pl.List(pl.String())}
        return pl.DataFrame(rows, schema_overrides=lists, infer_schema_length=None)

    def rating_table(self) -> pl.DataFrame:
        def row(place: int, rating: Rating) -> dict[str, object]:
            return {
                "event_id": f"e{place:03d}",
                "member_id": f"m{rating.member}",
                "wine_id": f"w{rating.wine}" if rating.wine >= 0 else "elsewhere",
                "vintage": None if rating.vintage < 0 else rating.vintage,
                "rating_raw": rating.stars,
                "scale": "1-5",
                "like": rating.stars >= SCALES["1-5"].liked_from,
                "rated_at": datetime_of(START + rating.day * DAY + (rating.time or 0)),
                "time_precision": "date" if rating.time is None else "datetime",
                "defective": False,
                "source": "made",
            }

        return pl.DataFrame([row(place, rating) for place, rating in enumerate(self.ratings)], infer_schema_length=None)


def questions_of(histories: Histories, wines: np.ndarray, as_of: int, asked: list[int], vintages: list[int]) -> Questions:
    records = wines_of(wines, np.array(asked, dtype=np.int32))
    moment = np.array([as_of], dtype=np.int64)
    one = np.zeros(len(asked), dtype=np.int64)
    return Questions(histories, moment, one, records, np.array(vintages, dtype=np.int16), midnight_before(moment))


def together(parts: list[Questions]) -> Questions:
    """Several members' questions as one batch."""
    histories = [part.histories for part in parts]
    lengths = np.concatenate([history.lengths for history in histories])
    merged = Histories(
        np.concatenate([[0], np.cumsum(lengths)]),
        *(np.concatenate([getattr(history, name) for history in histories]) for name in Histories.__slots__[1:]),
    )
    first = np.cumsum([0] + [len(part.as_of) for part in parts])
    return Questions(
        merged,
        np.concatenate([part.as_of for part in parts]),
        np.concatenate([part.member + begin for part, begin in zip(parts, first, strict=False)]),
        np.concatenate([part.wines for part in parts]),
        np.concatenate([part.vintages for part in parts]),
        np.concatenate([part.features_as_of for part in parts]),
    )


def require_same(one: Encoded, other: Encoded) -> None:
    """Equal to the last bit, and every number a number."""
    for name, values in one.inputs().items():
        assert np.isfinite(values).all(), name
        assert values.dtype == other.inputs()[name].dtype, name
        np.testing.assert_array_equal(values, other.inputs()[name], err_msg=name)


names = st.sampled_from([None, "One", "Two", "Drei"])
kinds = st.sampled_from([None, "Red", "White"])
sets = st.none() | st.lists(st.sampled_from(["Merlot", "merlot ", "Gamay", "Syrah", "Grüner", "Pinot Noir", "Cinsault"]), max_size=6)
strengths = st.sampled_from([None, 1.0, 2.0, 3.0])
facts = st.builds(
    WineFacts,
    producer=names,
    type=kinds,
    country=names,
    region=names,
    grapes=sets,
    abv=st.sampled_from([None, 7.5, 12.8, 15.0]),
    body=strengths,
    acidity=strengths,
    price=st.sampled_from([None, 5.0, 80.0]),
    elaborate=names,
    pairings=sets,
)
vintages = st.sampled_from([-1, 0, 1960, 2015, 2016, 2030])
moments = st.builds(lambda day, time: START + day * DAY + time, st.sampled_from(DAYS), st.sampled_from(TIMES))


def ratings(wines: int) -> st.SearchStrategy[Rating]:
    return st.builds(
        Rating,
        member=st.integers(0, MEMBERS - 1),
        wine=st.integers(-1, wines - 1),
        vintage=vintages,
        stars=st.sampled_from([1.0, 2.5, 3.0, 3.7, 4.0, 4.5, 5.0]),
        day=st.sampled_from(DAYS),
        time=st.none() | st.sampled_from(TIMES),
    )


@st.composite
def worlds(draw: st.DrawFn, fewest: int = 0, most: int = 24) -> World:
    catalogue = tuple(draw(st.lists(facts, min_size=1, max_size=4)))
    return World(catalogue, tuple(draw(st.lists(ratings(len(catalogue)), min_size=fewest, max_size=most))))


@st.composite
def asked(draw: st.DrawFn, world: World) -> tuple[list[int], list[int]]:
    """Wines of the world and their vintages, one pair or a few."""
    pairs = draw(st.lists(st.tuples(st.integers(-1, len(world.catalogue) - 1), vintages), min_size=1, max_size=4))
    return [wine for wine, _ in pairs], [vintage for _, vintage in pairs]

"""A data folder as arrays: the catalogue's records and every usable rating, by member and time; for training and materialize."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.events.scales import SCALES
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.histories import EVENT, UNKNOWN_VINTAGE, Events
from cellar_shared.features.wines import WINE, WineFacts, Wines, wine_record


@dataclass(frozen=True, slots=True)
class RatingLog:
    """Every rating that is no defect, sorted by member, then effective moment, then event id.

    `wine_ids` (wines,) text and `wines` (wines,) WINE: the catalogue; `member_ids` (members,) text; `members` (ratings,)
    int32 index of the member; `events` (ratings,) EVENT, undated ones with moment NEVER; `event_ids` (ratings,) uint64
    stable hashes of the events' ids, where they were asked for.
    """

    wine_ids: npt.NDArray[np.str_]
    wines: Wines
    member_ids: npt.NDArray[np.object_]
    members: npt.NDArray[np.int32]
    events: Events
    event_ids: npt.NDArray[np.uint64]

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each member's ratings begin, and the end; (members + 1,) int64."""
        return np.searchsorted(self.members, np.arange(len(self.member_ids) + 1))

    def only(self, kept: npt.NDArray[np.bool_]) -> RatingLog:
        """The log with the ratings that `kept` (ratings,) marks; catalogue and member numbering stay."""
        return RatingLog(self.wine_ids, self.wines, self.member_ids, self.members[kept], self.events[kept], self.event_ids[kept])


def read_rating_log(folder: DataFolder, *, with_event_ids: bool = True) -> RatingLog:
    """Read wines and ratings of `folder`; BadInput when a table is missing, a wine stands twice or no rating can be used.

    Without event ids (`event_ids` is empty then) millions of ratings take far less memory.
    """
    wines = folder.scan("wines").collect()
    _require_distinct(wines["wine_id"], folder)
    ratings = (
        folder.scan("ratings")
        .filter(~pl.col("defective"))
        .join(wines.lazy().select("wine_id").with_row_index("row"), on="wine_id", how="left")
        .select(
            "event_id",
            "member_id",
            pl.col("row").cast(pl.Int32).fill_null(-1),
            "vintage",
            "like",
            _moment(),
            _strength(),
        )
        .sort("member_id", "moment", "event_id")
        .drop([] if with_event_ids else ["event_id"])
        .collect()
    )
    if not ratings.height:
        raise BadInput(f"{folder.path} holds no rating that can be used; import ratings first")
    events = np.empty(ratings.height, dtype=EVENT)
    events["moment"] = ratings["moment"].to_numpy()
    events["row"] = ratings["row"].to_numpy()
    events["vintage"] = ratings["vintage"].fill_null(UNKNOWN_VINTAGE).to_numpy()
    events["liked"] = ratings["like"].to_numpy()
    events["strength"] = ratings["strength"].to_numpy()
    return RatingLog(
        wines["wine_id"].to_numpy().astype(np.str_),
        catalogue_records(wines),
        # As objects: numpy's own text drops NULs at the end, which would give one member's ratings to another.
        np.array(ratings["member_id"].unique(maintain_order=True).to_list(), dtype=np.object_),
        ratings["member_id"].rle_id().cast(pl.Int32).to_numpy(),
        events,
        event_hashes(ratings["event_id"].to_list() if with_event_ids else []),
    )


def before_the_last(log: RatingLog, days: int, data: Path) -> tuple[int, npt.NDArray[np.bool_]]:
    """The moment `days` before the end of the log, and which dated ratings came before it, (ratings,): what may be learnt from.

    BadInput when no rating of `data` has a date.
    """
    dated = log.events["moment"] != NEVER
    if not dated.any():
        raise BadInput(f"{data} holds no rating with a date; a model needs to know what came before what")
    through = int(log.events["moment"][dated].max()) + 1 - days * MICROSECONDS_PER_DAY
    return through, dated & (log.events["moment"] < through)


def _require_distinct(wine_ids: pl.Series, folder: DataFolder) -> None:
    twice = wine_ids.filter(wine_ids.is_duplicated())
    if len(twice):
        raise BadInput(f"{folder.path / 'wines'}: wine {twice[0]!r} stands there more than once; keep one row of it and import again")


def catalogue_records(wines: pl.DataFrame) -> Wines:
    """WINE records of a catalogue frame's rows."""
    names = ("producer", "type", "country", "region", "grapes", "abv", "body", "acidity", "price")
    extra = tuple(name for name in ("elaborate", "pairings") if name in wines.columns)
    records = np.empty(wines.height, dtype=WINE)
    for place, row in enumerate(wines.select("wine_id", *names, *extra).iter_rows(named=True)):
        wine_id = row.pop("wine_id")
        records[place] = wine_record(wine_id, WineFacts(**row))
    return records


def event_hashes(event_ids: list[str]) -> npt.NDArray[np.uint64]:
    """Stable 64-bit hashes of event ids; (events,) uint64."""
    digests = b"".join(blake2b(event_id.encode(), digest_size=8).digest() for event_id in event_ids)
    return np.frombuffer(digests, dtype="<u8")


def _moment() -> pl.Expr:
    at = pl.col("rated_at").dt.timestamp("us")
    end_of_day = at - at % MICROSECONDS_PER_DAY + (MICROSECONDS_PER_DAY - 1)
    return (
        pl.when(pl.col("time_precision") == "datetime")
        .then(at)
        .when(pl.col("time_precision") == "date")
        .then(end_of_day)
        .fill_null(NEVER)
        .alias("moment")
    )


def _strength() -> pl.Expr:
    """`Scale.strengths` of each row's own scale."""
    value = pl.lit(None, dtype=pl.Float64)
    for scale in SCALES.values():
        units = ((pl.col("rating_raw") - scale.liked_from) / scale.unit).clip(-4.0, 4.0)
        value = pl.when(pl.col("scale") == scale.name).then(units).otherwise(value)
    return value.cast(pl.Float32).alias("strength")

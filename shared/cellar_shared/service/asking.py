"""Understands what scoring services are asked in the same words: moment, scale, history, wines; their refusals are decided here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import numpy as np

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, iso_of, moment_of
from cellar_shared.events.scales import Scale, scale_named
from cellar_shared.features.histories import NON_VINTAGE, UNDATED_AGE, UNKNOWN_VINTAGE, Events, Histories, history_of
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WineFacts, Wines, no_wines, wine_record
from cellar_shared.service.problems import FieldError, Problem
from cellar_shared.service.wire import About, HistoryRow, VintageAsked
from cellar_shared.store.generation import Generation

Basis = Literal["catalogue", "about", "prior"]

AHEAD_MOST_S: Final = 60
# A generation is written every night; past two days of silence the answers say that their features are old.
STALE_AFTER: Final = 2 * MICROSECONDS_PER_DAY
ERRORS_MOST: Final = 20  # wrong ratings that one refusal names (judgement)

_NOTHING_KNOWN: Final = no_wines(1)[0].tobytes()


def moment_asked(as_of: datetime | None, received_at: datetime, generation: Generation) -> int:
    """The moment a request is about; Problem when it lies ahead or before what the generation can tell."""
    now = moment_of(received_at)
    if as_of is None:
        return now
    moment = moment_at(as_of, "/as_of")
    if moment > now + AHEAD_MOST_S * 1_000_000:
        raise Problem(
            "as-of-in-future",
            f"as_of lies more than {AHEAD_MOST_S} s ahead of this service's clock ({iso_of(now)}); leave it out to ask about now.",
            (FieldError("/as_of", "as-of-in-future", "is in the future"),),
        )
    earliest = generation.manifest.earliest_as_of
    if moment < earliest:
        raise Problem(
            "as-of-too-early",
            f"This generation can be asked as of {iso_of(earliest)} or later; ask later, or materialize with a longer horizon.",
            (FieldError("/as_of", "as-of-too-early", f"is before {iso_of(earliest)}"),),
        )
    return moment


def moment_at(when: datetime, pointer: str) -> int:
    """The moment of the time at `pointer`; Problem where it is none: year 1 east of UTC, year 9999 west of it."""
    try:
        return moment_of(when)
    except OverflowError:
        raise Problem(
            "out-of-range",
            f"At {pointer}: {when.isoformat()} lies outside the years 1 to 9999 in UTC; give another time.",
            (FieldError(pointer, "out-of-range", "lies outside the years 1 to 9999 in UTC"),),
        ) from None


def is_stale(moment: int, features_as_of: int) -> bool:
    """Whether features of `features_as_of` are too old for an answer about `moment` that does not say so."""
    return moment - moment % MICROSECONDS_PER_DAY - features_as_of > STALE_AFTER


def scale_asked(name: str | None, generation: Generation) -> Scale:
    """The scale of the request's ratings: the named one, else the catalogue's."""
    try:
        return scale_named(generation.manifest.scale if name is None else name)
    except BadInput as error:
        raise Problem("out-of-range", f"{error}.", (FieldError("/scale", "out-of-range", "is no scale that is known"),)) from error


def vintage_number(vintage: VintageAsked) -> int:
    """The vintage as arrays keep it: 0 for non-vintage, -1 for unknown."""
    if vintage is None:
        return UNKNOWN_VINTAGE
    return NON_VINTAGE if vintage == "NV" else int(vintage)


def given_history(
    rows: Sequence[HistoryRow], scale: Scale, moment: int, generation: Generation, limit: int, pointer: str = "/history"
) -> tuple[Histories, int, bool]:
    """The history that the request gives at `pointer`, as of `moment`: its newest `limit` rows, as the history of one member.

    Beside it how many rows were left out for lying ahead, and whether older ones were cut off. Problem for a rating off `scale`.
    """
    wrong = [
        FieldError(f"{pointer}/{place}/rating", "out-of-range", f"is not from {scale.lowest:g} to {scale.highest:g}")
        for place, row in enumerate(rows)
        if not scale.holds(row.rating)
    ]
    if wrong:
        raise Problem(
            "out-of-range", f"Ratings on scale {scale.name} go from {scale.lowest:g} to {scale.highest:g}; mend them or name their scale.",
            tuple(wrong[:ERRORS_MOST]),
        )  # fmt: skip
    moments = np.array(
        [
            moment - UNDATED_AGE if row.rated_at is None else moment_at(row.rated_at, f"{pointer}/{place}/rated_at")
            for place, row in enumerate(rows)
        ],
        dtype=np.int64,
    )
    order = np.argsort(moments, kind="stable")
    known = order[moments[order] < moment]
    kept = known[-limit:] if limit else known[:0]
    chosen = [rows[place] for place in kept]
    wines, _ = wines_of([(row.wine_id, row.about) for row in chosen], generation)
    ratings = np.array([row.rating for row in chosen], dtype=np.float64)
    histories = Histories(
        np.array([0, len(kept)], dtype=np.int64),
        wines,
        moments[kept],
        np.array([vintage_number(row.vintage) for row in chosen], dtype=np.int16),
        ratings >= scale.liked_from,
        scale.strengths(ratings),
    )
    return histories, len(rows) - len(known), len(known) > len(kept)


def stored_history(events: Events | None, moment: int, generation: Generation, limit: int) -> tuple[Histories, int, bool]:
    """A stored member's history as of `moment`, as `given_history` tells one; none of it is ever left out for lying ahead.

    None for a member nobody knows: a history of nothing.
    """
    if events is None or not len(events):
        return _no_history(), 0, False
    # When an undated rating was given nobody knows, only that it was there when the generation was written.
    is_undated_known = moment >= generation.manifest.events_through
    histories, is_truncated = history_of(events, generation.wines, moment, limit, is_undated_known=is_undated_known)
    return histories, 0, is_truncated


def wines_of(asked: Sequence[tuple[str, About | None]], generation: Generation) -> tuple[Wines, list[Basis]]:
    """Each wine's record and what it is based on: the catalogue, else what the request says about it, else nothing."""
    identities = np.array([identity("wine", wine_id) for wine_id, _ in asked], dtype=np.int64)
    rows = generation.index.rows_of(identities)
    records = no_wines(len(asked))
    known = rows >= 0
    records[known] = generation.wines[rows[known]]
    bases: list[Basis] = ["catalogue" if is_known else "prior" for is_known in known.tolist()]
    for place in np.flatnonzero(~known).tolist():
        about = asked[place][1]
        if about is None:  # as of most bottles that no catalogue has: a record made one by one would cost 15 microseconds
            continue
        records[place] = wine_record(None, _facts(about))
        told = records[place].copy()
        told["log_price"] = np.nan  # packed, and no feature reads it yet: a price alone tells the model nothing
        if told.tobytes() != _NOTHING_KNOWN:
            bases[place] = "about"
    return records, bases


def _no_history() -> Histories:
    return Histories(
        np.zeros(2, dtype=np.int64),
        no_wines(0),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int16),
        np.zeros(0, dtype=bool),
        np.zeros(0, dtype=np.float32),
    )


def _facts(about: About) -> WineFacts:
    return WineFacts(about.producer, about.type, about.country, about.region, about.grapes, about.abv, price=about.price)

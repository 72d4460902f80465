"""Turns a request into questions for the encoder: whose history, which moment, which wines; every refusal is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_preference.serving.contract import Basis, PreferenceRequest
from cellar_shared.errors import BadInput
from cellar_shared.events.moments import iso_of, moment_of
from cellar_shared.events.scales import Scale, scale_named
from cellar_shared.features.histories import NON_VINTAGE, UNDATED_AGE, UNKNOWN_VINTAGE, Histories, Questions, history_of
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WINE, WineFacts, Wines, no_wines, wine_record
from cellar_shared.service.problems import FieldError, Problem
from cellar_shared.service.wire import About, HistoryRow, VintageAsked
from cellar_shared.store.generation import Generation

AHEAD_MOST_S: Final = 60

_NOTHING_KNOWN: Final = no_wines(1)[0].tobytes()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as questions, and what the answer says about how it was understood."""

    questions: Questions
    bases: Sequence[Basis]
    as_of: int
    features_as_of: int
    history_ignored: int
    is_truncated: bool


def moment_asked(as_of: datetime | None, received_at: datetime, generation: Generation) -> int:
    """The moment a request is about; Problem when it lies ahead or before what the generation can tell."""
    now = moment_of(received_at)
    if as_of is None:
        return now
    moment = _moment_at(as_of, "/as_of")
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


def require_one_member(request: PreferenceRequest) -> None:
    """Problem unless the request gives member_id or history, exactly one of the two ([] is a history)."""
    if (request.member_id is None) == (request.history is None):
        raise Problem(
            "member-ambiguous",
            "Give member_id for a stored member or history ([] included) for anybody else: exactly one of the two.",
            (FieldError("", "member-ambiguous", "needs exactly one of member_id and history"),),
        )


def scale_asked(name: str | None, generation: Generation) -> Scale:
    """The scale of the request's ratings: the named one, else the catalogue's."""
    try:
        return scale_named(generation.manifest.scale if name is None else name)
    except BadInput as error:
        raise Problem("out-of-range", f"{error}.", (FieldError("/scale", "out-of-range", "is no scale that is known"),)) from error


def ask(request: PreferenceRequest, stored: npt.NDArray[np.void] | None, moment: int, generation: Generation, limit: int) -> Asked:
    """The request as questions about one member; `stored` are a stored member's events, None for an anonymous history."""
    scale = scale_asked(request.scale, generation)
    if request.history is not None:
        histories, ignored, is_truncated = _given_history(request.history, scale, moment, generation, limit)
    else:
        events = np.zeros(0, dtype=np.void) if stored is None else stored
        # When an undated rating was given nobody knows, only that it was there when the generation was written.
        is_undated_known = moment >= generation.manifest.events_through
        histories, is_truncated = (
            history_of(events, generation.wines, moment, limit, is_undated_known=is_undated_known)
            if len(events)
            else (_no_history(), False)
        )
        ignored = 0
    wines, bases = _wines_of([(wine.wine_id, wine.about) for wine in request.wines], generation)
    features_as_of = generation.clamp(moment)
    questions = Questions(
        histories,
        np.array([moment], dtype=np.int64),
        np.zeros(len(request.wines), dtype=np.int64),
        wines,
        np.array([vintage_number(wine.vintage) for wine in request.wines], dtype=np.int16),
        np.array([features_as_of], dtype=np.int64),
    )
    return Asked(questions, bases, moment, features_as_of, ignored, is_truncated)


def _moment_at(when: datetime, pointer: str) -> int:
    """The moment of the time at `pointer`; Problem where it is none: year 1 east of UTC, year 9999 west of it."""
    try:
        return moment_of(when)
    except OverflowError:
        raise Problem(
            "out-of-range",
            f"At {pointer}: {when.isoformat()} lies outside the years 1 to 9999 in UTC; give another time.",
            (FieldError(pointer, "out-of-range", "lies outside the years 1 to 9999 in UTC"),),
        ) from None


def vintage_number(vintage: VintageAsked) -> int:
    """The vintage as arrays keep it: 0 for non-vintage, -1 for unknown."""
    if vintage is None:
        return UNKNOWN_VINTAGE
    return NON_VINTAGE if vintage == "NV" else int(vintage)


def _given_history(
    rows: Sequence[HistoryRow], scale: Scale, moment: int, generation: Generation, limit: int
) -> tuple[Histories, int, bool]:
    """The request's own history as of `moment`, how many rows it left out for lying ahead, and whether it was cut."""
    wrong = [
        FieldError(f"/history/{place}/rating", "out-of-range", f"is not from {scale.lowest:g} to {scale.highest:g}")
        for place, row in enumerate(rows)
        if not scale.holds(row.rating)
    ]
    if wrong:
        raise Problem(
            "out-of-range", f"Ratings on scale {scale.name} go from {scale.lowest:g} to {scale.highest:g}; mend them or name their scale.",
            tuple(wrong[:20]),
        )  # fmt: skip
    moments = np.array(
        [
            moment - UNDATED_AGE if row.rated_at is None else _moment_at(row.rated_at, f"/history/{place}/rated_at")
            for place, row in enumerate(rows)
        ],
        dtype=np.int64,
    )
    order = np.argsort(moments, kind="stable")
    known = order[moments[order] < moment]
    kept = known[-limit:] if limit else known[:0]
    chosen = [rows[place] for place in kept]
    wines, _ = _wines_of([(row.wine_id, row.about) for row in chosen], generation)
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


def _no_history() -> Histories:
    return Histories(
        np.zeros(2, dtype=np.int64),
        no_wines(0),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int16),
        np.zeros(0, dtype=bool),
        np.zeros(0, dtype=np.float32),
    )


def _wines_of(asked: Sequence[tuple[str, About | None]], generation: Generation) -> tuple[Wines, list[Basis]]:
    """Each wine's record and what it is based on: the catalogue, else what the request says about it, else nothing."""
    identities = np.array([identity("wine", wine_id) for wine_id, _ in asked], dtype=np.int64)
    rows = generation.index.rows_of(identities)
    records = np.empty(len(asked), dtype=WINE)
    known = rows >= 0
    records[known] = generation.wines[rows[known]]
    bases: list[Basis] = ["catalogue"] * len(asked)
    for place in np.flatnonzero(~known).tolist():
        records[place] = wine_record(None, _facts(asked[place][1]))
        told = records[place].copy()
        told["log_price"] = np.nan  # packed, and no feature reads it yet: a price alone tells the model nothing
        bases[place] = "prior" if told.tobytes() == _NOTHING_KNOWN else "about"
    return records, bases


def _facts(about: About | None) -> WineFacts:
    if about is None:
        return WineFacts()
    return WineFacts(about.producer, about.type, about.country, about.region, about.grapes, about.abv, price=about.price)

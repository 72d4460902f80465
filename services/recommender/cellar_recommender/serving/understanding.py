"""Turns a request into what everything else works on: whose histories and standings, which bottles, which moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellar_recommender.serving.bottles import Bottles
from cellar_recommender.serving.contract import MemberAsked, RecommenderRequest
from cellar_recommender.serving.filters import Hidden
from cellar_recommender.serving.ownership import Standing
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER, counted_before
from cellar_shared.events.scales import Scale
from cellar_shared.features.histories import Events, Histories, joined
from cellar_shared.features.identity import identity
from cellar_shared.service.asking import given_history, moment_at, scale_asked, stored_history
from cellar_shared.service.wire import About, HistoryRow
from cellar_shared.store.generation import Generation, Known


@dataclass(frozen=True, slots=True)
class Understood:
    """A request about M members as of `moment` (microseconds since 1970).

    `histories` hold the newest ratings of each that the towers look at, `liked_by` those that the chance of a like looks at.
    `bottles` are those of all members, `abouts` what the request says of wines, by id. `is_truncated`: somebody has rated more.
    """

    moment: int
    features_as_of: int
    histories: Histories
    liked_by: Histories
    standings: tuple[Standing, ...]
    bottles: Bottles
    abouts: dict[str, About]
    is_truncated: bool

    @property
    def day(self) -> int:
        """The day that the request is about, in days since 1970: windows are told as of it."""
        return self.moment // MICROSECONDS_PER_DAY

    @property
    def features_day(self) -> int:
        """The day before whose midnight wines' features count, in days since 1970."""
        return int(counted_before(np.array([self.features_as_of]))[0])


@dataclass(frozen=True, slots=True)
class _Member:
    histories: Histories
    liked_by: Histories
    standing: Standing
    is_truncated: bool


def members_of(request: RecommenderRequest) -> list[MemberAsked]:
    """Whom the request is about, one or several."""
    return request.members or [MemberAsked(request.member_id, request.history)]


def understand(
    request: RecommenderRequest, stored: Sequence[Known | None], moment: int, generation: Generation, limit: int, liking_limit: int
) -> Understood:
    """The request as of `moment`; `stored` is what the store knows of each of its members, None for a history that was given.

    `limit` and `liking_limit` are how many ratings back the towers and the chance of a like look. Problem for a rating or a time
    that cannot be.
    """
    scale = scale_asked(request.scale, generation)
    people: list[_Member] = []
    cellars: set[str | None] = set()  # whoever is asked for twice has each bottle once
    bottles = Bottles.none() if request.cellar is None else Bottles.given(request.cellar)
    for place, (asked, known) in enumerate(zip(members_of(request), stored, strict=True)):
        if asked.history is None:
            people.append(_stored(known, moment, generation, limit, liking_limit))
            if known is not None and known.cellar is not None and asked.member_id not in cellars:
                cellars.add(asked.member_id)
                bottles = bottles.with_more(Bottles.stored(known.cellar))
        else:
            pointer = "/history" if request.members is None else f"/members/{place}/history"
            people.append(_given(asked.history, scale, moment, generation, limit, liking_limit, pointer))
    return Understood(
        moment,
        generation.clamp(moment),
        joined([person.histories for person in people]),
        joined([person.liked_by for person in people]),
        tuple(person.standing for person in people),
        bottles,
        {bottle.wine_id: bottle.about for bottle in request.cellar or () if bottle.about is not None},
        any(person.is_truncated for person in people),
    )


def _stored(known: Known | None, moment: int, generation: Generation, limit: int, liking_limit: int) -> _Member:
    events = None if known is None else known.events
    histories, _, is_truncated = stored_history(events, moment, generation, limit)
    liked_by = histories if limit == liking_limit else stored_history(events, moment, generation, liking_limit)[0]
    hidden = Hidden.of() if known is None else Hidden.of(known.wishes.wines, known.wishes.producers, known.wishes.regions)
    return _Member(histories, liked_by, _standing(events, moment, generation, hidden), is_truncated)


def _standing(events: Events | None, moment: int, generation: Generation, hidden: Hidden) -> Standing:
    """What was rated before the moment; when an undated rating was given nobody knows: it counts as older than any."""
    if events is None or not len(events):
        return Standing(Standing.unknown().rated, Standing.unknown().liked, hidden)
    known = events[: int(np.searchsorted(events["moment"], moment))]
    if moment >= generation.manifest.events_through:
        known = np.concatenate([events[int(np.searchsorted(events["moment"], NEVER)) :], known])
    known = known[known["row"] >= 0]
    return Standing(generation.wines["wine"][known["row"]], known["liked"].astype(bool), hidden)


def _given(
    rows: Sequence[HistoryRow], scale: Scale, moment: int, generation: Generation, limit: int, liking_limit: int, pointer: str
) -> _Member:
    histories, _, is_truncated = given_history(rows, scale, moment, generation, limit, pointer)
    liked_by = histories if limit == liking_limit else given_history(rows, scale, moment, generation, liking_limit, pointer)[0]
    times = [None if row.rated_at is None else moment_at(row.rated_at, f"{pointer}/{at}/rated_at") for at, row in enumerate(rows)]
    ages = {at: -NEVER if time is None else time for at, time in enumerate(times) if time is None or time < moment}
    known = sorted(ages, key=ages.__getitem__)
    rated = np.array([identity("wine", rows[at].wine_id) for at in known], dtype=np.int64)
    liked = np.array([rows[at].rating >= scale.liked_from for at in known], dtype=bool)
    return _Member(histories, liked_by, Standing(rated, liked, Hidden.of()), is_truncated)

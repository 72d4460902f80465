"""Makes one answer out of a bundle, a generation and an understood request: allow, retrieve, rank, choose, tell; the service calls it.

No clock, no store, no lot: what goes in decides what comes out, so that a replay gives the list that was served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.catalogue import Catalogue, Catalogues
from cellar_recommender.serving.choosing import PINNED, Candidates, Chosen, choose, pinned_rows
from cellar_recommender.serving.choosing import Asked as Wanted
from cellar_recommender.serving.columns import WineColumns
from cellar_recommender.serving.contract import RecommenderRequest, Shortfall
from cellar_recommender.serving.filters import NO_FILTERS, Excluded
from cellar_recommender.serving.ladder import Rung
from cellar_recommender.serving.merging import QUOTAS
from cellar_recommender.serving.offering import Offer, offer_of, offer_of_cellar
from cellar_recommender.serving.ownership import Allowed, allow, shortfall
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.recommending import CANDIDATES, Ranking, rank_all, some_of
from cellar_recommender.serving.retrieving import Retrieved, first_allowed, merged, of_lists, retrieve_allowed
from cellar_recommender.serving.rules import Rules
from cellar_recommender.serving.sources import POPULAR, PRECOMPUTED, Asked, Shelf, popular
from cellar_recommender.serving.together import together
from cellar_recommender.serving.towers import everyones_likes
from cellar_recommender.serving.understanding import Understood
from cellar_shared.calibration.trailing import TrailingOffset
from cellar_shared.events.moments import counted_before
from cellar_shared.features.histories import UNKNOWN_VINTAGE, Histories, Questions
from cellar_shared.features.wines import Wines
from cellar_shared.store.generation import Generation
from cellar_shared.store.lists import Lists

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

LAST_STAGE: Final = "chance"  # of those that `recommend` tells of


@dataclass(frozen=True, slots=True)
class Engine:
    """A bundle on a generation with a shop's rules: all that answers are made of.

    `item_rows` (wines of the item-item weights,) int64 are their rows in the catalogue, -1 for none. `track`: the trailing
    offsets of the chance of a like, `lists` what a night computed; None where there are none yet.
    """

    recommender: Recommender
    generation: Generation
    catalogues: Catalogues
    item_rows: Int64s
    track: TrailingOffset | None
    lists: Lists | None
    rules: Rules


@dataclass(frozen=True, slots=True)
class Recommended:
    """The list: of each item `wine_ids`, identities `wines` (items,) and `vintages` (items,); `chances` (members, items) or None.

    `rung` says what ordered it, `allowed` what could have been offered; `is_of_bottles`: items are wines of bottles. `ranking` is of
    all candidates, None on the lower rungs; `vectors` (members, d) are the members' by the towers.
    """

    rung: Rung
    chosen: Chosen
    wine_ids: list[str]
    wines: Int64s
    vintages: Int64s
    chances: Float64s | None
    allowed: Allowed
    is_of_bottles: bool
    shortfall: Shortfall | None
    ranking: Ranking | None
    vectors: Float32s

    @property
    def matched(self) -> int:
        """How many wines could have been shown."""
        return self.allowed.matched


def recommend(
    engine: Engine,
    request: RecommenderRequest,
    understood: Understood,
    lists: Sequence[Int64s],
    seed: int,
    lap: Callable[[str], None],
    rung: Callable[[], Rung] = lambda: "ranked",
    catalogue: Catalogue | None = None,
) -> Recommended:
    """The list for `request`. `lists` are precomputed wines (identities) of its members, where there are any; `seed` is the lot's.

    `rung` is asked once, before the costly part, what there is time for; `lap` hears the name of each stage that ended.
    `catalogue` is that of the day whose features count, where it was made before: making one takes its time.
    """
    generation, recommender = engine.generation, engine.recommender
    filters, limit = request.filters or NO_FILTERS, int(request.limit)
    excluded = Excluded.of(request.exclude)
    day = understood.features_day
    catalogue = catalogue or engine.catalogues.at(day)
    today = engine.catalogues.own if catalogue is None else catalogue
    offer = _offer(request, understood, generation)
    columns = today.columns if offer is None else offer.columns
    allowed = allow(columns, request.intent, filters, excluded, understood.standings, understood.bottles, understood.day)
    lap("filter")
    step = rung()
    asked = recommender.asked(_questions(understood), generation.counts)
    vectors = recommender.sources.towers.members(asked.member)
    lap("features")
    found, quotas = _candidates(engine, request, offer, today, asked, vectors, allowed, lists, step, day)
    shelf = _shelf(engine, offer, catalogue, today, found.rows, day)
    totals = everyones_likes(generation.counts, day) if catalogue is None else catalogue.total_likes
    lap("retrieve")
    ranking = (
        rank_all(recommender.forest, recommender.sources, asked, vectors, shelf, totals) if step == "ranked" and len(found.rows) else None
    )
    lap("rank")
    vintages = offer.vintages[found.rows] if offer else np.full(len(found.rows), UNKNOWN_VINTAGE, dtype=np.int64)
    several = len(understood.standings) > 1
    chances = _chances(engine, understood, shelf.wines, vintages) if several and step == "ranked" else None
    scores = _scores(ranking, chances, len(found.rows))
    candidates = Candidates(_columns_of(offer, shelf.wines, found.rows), scores, shelf.vectors, found.owed, quotas)
    ordered = 0.0 if ranking is None else request.diversity
    chosen = choose(candidates, engine.rules, Wanted(request.intent, limit, ordered, request.explore, seed))
    lap("choose")
    if chances is None:
        chances = _chances(engine, understood, shelf.wines[chosen.places], vintages[chosen.places])
    else:
        chances = chances[:, chosen.places]
    lap(LAST_STAGE)
    rows = found.rows[chosen.places]
    return Recommended(
        step,
        chosen,
        generation.wine_ids(rows) if offer is None else [offer.wine_ids[row] for row in rows],
        candidates.columns.wines[chosen.places],
        vintages[chosen.places],
        chances,
        allowed,
        columns.is_of_bottles,
        shortfall(allowed, len(rows), limit if columns.is_of_bottles else min(limit, len(columns))),
        ranking,
        vectors,
    )


def _offer(request: RecommenderRequest, understood: Understood, generation: Generation) -> Offer | None:
    """What is chosen among, where it is not the whole catalogue."""
    if request.candidates is not None:
        return offer_of(request.candidates, generation)
    if request.intent == "open":
        return offer_of_cellar(understood.bottles, understood.abouts, generation)
    return None


def _candidates(
    engine: Engine,
    request: RecommenderRequest,
    offer: Offer | None,
    today: Catalogue,
    asked: Asked,
    vectors: Float32s,
    allowed: Allowed,
    lists: Sequence[Int64s],
    rung: Rung,
    day: int,
) -> tuple[Retrieved, dict[str, int]]:
    """What is ranked, and how many each source could give."""
    index = engine.generation.index
    if offer is not None:
        rows = _likeliest(engine, offer, today, vectors, np.flatnonzero(allowed.wines), rung, day)
        return Retrieved(rows, [offer.source] * len(rows)), {offer.source: CANDIDATES}
    quotas: dict[str, int] = dict(QUOTAS)
    if rung == "ranked":
        found = retrieve_allowed(engine.recommender.sources, today, index, engine.item_rows, asked, vectors, allowed.wines, lists)
    else:
        proposals = {POPULAR: first_allowed(today.popular, allowed.wines, CANDIDATES)}
        quotas = {POPULAR: CANDIDATES}
        if rung == "precomputed":
            proposals = {PRECOMPUTED: of_lists(lists, index, allowed.wines, CANDIDATES), **proposals}
            quotas = {PRECOMPUTED: CANDIDATES}
        found = merged(proposals, quotas, CANDIDATES)
    pinned = pinned_rows(engine.rules, request.intent, index, allowed.wines)
    pinned = pinned[~np.isin(pinned, found.rows)]
    if not len(pinned):
        return found, quotas
    return Retrieved(np.concatenate([found.rows, pinned]), [*found.owed, *[PINNED] * len(pinned)]), quotas | {PINNED: len(pinned)}


def _likeliest(engine: Engine, offer: Offer, today: Catalogue, vectors: Float32s, rows: Int64s, rung: Rung, day: int) -> Int64s:
    """What is ranked of `rows`: of too many those that the towers put first, for the mean of the members, as of `day`.

    On the lower rungs the most popular, best first: there nothing else orders them, and what no catalogue has is liked by nobody.
    """
    sources, generation = engine.recommender.sources, engine.generation
    if rung != "ranked":
        known = generation.index.rows_of(offer.columns.wines[rows])
        likes = np.where(known >= 0, popular(today.shelf.likes[np.maximum(known, 0)]), 0.0)
        return rows[np.lexsort((known, known < 0, -likes))[:CANDIDATES]]  # equal ones as the catalogue has them
    if len(rows) <= CANDIDATES:
        return rows
    shelf = sources.shelf(offer.records[rows], generation.counts, day)
    # Sorted, so that the order of the members changes not even the last bit.
    scores = np.sort(vectors @ shelf.vectors.T, axis=0).mean(axis=0)
    return np.sort(rows[np.argsort(-scores, kind="stable")[:CANDIDATES]])


def _shelf(engine: Engine, offer: Offer | None, catalogue: Catalogue | None, today: Catalogue, rows: Int64s, day: int) -> Shelf:
    """The candidates as of `day`."""
    if offer is None and catalogue is not None:
        return some_of(catalogue.shelf, rows)
    wines = today.shelf.wines[rows] if offer is None else offer.records[rows]
    return engine.recommender.sources.shelf(wines, engine.generation.counts, day)


def _scores(ranking: Ranking | None, chances: Float64s | None, candidates: int) -> Float64s:
    """What orders the candidates: (candidates,). Several members share a scale only in the chance that each likes a wine."""
    if ranking is None:
        return -np.arange(candidates, dtype=np.float64)
    if len(ranking.scores) == 1:
        scores: Float64s = ranking.scores[0].astype(np.float64)
        return scores
    if chances is not None:
        return together(chances)
    # Without chances each member's own order, from 1 for the best down to 0.
    places = np.argsort(np.argsort(-ranking.scores, axis=1, kind="stable"), axis=1)
    return together(1 - places / max(1, candidates - 1))


def _columns_of(offer: Offer | None, records: Wines, rows: Int64s) -> WineColumns:
    if offer is None:
        return WineColumns.of_candidates(records, records["wine"], np.full(len(records), UNKNOWN_VINTAGE, dtype=np.int64))
    named = offer.columns
    return WineColumns.of_candidates(records, named.wines[rows], offer.vintages[rows], is_of_bottles=named.is_of_bottles)


def _questions(understood: Understood) -> Questions:
    """The members as questions about no wine."""
    none = np.zeros(0, dtype=np.int64)
    return _about(understood, understood.histories, none, understood.histories.wines[:0], none)


def _about(understood: Understood, histories: Histories, member: Int64s, wines: Wines, vintages: Int64s) -> Questions:
    members = len(understood.standings)
    return Questions(
        histories,
        np.full(members, understood.moment, dtype=np.int64),
        member,
        wines,
        vintages.astype(np.int16),
        np.full(members, understood.features_as_of, dtype=np.int64),
    )


def _chances(engine: Engine, understood: Understood, wines: Wines, vintages: Int64s) -> Float64s | None:
    """The chance that each member likes each wine, as the preference service gives it; (members, wines), None without the artefact."""
    liking = engine.recommender.liking
    if liking is None:
        return None
    members = len(understood.standings)
    member = np.repeat(np.arange(members), len(wines))
    questions = _about(understood, understood.liked_by, member, np.tile(wines, members), np.tile(vintages, members))
    if not len(wines):
        return np.zeros((members, 0))
    track = engine.track or TrailingOffset.none()
    offsets = track.at(counted_before(questions.features_as_of))[member]
    encoded = liking.encode(questions, engine.generation.counts)
    return liking.predict_encoded(encoded, offsets).probabilities.reshape(members, len(wines))

"""An answer's items out of a made list: ids, chances, bottles and reasons as the contract has them; the service calls it last."""

from __future__ import annotations

import numpy as np

from cellar_recommender.serving.answering import Engine, Recommended
from cellar_recommender.serving.contract import BottleTold, Item, MemberChance, RecommendationReason
from cellar_recommender.serving.offering import vintage_told
from cellar_recommender.serving.ranking import of_wines
from cellar_recommender.serving.reasons import explain
from cellar_recommender.serving.understanding import Understood

DECIMALS = 6


def items_of(engine: Engine, made: Recommended, understood: Understood, *, with_reasons: bool) -> list[Item]:
    """The items, best first; reasons only where they are asked for and the list was ranked."""
    chosen = made.chosen
    bottles = understood.bottles.told(made.wines, made.vintages, made.allowed.bottles, understood.day, is_of_bottles=made.is_of_bottles)
    reasons = _reasons(engine, made, bottles) if with_reasons else [[] for _ in bottles]
    return [
        Item(
            position=place + 1,
            wine_id=made.wine_ids[place],
            vintage=vintage_told(int(made.vintages[place])),
            score=round(float(chosen.scores[place]), DECIMALS),
            probability=None if made.chances is None else round(float(made.chances[:, place].mean()), DECIMALS),
            source=chosen.sources[place],
            propensity=float(chosen.propensities[place]),
            members=_members(made, place),
            bottles=bottles[place],
            reasons=reasons[place],
        )
        for place in range(len(chosen.places))
    ]


def _members(made: Recommended, place: int) -> list[MemberChance]:
    """Each one's chance, where several were asked for."""
    if made.chances is None or len(made.chances) < 2:
        return []
    return [MemberChance(index, round(chance, DECIMALS)) for index, chance in enumerate(made.chances[:, place].tolist())]


def _reasons(engine: Engine, made: Recommended, bottles: list[list[BottleTold]]) -> list[list[RecommendationReason]]:
    ranking, places = made.ranking, made.chosen.places
    if ranking is None or not len(places):
        return [[] for _ in bottles]
    return explain(
        engine.recommender.trees,
        ranking.features[:, places],
        ranking.tower[:, places],
        np.asarray(ranking.tower.mean(axis=1)),
        of_wines(ranking.pool, places),
        engine.recommender.sources.item_item,
        engine.generation.names.called,
        bottles,
    )

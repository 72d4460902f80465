"""What a request chooses among: the whole catalogue, the wines that it names, or the bottles of those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellar_recommender.serving.bottles import Bottles
from cellar_recommender.serving.columns import Identities, Vintages, WineColumns
from cellar_recommender.serving.contract import WineNamed
from cellar_shared.features.histories import NON_VINTAGE, UNKNOWN_VINTAGE
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import Wines
from cellar_shared.service.asking import vintage_number, wines_of
from cellar_shared.service.wire import About, Vintage
from cellar_shared.store.generation import Generation

CELLAR = "cellar"
CANDIDATES = "candidates"


@dataclass(frozen=True, slots=True)
class Offer:
    """Wines that were named, each with its vintage once: `wine_ids` as they were written, `records` and `vintages`
    (wines,), `columns` to filter them by.

    `source` is what they count for in the answer.
    """

    source: str
    wine_ids: list[str]
    records: Wines
    vintages: Vintages
    columns: WineColumns


def offer_of(candidates: Sequence[WineNamed], generation: Generation) -> Offer:
    """The wines that a request names as `candidates`, in their order."""
    return _offer(CANDIDATES, [(wine.wine_id, vintage_number(wine.vintage), None) for wine in candidates], generation)


def offer_of_cellar(bottles: Bottles, abouts: dict[str, About], generation: Generation) -> Offer:
    """The wines that `bottles` hold, each vintage of its own; `abouts` describe those that no catalogue knows, by id."""
    held = zip(bottles.cellar.wine_ids, bottles.vintages.tolist(), strict=True)
    return _offer(CELLAR, [(wine_id, vintage, abouts.get(wine_id)) for wine_id, vintage in held], generation)


def _offer(source: str, named: Sequence[tuple[str, int, About | None]], generation: Generation) -> Offer:
    once = {(identity("wine", wine_id), vintage): (wine_id, about) for wine_id, vintage, about in reversed(named)}
    keys = list(reversed(once))
    wine_ids = [once[key][0] for key in keys]
    records, _ = wines_of([once[key] for key in keys], generation)
    wines: Identities = np.array([wine for wine, _ in keys], dtype=np.int64)
    vintages: Vintages = np.array([vintage for _, vintage in keys], dtype=np.int64)
    columns = WineColumns.of_candidates(records, wines, vintages, is_of_bottles=source == CELLAR)
    return Offer(source, wine_ids, records, vintages, columns)


def vintage_told(vintage: int) -> Vintage:
    """A vintage as an answer has it."""
    if vintage == UNKNOWN_VINTAGE:
        return None
    return "NV" if vintage == NON_VINTAGE else vintage

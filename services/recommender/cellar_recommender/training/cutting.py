"""Cuts histories at random, so that what learns from them is right for members of few and of no ratings too; towers and ranker call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cellar_recommender.training.rows import HISTORY_LIMIT
from cellar_shared.store.looking_back import Span

FIRST: Final = 5  # ratings of a member who has just begun


@dataclass(frozen=True, slots=True)
class Shares:
    """Of rows: those that look back at `whole` histories, at `nothing`, at their `first` five; the rest at the newest of any number."""

    whole: float
    nothing: float
    first: float


def cut_histories(full: Span, shares: Shares, rng: np.random.Generator) -> Span:
    """A random part of each row's history: all, none, the oldest five, or the newest of any number."""
    latest, first = full.latest(HISTORY_LIMIT), full.first(FIRST)
    draw = rng.random(len(full.begin))
    kept = np.floor(rng.random(len(full.begin)) * (latest.lengths + 1)).astype(np.int64)
    bounds = np.cumsum([shares.nothing, shares.first, 1 - shares.whole - shares.nothing - shares.first])
    kind = np.searchsorted(bounds, draw, side="right")
    begin = np.choose(kind, [latest.end, first.begin, latest.end - kept, latest.begin])
    end = np.choose(kind, [latest.end, first.end, latest.end, latest.end])
    return Span(begin, end)

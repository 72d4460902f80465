"""What a network must beat: the wine's own rate, biases with a trailing rate, and LightGBM on the same as-of features.

Each learns from the training rows of a split only and answers its test rows with probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression

from cellar_preference.training.fit import Recipe, cut_histories
from cellar_preference.training.network import pool, tensors
from cellar_preference.training.rows import RatedRows
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.store.looking_back import Span

Float64s = npt.NDArray[np.float64]

_PLACE: Final = {name: place for place, name in enumerate(WINE_FEATURES)}
MEMBER_BELIEF: Final = 3.0  # tastings' worth of belief in the average member
ROUNDS: Final = 400
LIGHTGBM: Final = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 31,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 20,
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as a plain table: wine features and pooled statistics of the history; (rows, columns) float32."""

    values: npt.NDArray[np.float32]
    history: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: RatedRows, span: Span, size: int = 4096) -> Table:
        """The table for every row, looking back at `span`."""
        parts: list[npt.NDArray[np.float32]] = []
        order = np.argsort(span.lengths, kind="stable")
        for begin in range(0, len(order), size):
            places = order[begin : begin + size]
            arrays = tensors(rows.batch(places, span.only(places)).inputs())
            statistics = pool(*(arrays[name] for name in ("wine", "item", "years_ago", "mask", "match")))[0]
            parts.append(torch.cat([arrays["wine"], statistics], dim=1).numpy())
        values = np.empty((len(order), parts[0].shape[1] if parts else 0), dtype=np.float32)
        values[order] = np.concatenate(parts)
        return cls(values, span.lengths)


def wine_rate(test: RatedRows) -> Float64s:
    """The wine's own share of likes, drawn to its groups' where it has few; nothing of the member."""
    return 1 / (1 + np.exp(-test.wine_features[:, _PLACE["wine_chance"]].astype(np.float64)))


def biases(train: RatedRows, test: RatedRows, span: Span) -> Float64s:
    """Member bias and wine bias on top of everyone's trailing rate, weighed by a logistic regression."""

    def columns(rows: RatedRows, looked_back: Span) -> Float64s:
        totals = np.concatenate([[0.0], np.cumsum(rows.items.values[:, 0], dtype=np.float64)])
        above = totals[looked_back.end] - totals[looked_back.begin]
        member = above / (looked_back.lengths + MEMBER_BELIEF)
        wine = rows.wine_features[:, [_PLACE["everyone_likes"], _PLACE["wine_chance"]]].astype(np.float64)
        return np.column_stack([wine, member])

    model = LogisticRegression(C=100.0, max_iter=500).fit(columns(train, train.latest()), train.labels)
    return np.asarray(model.predict_proba(columns(test, span))[:, 1])


def boosted(train: RatedRows, test: RatedRows, span: Span, recipe: Recipe, threads: int) -> Float64s:
    """LightGBM on the table, trained on histories cut at random as the network's are."""
    cut = cut_histories(train.full, recipe, np.random.default_rng(recipe.seed))
    data = lightgbm.Dataset(Table.of(train, cut).values, train.labels)
    model = lightgbm.train({**LIGHTGBM, "num_threads": threads}, data, ROUNDS)
    return np.asarray(model.predict(Table.of(test, span).values))

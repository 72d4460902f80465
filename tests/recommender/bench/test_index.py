"""The measuring of an index: that its figures are of the index it was given. No time is judged."""

from __future__ import annotations

import numpy as np

from cellar_recommender.bench.index import SHARES, measure_index
from cellar_recommender.serving.ann.index import LADDER, LEAST_RECALL, Index


def test_what_is_measured_is_the_index_that_was_given():
    draw = np.random.default_rng(0)
    # Lengths differ: cells by inner product would all but miss these.
    vectors = (draw.normal(size=(30_000, 16)) * np.exp(draw.normal(size=(30_000, 1)) * 0.3)).astype(np.float32)
    queries = draw.normal(size=(16, 16)).astype(np.float32)
    index = Index.build(vectors, 1, probes=queries[:8], exact_up_to=0)
    figures = measure_index(index, queries[8:], rounds=2)
    assert (figures.wines, figures.dimensions, figures.queries, figures.rounds) == (30_000, 16, 8, 2)
    assert figures.tried[-1].setting in LADDER[:3]
    assert figures.tried[-1].recall >= LEAST_RECALL
    assert 0.97 < figures.recall <= 1
    assert [under.share for under in figures.filtered] == list(SHARES)
    assert figures.filtered[-1].recall == 1.0  # so few are scored exactly
    assert min(figures.search_ms, figures.flat_ms, figures.ratio, *(under.search_ms for under in figures.filtered)) > 0

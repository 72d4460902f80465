"""The measuring of an index: that its figures are of the index it was given. No time is judged."""

from __future__ import annotations

import numpy as np

from cellar_recommender.serving.ann.bench import bench_index
from cellar_recommender.serving.ann.index import LADDER, LEAST_RECALL


def test_a_bench_measures_the_index_that_it_built_and_kept(tmp_path):
    draw = np.random.default_rng(0)
    # Lengths differ: cells by inner product would all but miss these.
    vectors = (draw.normal(size=(30_000, 16)) * np.exp(draw.normal(size=(30_000, 1)) * 0.3)).astype(np.float32)
    queries = draw.normal(size=(16, 16)).astype(np.float32)
    figures = bench_index(vectors, queries, threads=1, rounds=2, exact_up_to=0, folder=tmp_path)
    assert (figures.wines, figures.dimensions) == vectors.shape
    assert figures.tried[-1].setting in LADDER[:3]
    assert figures.tried[-1].recall >= LEAST_RECALL
    assert figures.recall > 0.97
    assert figures.filtered_recall[0.01] == 1.0
    assert set(figures.filtered_ms) == {0.5, 0.1, 0.01}
    kept = sum(file.stat().st_size for file in (tmp_path / "index").iterdir())
    assert figures.folder_mib == kept / 2**20
    assert len(figures.pss_mib) == 2
    assert all(pss < rss for pss, rss in zip(figures.pss_mib, figures.rss_mib, strict=True))

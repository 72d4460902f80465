"""The index of embeddings: exact, compressed, under filters, kept and opened."""

from __future__ import annotations

import resource
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellar_recommender.serving.ann import exact
from cellar_recommender.serving.ann.compressed import Setting
from cellar_recommender.serving.ann.index import CODES, MANIFEST, VECTORS, Index
from cellar_recommender.serving.ann.probe import probes_of, recall_at
from cellar_shared.errors import BadInput, Incompatible

SMALL = Setting(lists=16, probed=8, dims_a_code=1, reranked=900)
MOST = float(np.float32(exact.LARGEST))
WINES = 24_000  # more than a filter is scored exactly under


def clustered(wines: int, dimensions: int = 16, seed: int = 0) -> np.ndarray:
    """Vectors around 40 centres of unequal sizes."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(40, dimensions))
    shares = 1 / np.arange(1, 41)
    return (centres[draw.choice(40, size=wines, p=shares / shares.sum())] + draw.normal(size=(wines, dimensions)) * 0.4).astype(np.float32)


@pytest.fixture(scope="module")
def compressed() -> Index:
    return Index.build(clustered(WINES), 1, exact_up_to=0, ladder=[SMALL], least_recall=0.9)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return probes_of(clustered(WINES), seed=5)


def by_brute_force(vectors, query, k, allowed=None):
    """Every pair in float64, sorted by score and then by row."""
    scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    rows = np.arange(len(vectors)) if allowed is None else np.unique(allowed)
    rows = rows[np.lexsort((rows, -scores[rows]))][:k]
    return rows.tolist(), scores[rows].tolist()


@st.composite
def small_catalogues(draw):
    """Vectors with many equal rows and equal scores, queries, a k, and what is allowed."""
    wines, dimensions, asked = draw(st.integers(0, 40)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    few, most = st.sampled_from([0.0, 1.0, -1.0, 0.5]), st.floats(-MOST, MOST, width=32)
    values = few if draw(st.booleans()) else most
    vectors = draw(arrays(np.float32, (wines, dimensions), elements=values))
    queries = draw(arrays(np.float32, (asked, dimensions), elements=values))
    repeated = draw(st.lists(st.integers(0, wines - 1), max_size=60)) if wines else []
    vectors = np.concatenate([vectors, vectors[np.array(repeated, dtype=np.int64)]])
    allowed = draw(st.none() | st.lists(st.integers(0, len(vectors) - 1), max_size=50)) if len(vectors) else None
    return vectors, queries, draw(st.integers(1, 120)), None if allowed is None else np.array(allowed, dtype=np.int64)


@given(small_catalogues())
def test_exact_is_brute_force_with_ties_decided_by_row(case):
    vectors, queries, k, allowed = case
    found = Index.build(vectors, 1).search(queries, k, allowed)
    assert found.rows.shape == found.scores.shape == (len(queries), k)
    assert (found.rows.dtype, found.scores.dtype) == (np.int32, np.float32)
    for place, query in enumerate(queries):
        rows, scores = by_brute_force(vectors, query, k, allowed)
        assert found.rows[place, : len(rows)].tolist() == rows
        assert found.scores[place, : len(rows)].tolist() == scores
        assert (found.rows[place, len(rows) :] == -1).all()
        assert (found.scores[place, len(rows) :] == -np.inf).all()


@given(small_catalogues())
def test_a_mask_and_its_rows_allow_the_same(case):
    vectors, queries, k, allowed = case
    mask = np.zeros(len(vectors), dtype=np.bool_)
    mask[[] if allowed is None else allowed] = True
    index = Index.build(vectors, 1)
    by_mask, by_rows = index.search(queries, k, mask), index.search(queries, k, np.flatnonzero(mask))
    assert by_mask.rows.tolist() == by_rows.rows.tolist()


@pytest.mark.parametrize("wines", [3_000, 200_000])
def test_exact_finds_the_same_in_a_batch_as_one_by_one(wines):
    vectors = np.tile(clustered(wines // 100), (100, 1))  # each vector a hundred times: BLAS scores equal ones differently
    index = Index.build(vectors, 1, exact_up_to=wines)
    queries = probes_of(vectors)[:20]
    batch = index.search(queries, 250)
    for place in range(len(queries)):
        one = index.search(queries[place : place + 1], 250)
        assert one.rows[0].tolist() == batch.rows[place].tolist()
        assert one.scores[0].tolist() == batch.scores[place].tolist()
    assert batch.rows[0].tolist() == by_brute_force(vectors, queries[0], 250)[0]


def test_a_compressed_index_finds_in_a_batch_what_it_finds_one_by_one(compressed, queries):
    batch = compressed.search(queries, 300)
    for place in range(len(queries)):
        one = compressed.search(queries[place : place + 1], 300)
        assert one.rows[0].tolist() == batch.rows[place].tolist()
        assert one.scores[0].tolist() == batch.scores[place].tolist()


def test_a_compressed_index_scores_exactly_and_in_order(compressed, queries):
    found = compressed.search(queries, 300)
    for place, query in enumerate(queries):
        assert found.scores[place].tolist() == exact.scores_of(compressed.vectors[found.rows[place]], query).tolist()
        assert (np.diff(found.scores[place]) <= 0).all()
        assert len(set(found.rows[place].tolist())) == 300


@given(share=st.floats(0, 1), k=st.sampled_from([1, 30, 700]), seed=st.integers(0, 1_000))
def test_a_filter_is_kept_and_filled(compressed, queries, share, k, seed):
    allowed = np.random.default_rng(seed).random(WINES) < share
    found = compressed.search(queries[:4], k, allowed)
    filled = min(k, int(allowed.sum()))
    assert (found.rows[:, :filled] >= 0).all()
    assert (found.rows[:, filled:] == -1).all()
    assert allowed[found.rows[:, :filled]].all()


def test_a_filter_far_from_the_query_is_filled_with_the_best_that_is_left(compressed, queries):
    for query in queries[:8]:
        scores = exact.scores_of(compressed.vectors, query)
        allowed = scores <= np.sort(scores)[21_000]  # the 3,000 best are not allowed, and many are
        found = compressed.search(query[np.newaxis], 300, allowed)
        wanted = exact.search(compressed.vectors, compressed.longest, query[np.newaxis], 300, np.flatnonzero(allowed))
        assert allowed[found.rows].all()
        assert (found.scores >= wanted.scores[:, -1:]).mean() > 0.8


def test_cells_that_are_not_probed_never_leave_a_list_unfilled(queries):
    vectors = clustered(WINES)
    setting = Setting(lists=64, probed=1, dims_a_code=2, reranked=600)
    index = Index.build(vectors, 1, exact_up_to=0, ladder=[setting], least_recall=0)
    found = index.search(queries, 2_000)
    assert (found.rows >= 0).all()


def test_more_wanted_than_there_are_wines_gives_all_of_them(compressed, queries):
    found = compressed.search(queries[:2], WINES + 5)
    assert np.sort(found.rows[0])[:5].tolist() == [-1] * 5
    assert sorted(found.rows[0][:WINES].tolist()) == list(range(WINES))


@pytest.mark.parametrize("dimensions", [1, 7, 16])
def test_any_number_of_dimensions_can_be_compressed(dimensions):
    vectors = clustered(3_000, dimensions)
    index = Index.build(vectors, 1, exact_up_to=0, ladder=[SMALL], least_recall=0)
    assert recall_at(index, probes_of(vectors, 3), 100) > 0.9


def test_an_empty_index_finds_nothing(tmp_path):
    index = Index.build(np.zeros((0, 4), dtype=np.float32), 1)
    index.save(tmp_path / "index")
    for one in (index, Index.open(tmp_path / "index")):
        found = one.search(np.ones((2, 4), dtype=np.float32), 3)
        assert found.rows.tolist() == [[-1] * 3] * 2
        assert recall_at(one, np.ones((2, 4), dtype=np.float32), 3) == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e15])
def test_what_cannot_be_compared_is_refused_by_its_row(compressed, bad):
    vectors = clustered(70_000, 2)
    vectors[66_001, 1] = bad
    with pytest.raises(BadInput, match=r"vectors\[66001\]"):
        Index.build(vectors, 1)
    queries = np.zeros((3, 16), dtype=np.float32)
    queries[2, 3] = bad
    with pytest.raises(BadInput, match=r"queries\[2\]"):
        compressed.search(queries, 5)


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (np.ones(WINES - 1, dtype=np.bool_), "mask of 23999"),
        (np.array([0, WINES]), f"row {WINES}"),
        (np.array([-1, 3]), "row -1"),
        (np.array([0.5]), "float64"),
        (np.ones((2, WINES), dtype=np.bool_), "2 dimensions"),
    ],
)
def test_what_is_allowed_must_be_of_this_index(compressed, queries, allowed, said):
    with pytest.raises(BadInput, match=said):
        compressed.search(queries, 5, allowed)


def test_queries_of_another_width_and_no_k_are_refused(compressed, queries):
    with pytest.raises(BadInput, match=r"queries has shape \(64, 15\)"):
        compressed.search(queries[:, :15], 5)
    with pytest.raises(BadInput, match="k is 0"):
        compressed.search(queries, 0)


def test_threads_and_repetition_change_no_byte(tmp_path, compressed):
    names = set()
    for name, threads in (("one", 1), ("two", 2), ("again", 1)):
        index = Index.build(clustered(WINES), threads, exact_up_to=0, ladder=[SMALL], least_recall=0.9)
        names.add(tuple(index.save(tmp_path / name).files.items()))
    assert len(names) == 1


@pytest.mark.parametrize("exact_up_to", [0, WINES])
def test_what_is_kept_and_opened_answers_the_same(tmp_path, queries, exact_up_to):
    built = Index.build(clustered(WINES), 1, exact_up_to=exact_up_to, ladder=[SMALL], least_recall=0.9)
    built.save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    assert (opened.longest, opened.tried) == (built.longest, built.tried)
    for allowed in (None, np.arange(0, WINES, 2), np.arange(WINES) % 10 > 0):
        was, now = built.search(queries, 300, allowed), opened.search(queries, 300, allowed)
        assert was.rows.tolist() == now.rows.tolist()
        assert was.scores.tolist() == now.scores.tolist()


def test_codes_that_a_disk_has_no_room_for_are_an_error_of_the_disk(tmp_path, compressed):
    most, largest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, largest))
    try:
        with pytest.raises(OSError, match="cannot be written"):
            compressed.compressed.write(tmp_path / CODES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, largest))


def test_an_opened_index_outlives_its_folder(tmp_path, compressed, queries):
    compressed.save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    shutil.rmtree(tmp_path / "index")
    assert (opened.search(queries, 50).rows == compressed.search(queries, 50).rows).all()


def test_an_opened_index_is_mapped_from_its_files(tmp_path, compressed, queries):
    compressed.save(tmp_path / "index")
    opened = Index.open(tmp_path / "index")
    opened.search(queries, 10)
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        mapped = maps.read()
    assert str(tmp_path / "index" / VECTORS) in mapped
    assert str(tmp_path / "index" / CODES) in mapped


@pytest.mark.parametrize("name", [VECTORS, CODES, MANIFEST])
def test_a_damaged_or_missing_file_is_named(tmp_path, compressed, name):
    compressed.save(tmp_path / "index")
    file = tmp_path / "index" / name
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=name):
        Index.open(tmp_path / "index")
    file.unlink()
    with pytest.raises(BadInput, match=name):
        Index.open(tmp_path / "index")


def test_another_faiss_is_refused(tmp_path, compressed):
    compressed.save(tmp_path / "index")
    file = tmp_path / "index" / MANIFEST
    file.write_text(file.read_text().replace('"faiss": "', '"faiss": "0.'))
    with pytest.raises(Incompatible, match="build the index again"):
        Index.open(tmp_path / "index")


def test_a_build_that_finds_too_little_goes_on_to_a_more_exact_setting():
    vectors = np.random.default_rng(2).normal(size=(WINES, 16)).astype(np.float32)
    coarse = Setting(lists=4, probed=1, dims_a_code=8, reranked=300)
    index = Index.build(vectors, 1, exact_up_to=0, ladder=[coarse, None])
    assert [one.setting for one in index.tried] == [coarse, None]
    assert index.tried[0].recall < 0.9
    assert index.compressed is None
    assert recall_at(index, probes_of(vectors, 1), 50) == 1.0


def test_a_build_that_may_not_scan_all_says_what_it_found():
    vectors = np.random.default_rng(2).normal(size=(WINES, 16)).astype(np.float32)
    coarse = Setting(lists=4, probed=1, dims_a_code=8, reranked=300)
    with pytest.raises(Incompatible, match=r"recall@300 is 0\.\d+ with Setting\(lists=4"):
        Index.build(vectors, 1, exact_up_to=0, ladder=[coarse])


def test_recall_counts_what_was_missed(compressed, queries):
    class Half:
        vectors, longest = compressed.vectors, compressed.longest

        def search(self, queries, k, allowed=None):
            found = exact.search(self.vectors, self.longest, queries, k)
            found.scores[:, k // 2 :] = -np.inf
            return found

    assert recall_at(Half(), queries, 100) == 0.5

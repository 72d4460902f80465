"""Laws of the splits: what is asked is never learnt from, what is cold is nowhere, and all of it is seeded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.evaluation.splits import (
    COLD_MEMBER_SHARE,
    COLD_MONTHS,
    COLD_WINE_FEWEST,
    DAYS_PER_MONTH,
    FEWEST_ROWS,
    MAKERS,
    WARM_SHARE,
    make_splits,
)
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.features.histories import EVENT
from cellar_shared.features.wines import no_wines
from cellar_shared.store.rating_log import RatingLog

DAY = MICROSECONDS_PER_DAY
YEARS = 4
LAW = settings(max_examples=15, deadline=None, derandomize=True)


def make_log(seed, ratings=600, members=40, wines=30, undated=0.05, orphans=0.05):
    """Ratings over four years, some dated to the day, some undated, some of wines that the catalogue lacks."""
    generator = np.random.default_rng(seed)
    events = np.zeros(ratings, dtype=EVENT)
    days = generator.integers(17_000, 17_000 + YEARS * 365, ratings)
    time = np.where(generator.random(ratings) < 0.5, DAY - 1, generator.integers(0, DAY, ratings))
    events["moment"] = np.where(generator.random(ratings) < undated, NEVER, days * DAY + time)
    events["row"] = np.where(generator.random(ratings) < orphans, -1, generator.integers(0, wines, ratings))
    events["liked"] = generator.random(ratings) < 0.5
    who = generator.integers(0, members, ratings).astype(np.int32)
    order = np.lexsort((events["moment"], who))
    names = np.array([f"m{member:03d}" for member in range(members)])
    return RatingLog(np.arange(wines).astype(str), no_wines(wines), names, who[order], events[order], np.arange(ratings, dtype=np.uint64))


# Drawn as arguments of make_log: a law that fails says them, not the log.
logs = st.fixed_dictionaries({"seed": st.integers(0, 10_000), "members": st.integers(5, 60), "wines": st.integers(1, 60)})
seeds = st.integers(0, 100)


def split_named(log, name, seed=0):
    (split,) = make_splits(log, seed, (name,))
    return split


@LAW
@given(logs, seeds)
def test_no_rating_asked_about_is_learnt_from_and_all_that_is_lies_before_the_cut(drawn, seed):
    log = make_log(**drawn)
    splits = make_splits(log, seed)
    assert [split.name for split in splits] == list(MAKERS)
    for split in splits:
        moments = log.events["moment"]
        assert not (split.test & split.train).any()
        assert (moments[split.train] < split.cut).all()
        assert (moments[split.test] >= split.cut).all()
        assert not (split.train & ~split.counted).any()
        assert not ((split.train | split.test | split.counted | split.visible) & (moments == NEVER)).any()
        assert len(split.note) > 0


@LAW
@given(logs, seeds, st.sampled_from(["members_5", "members_0"]))
def test_cold_members_are_asked_about_and_never_learnt_from_or_counted(drawn, seed, name):
    log = make_log(**drawn)
    split = split_named(log, name, seed)
    dated = log.events["moment"] != NEVER
    cold = np.unique(log.members[dated & ~split.counted])
    assert len(cold) <= np.ceil(COLD_MEMBER_SHARE * len(log.member_ids))
    assert set(log.members[split.test].tolist()) <= set(cold.tolist())
    assert not np.isin(log.members[split.train | split.counted], cold).any()
    assert (split.visible == dated).all()
    place = np.arange(len(log.members)) - log.offsets[log.members]
    assert split.history.first == int(name.removeprefix("members_"))
    assert (place[split.test] >= split.history.first).all()
    asked = dated & np.isin(log.members, cold) & (log.events["moment"] >= split.cut) & (place >= split.history.first)
    assert (split.test == asked).all()


def test_both_cold_member_splits_are_about_the_same_members():
    log = make_log(1)
    five, none = (split_named(log, name, seed=3) for name in ("members_5", "members_0"))
    assert (five.counted == none.counted).all()
    assert not (five.test & ~none.test).any()


@LAW
@given(logs, seeds)
def test_cold_wines_are_asked_about_and_never_learnt_from_counted_or_in_a_history(drawn, seed):
    log = make_log(**drawn)
    split = split_named(log, "cold_wines", seed)
    rows, dated = log.events["row"], log.events["moment"] != NEVER
    cold = np.unique(rows[dated & ~split.counted])
    assert -1 not in cold
    assert set(rows[split.test].tolist()) <= set(cold.tolist())
    assert not np.isin(rows[split.train | split.counted | split.visible], cold).any()
    assert all((dated & (rows == wine)).sum() >= COLD_WINE_FEWEST for wine in cold)
    assert split.cluster == "wine"


@LAW
@given(logs, seeds)
def test_the_warm_split_asks_about_the_latest_ratings_of_members_and_wines_seen_before_the_cut(drawn, seed):
    log = make_log(**drawn)
    split = split_named(log, "warm", seed)
    dated, rows = log.events["moment"] != NEVER, log.events["row"]
    late = dated & (log.events["moment"] >= split.cut)
    assert late.sum() == pytest.approx(WARM_SHARE * dated.sum(), abs=2)
    seen = np.isin(log.members, log.members[split.train]) & np.isin(rows, rows[split.train]) & (rows >= 0)
    assert (split.test == (late & seen)).all()


@pytest.mark.parametrize(("name", "months"), [("frozen_12", 12), ("frozen_18", 18)])
def test_a_frozen_model_learns_nothing_of_the_months_before_its_test_and_goes_on_counting(name, months):
    log = make_log(2)
    split = split_named(log, name)
    moments, dated = log.events["moment"], log.events["moment"] != NEVER
    gap_days = (moments[split.test].min() - moments[split.train].max()) / DAY
    assert months * DAYS_PER_MONTH - 1 <= gap_days <= months * DAYS_PER_MONTH + 15
    assert (split.counted == dated).all()
    assert (split.visible == dated).all()
    assert (split.test == (dated & (moments >= moments[split.test].min()))).all()


def test_the_cold_splits_end_with_the_log_and_reach_back_their_months():
    log = make_log(3)
    end = log.events["moment"][log.events["moment"] != NEVER].max()
    for name in ("members_5", "members_0", "cold_wines"):
        assert (end - split_named(log, name).cut) / DAY == pytest.approx(COLD_MONTHS * DAYS_PER_MONTH, abs=1)


def test_the_same_seed_draws_the_same_splits_and_another_seed_others():
    log = make_log(4)
    one, again, other = (make_splits(log, seed) for seed in (7, 7, 8))
    for name in ("counted", "visible", "train", "test"):
        assert all((getattr(a, name) == getattr(b, name)).all() for a, b in zip(one, again, strict=True))
    drawn = [place for place, split in enumerate(one) if split.name in ("members_5", "members_0", "cold_wines")]
    assert all((one[place].counted != other[place].counted).any() for place in drawn)
    alone = split_named(log, "cold_wines", seed=7)
    assert (alone.test == one[list(MAKERS).index("cold_wines")].test).all()  # a split does not hang on those made beside it


def test_a_log_that_is_too_small_and_a_split_there_is_not_are_refused():
    least = 2 * FEWEST_ROWS
    make_splits(make_log(5, ratings=least, undated=0), seed=0)
    with pytest.raises(BadInput, match=f"{least - 1} dated ratings are too few to evaluate on; {least} is the least"):
        make_splits(make_log(5, ratings=least - 1, undated=0), seed=0)
    with pytest.raises(BadInput, match="0 dated ratings"):
        make_splits(make_log(5, undated=1.0), seed=0)
    with pytest.raises(BadInput, match="split lukewarm is not known; there are warm, members_5"):
        make_splits(make_log(5), seed=0, only=("warm", "lukewarm"))


def test_where_no_wine_was_rated_often_the_cold_wine_split_asks_nothing():
    split = split_named(make_log(6, wines=5000), "cold_wines")
    assert not split.test.any()
    assert split.train.any()

"""Scores order a cellar's wines: one's own before the community's, a defective bottle says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from cellar_shared.events.tables import dtypes_of
from cellar_tonight.taste import by_scores


def ratings_of(*rows):
    full = [
        {"event_id": f"e{place}", "member_id": "me", "wine_id": "ct:1", "scale": "0-100", "like": False, "time_precision": "date"}
        | {"defective": False, "source": "cellartracker"}
        | row
        for place, row in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=dtypes_of("ratings"))


def test_ones_own_latest_score_counts_before_the_communitys(wines_of):
    ratings = ratings_of(
        {"rating_raw": 80.0, "rated_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"rating_raw": 95.0, "rated_at": datetime(2022, 1, 1, tzinfo=UTC)},
        {"rating_raw": 70.0, "rated_at": None},
    )
    wines = wines_of({"community_score": 85.0}, {"wine_id": "ct:2", "community_score": 95.0}, {"wine_id": "ct:3"})
    found = by_scores(wines, ratings).of
    assert (found["ct:1"].basis, found["ct:1"].own_score, found["ct:1"].chance) == ("own", 95.0, pytest.approx(0.7))
    assert (found["ct:2"].basis, found["ct:2"].chance) == ("community", pytest.approx(0.6))
    assert (found["ct:3"].basis, found["ct:3"].chance) == (None, None)


def test_a_defective_bottle_says_nothing_of_the_wine(wines_of):
    found = by_scores(wines_of(), ratings_of({"rating_raw": 50.0, "defective": True})).of
    assert found["ct:1"].basis is None


@pytest.mark.parametrize(("score", "chance"), [(100.0, 0.9), (40.0, 0.05), (90.0, 0.5)])
def test_a_score_never_makes_a_certainty(wines_of, score, chance):
    assert by_scores(wines_of(), ratings_of({"rating_raw": score})).of["ct:1"].chance == pytest.approx(chance)

"""One path for every history and every moment: stored or given, now or then, whole or cut, the answer is the same."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from cellar_preference.serving.contract import PreferenceRequest, WineAsked
from cellar_preference.serving.service import PreferenceService
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, datetime_of, iso_of, moment_of
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.problems import Problem
from cellar_shared.service.timing import Stages
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

AS_OF = "2021-06-15T12:00:00Z"
NOON = moment_of(datetime(2021, 6, 15, 12, tzinfo=UTC))
SAME = 1e-6
# Counts are kept as float32 of running sums: a shorter log adds them up in another order.
SAME_COUNTS = 1e-5
LAST_EVENT = "2021-12-31T12:10:10.000001Z"


def before(ratings, moment):
    return ratings.filter(pl.col("moment") < moment)


@pytest.mark.parametrize("moment", ["2015-03-01T00:00:00Z", "2019-11-30T18:30:00Z", AS_OF, "2022-01-01T00:00:00Z"])
def test_a_history_given_in_the_request_is_answered_as_the_same_history_stored(client, ratings, as_history, busiest, wine_ids, moment):
    compared = 0
    for member in busiest[:12]:
        own = before(ratings.filter(pl.col("member_id") == member), moment_of(datetime.fromisoformat(moment)))
        stored = client.ask(*wine_ids, member_id=member, as_of=moment)
        given = client.ask(*wine_ids, history=as_history(own), as_of=moment)
        chances = [[result.pop("probability") for result in answer["results"]] for answer in (stored, given)]
        assert chances[0] == pytest.approx(chances[1], abs=SAME)
        assert stored["results"] == given["results"]
        assert {result["evidence"]["own_tastings"] for result in stored["results"]} == {own.height}
        compared += own.height
    assert compared > 12


def test_a_rating_counts_after_its_own_moment_and_not_at_it(client, ratings, busiest, wine_ids):
    own = ratings.filter(pl.col("member_id") == busiest[0])
    moment = own["moment"][own.height // 2]
    at, after = (client.ask(*wine_ids, member_id=busiest[0], as_of=iso_of(when)) for when in (moment, moment + 1))
    tastings = [answer["results"][0]["evidence"]["own_tastings"] for answer in (at, after)]
    assert tastings[1] > tastings[0] == before(own, moment).height
    assert [result["probability"] for result in at["results"]] != [result["probability"] for result in after["results"]]


def test_a_rating_dated_to_a_day_counts_from_the_following_midnight(client, ratings):
    row = ratings.filter(pl.col("time_precision") == "date").row(0, named=True)
    midnight = row["moment"] + 1
    assert midnight % MICROSECONDS_PER_DAY == 0
    own = ratings.filter(pl.col("member_id") == row["member_id"])
    for moment in (midnight - 1, midnight):
        answer = client.ask("w", member_id=row["member_id"], as_of=iso_of(moment))
        assert answer["results"][0]["evidence"]["own_tastings"] == before(own, moment).height


def test_ratings_after_the_moment_asked_about_are_left_out_and_counted(client, ratings, as_history, busiest, wine_ids):
    own = ratings.filter(pl.col("member_id") == busiest[0])
    past = as_history(before(own, NOON))
    assert past
    at_noon = {"wine_id": wine_ids[0], "rating": 1, "rated_at": AS_OF}
    whole = client.ask(*wine_ids, history=[at_noon, *as_history(own)], as_of=AS_OF)
    assert whole["history_ignored"] == 1 + own.height - len(past)
    assert whole["results"] == client.ask(*wine_ids, history=past, as_of=AS_OF)["results"]


def test_the_order_in_which_a_history_is_given_does_not_matter(client, ratings, as_history, busiest, wine_ids):
    history = as_history(ratings.filter(pl.col("member_id") == busiest[0]).unique("moment", maintain_order=True))
    assert client.chances(*wine_ids, history=history[::-1]) == client.chances(*wine_ids, history=history)


def test_a_rating_without_a_date_is_a_year_old(client, wine_ids):
    rated = {"wine_id": wine_ids[0], "rating": 5}
    dated = rated | {"rated_at": "2020-06-15T12:00:00Z"}
    undated, a_year_old = (client.chances(*wine_ids, history=[row], as_of=AS_OF) for row in (rated, dated))
    assert undated == a_year_old


def test_undated_ratings_count_alike_stored_and_given(connect, line, ratings, data_of, busiest, wine_ids, tmp_path):
    member = busiest[0]
    own = pl.col("member_id") == member
    undated = ratings.with_columns(
        rated_at=pl.when(~own).then("rated_at"), time_precision=pl.when(own).then(pl.lit("unknown")).otherwise("time_precision")
    )
    materialize(data_of(tmp_path / "undated", undated), LmdbStore(tmp_path / "store"), say=lambda _: None)
    client = connect(line.bundle, tmp_path / "store").start()
    rows = undated.filter(own).sort("event_id").select("wine_id", "vintage", rating="rating_raw").to_dicts()
    history = [row | {"vintage": "NV" if row["vintage"] == 0 else row["vintage"]} for row in rows]
    now = datetime(2021, 12, 31, 20, tzinfo=UTC).isoformat()  # the last event's own day
    stored, given = (client.ask(*wine_ids, **who, as_of=now) for who in ({"member_id": member}, {"history": history}))
    assert stored["results"][0]["evidence"]["own_tastings"] == len(history) > 5
    assert [result["probability"] for result in stored["results"]] == pytest.approx(
        [result["probability"] for result in given["results"]], abs=SAME
    )


@pytest.mark.parametrize("place", [0.3, 0.7, 0.98])  # the last: after the end of training, where trailing offsets act
def test_an_answer_as_of_the_past_is_that_of_a_generation_made_of_the_past(
    client, connect, line, ratings, data_of, busiest, wine_ids, tmp_path, place
):
    # A moment just after an event, so that the past's generation knows of that day and has a later end than its midnight.
    day = ratings.filter(pl.col("time_precision") == "datetime")
    moment = day["moment"][int(day.height * place)] + 1
    materialize(data_of(tmp_path / "past", before(ratings, moment)), LmdbStore(tmp_path / "store"), say=lambda _: None)
    then = connect(line.bundle, tmp_path / "store").start()
    for member in busiest[:8]:
        now_answer, then_answer = (each.ask(*wine_ids, member_id=member, as_of=iso_of(moment)) for each in (client, then))
        midnight = iso_of(moment - moment % MICROSECONDS_PER_DAY)
        assert now_answer["features_as_of"] == then_answer["features_as_of"] == midnight
        chances = [[result.pop("probability") for result in answer["results"]] for answer in (now_answer, then_answer)]
        assert chances[0] == pytest.approx(chances[1], abs=SAME_COUNTS)
        assert now_answer["results"] == then_answer["results"]


def test_wine_features_end_at_midnight_or_with_the_last_event_and_the_answer_says_which(client):
    assert client.ask("w", history=[], as_of="2021-06-15T23:59:59Z")["features_as_of"] == "2021-06-15T00:00:00Z"
    assert client.ask("w", history=[], as_of="2021-12-31T13:00:00Z")["features_as_of"] == "2021-12-31T00:00:00Z"
    assert client.ask("w", history=[], as_of="2022-03-01T10:00:00Z")["features_as_of"] == LAST_EVENT


def test_from_the_next_midnight_on_the_last_days_ratings_count_too(client, ratings, wine_ids):
    counts = dict(ratings["wine_id"].value_counts().iter_rows())
    answer = client.ask(*wine_ids, history=[], as_of="2022-01-01T00:00:00Z")
    assert {result["wine_id"]: result["evidence"]["wine_ratings"] for result in answer["results"]} == {
        wine: counts.get(wine, 0) for wine in wine_ids
    }


def test_a_wines_ratings_are_those_before_the_days_midnight(client, ratings, wine_ids):
    answer = client.ask(*wine_ids, history=[], as_of="2018-05-05T18:00:00Z")
    counted = before(ratings, moment_of(datetime(2018, 5, 5, tzinfo=UTC)))["wine_id"].value_counts()
    expected = dict(counted.iter_rows())
    assert {result["wine_id"]: result["evidence"]["wine_ratings"] for result in answer["results"]} == {
        wine: expected.get(wine, 0) for wine in wine_ids
    }


def test_another_time_zone_is_the_same_moment(client, busiest, wine_ids):
    utc, east = (client.ask(*wine_ids, member_id=busiest[0], as_of=when) for when in (AS_OF, "2021-06-15T21:00:00+09:00"))
    assert (utc["as_of"], utc["results"]) == (east["as_of"], east["results"])


def test_sixty_seconds_ahead_are_allowed_to_the_microsecond(own):
    service = PreferenceService(own.bundle, LmdbStore(own.store))
    service.load()
    received_at = datetime_of(NOON)

    def ask(ahead: timedelta) -> str:
        request = PreferenceRequest([WineAsked("w")], history=[], as_of=received_at + ahead)
        return asyncio.run(service.score(request, RequestContext("r", received_at, Stages()))).as_of

    assert ask(timedelta(seconds=60)) == "2021-06-15T12:01:00Z"
    with pytest.raises(Problem) as refused:
        ask(timedelta(seconds=60, microseconds=1))
    assert refused.value.code == "as-of-in-future"
    asyncio.run(service.close())


def test_evidence_only_grows_with_the_moment(client, busiest, wine_ids):
    answers = [client.ask(*wine_ids[:9], member_id=busiest[2], as_of=f"{year}-06-01T00:00:00Z")["results"] for year in range(2013, 2022)]
    for earlier, later in pairwise(answers):
        for one, other in zip(earlier, later, strict=True):
            assert one["evidence"]["own_tastings"] <= other["evidence"]["own_tastings"]
            assert one["evidence"]["wine_ratings"] <= other["evidence"]["wine_ratings"]

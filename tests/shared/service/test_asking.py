"""Requests are understood alike by every service: moments, scales, histories wherever they stand in the body, wines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
from cellar_shared.events.scales import scale_named
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.histories import UNDATED_AGE
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WineFacts
from cellar_shared.service.asking import (
    STALE_AFTER,
    given_history,
    is_stale,
    moment_asked,
    moment_at,
    scale_asked,
    stored_history,
    vintage_number,
    wines_of,
)
from cellar_shared.service.problems import Problem
from cellar_shared.service.wire import About, HistoryRow
from cellar_shared.store.generation import Generation
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore

STARS = scale_named("1-5")


@pytest.fixture(scope="module")
def made(worlds, tmp_path_factory):
    """A generation of two wines and one member who rated both, the second at a time nobody knows; and that member's events."""
    place = tmp_path_factory.mktemp("asking")
    ratings = (worlds.Rating(0, 0, 2015, 4.5, 1, 5), worlds.Rating(0, 1, 0, 2.0, 3, None))
    world = worlds.World((WineFacts("P", "Red", "Italy"), WineFacts("Q", "White", "Italy")), ratings)
    store = MemoryStore(place / "store")
    materialize(world.write(place / "data"), store, say=lambda _: None)
    generation = Generation.open(store, feature_fingerprint())
    (events,) = generation.members.each()
    return generation, events


@pytest.fixture(scope="module")
def generation(made):
    return made[0]


@pytest.fixture(scope="module")
def now(generation):
    return generation.manifest.events_through + MICROSECONDS_PER_DAY


@pytest.mark.parametrize("pointer", ["/history", "/members/2/history"])
def test_a_rating_off_the_scale_is_named_where_it_stands(generation, now, pointer):
    rows = [HistoryRow("w", 4.0), HistoryRow("w", 6.0)]
    with pytest.raises(Problem, match="go from 1 to 5") as refused:
        given_history(rows, STARS, now, generation, 10, pointer)
    assert [error.pointer for error in refused.value.errors] == [f"{pointer}/1/rating"]


@pytest.mark.parametrize("pointer", ["/history", "/members/2/history"])
def test_a_time_that_is_none_is_named_where_it_stands(generation, now, pointer):
    beyond = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))
    with pytest.raises(Problem, match=f"At {pointer}/0/rated_at"):
        given_history([HistoryRow("w", 4.0, rated_at=beyond)], STARS, now, generation, 10, pointer)


def test_a_given_history_is_ordered_cut_to_its_newest_and_leaves_out_what_lies_ahead(generation, now):
    at = datetime.fromtimestamp(now / 1_000_000, UTC)
    days = (-1, -3, 1, -2)
    rows = [HistoryRow(f"x{day}", 4.0 if day == -1 else 3.0, "NV", at + timedelta(days=day)) for day in days]
    histories, ignored, is_truncated = given_history(rows, STARS, now, generation, 2)
    assert (ignored, is_truncated) == (1, True)
    assert histories.moments.tolist() == [moment_of(at + timedelta(days=day)) for day in (-2, -1)]
    assert histories.liked.tolist() == [False, True]
    assert histories.vintages.tolist() == [0, 0]
    assert given_history(rows, STARS, now, generation, 3)[1:] == (1, False)


def test_an_undated_row_is_taken_to_be_a_year_old(generation, now):
    histories, ignored, _ = given_history([HistoryRow("x", 4.0)], STARS, now, generation, 5)
    assert (histories.moments.tolist(), ignored) == ([now - UNDATED_AGE], 0)


@pytest.mark.parametrize("limit", [0, 5])
def test_an_empty_history_is_one_member_with_nothing(generation, now, limit):
    for histories, ignored, is_truncated in (
        given_history([], STARS, now, generation, limit),
        stored_history(None, now, generation, limit),
        stored_history(np.zeros(0, dtype=np.void), now, generation, limit),
    ):
        assert histories.offsets.tolist() == [0, 0]
        assert (len(histories.wines), ignored, is_truncated) == (0, 0, False)


def test_a_stored_undated_rating_counts_only_once_the_generation_was_there(made, now):
    generation, events = made
    assert len(stored_history(events, now, generation, 5)[0].wines) == 2
    assert len(stored_history(events, generation.manifest.events_through - 1, generation, 5)[0].wines) == 1
    assert stored_history(events, now, generation, 1)[2]


def test_wines_are_based_on_the_catalogue_else_on_what_is_said_else_on_nothing(generation):
    said = About(country="Spain")
    asked = [("w0", said), ("unheard-of", said), ("unheard-of", About(price=9.0)), ("unheard-of", None)]
    wines, bases = wines_of(asked, generation)
    assert bases == ["catalogue", "about", "prior", "prior"]
    assert wines["country"].tolist()[:2] == [identity("country", "Italy"), identity("country", "Spain")]


def test_a_moment_lies_within_what_the_clock_and_the_generation_can_tell(generation):
    now = datetime.fromtimestamp(generation.manifest.events_through / 1_000_000, UTC) + timedelta(days=3)
    assert moment_asked(None, now, generation) == moment_of(now)
    assert moment_asked(now + timedelta(seconds=60), now, generation) == moment_of(now) + 60_000_000
    for as_of, code in ((now + timedelta(seconds=61), "as-of-in-future"), (datetime(1900, 1, 1, tzinfo=UTC), "as-of-too-early")):
        with pytest.raises(Problem) as refused:
            moment_asked(as_of, now, generation)
        assert (refused.value.code, refused.value.errors[0].pointer) == (code, "/as_of")


def test_a_moment_is_microseconds_since_1970():
    assert moment_at(datetime(1970, 1, 2, tzinfo=UTC), "/as_of") == MICROSECONDS_PER_DAY


def test_features_are_stale_past_two_days_of_silence_counted_by_days():
    assert not is_stale(2 * MICROSECONDS_PER_DAY + 5, 0)
    assert not is_stale(STALE_AFTER + MICROSECONDS_PER_DAY - 1, 0)
    assert is_stale(3 * MICROSECONDS_PER_DAY, 0)


def test_a_scale_is_the_catalogues_or_the_one_named(generation):
    assert scale_asked(None, generation).name == generation.manifest.scale
    assert scale_asked("0-100", generation).name == "0-100"
    with pytest.raises(Problem) as refused:
        scale_asked("0-7", generation)
    assert refused.value.errors[0].pointer == "/scale"


@pytest.mark.parametrize(("asked", "kept"), [(None, -1), ("NV", 0), (2016.0, 2016), (2016, 2016)])
def test_vintages_are_kept_as_numbers(asked, kept):
    assert vintage_number(asked) == kept

"""A data folder as arrays: the same order, moments and strengths as everybody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.events.moments import NEVER, end_of_day, moment_of
from cellar_shared.events.scales import SCALES
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.features.wines import WineFacts
from cellar_shared.store.rating_log import event_hashes, read_rating_log


@pytest.fixture
def read(worlds, tmp_path_factory):
    """Reads the rating log of a one-wine world with the ratings given."""
    wines = worlds.World((WineFacts(),), ()).wine_table()

    def log_of(ratings):
        folder = tmp_path_factory.mktemp("log") / "data"
        with DataWriter(folder, "made", "1-5", "a test") as writer:
            writer.add("wines", wines)
            writer.add("ratings", ratings)
        return read_rating_log(DataFolder.open(folder))

    return log_of


def rating(event_id, member_id="m", at=None, precision="datetime", raw=4.0, scale="1-5", vintage=None):
    return {
        "event_id": event_id, "member_id": member_id, "wine_id": "w0", "vintage": vintage, "rating_raw": raw, "scale": scale,
        "like": True, "rated_at": at, "time_precision": precision, "defective": False, "source": "made",
    }  # fmt: skip


def table(*rows):
    return pl.DataFrame(list(rows), schema_overrides={"rated_at": pl.Datetime("us", "UTC"), "vintage": pl.Int32()})


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_log_read_from_a_folder_is_the_log_of_its_world(worlds, tmp_path_factory, data):
    world = data.draw(worlds.worlds(fewest=1))
    found = read_rating_log(DataFolder.open(world.write(tmp_path_factory.mktemp("log") / "data")))
    expected = world.log()
    np.testing.assert_array_equal(found.events, expected.events)
    assert found.wines.tobytes() == expected.wines.tobytes()
    np.testing.assert_array_equal(found.event_ids, expected.event_ids)
    assert found.member_ids[found.members].tolist() == expected.member_ids[expected.members].tolist()
    assert found.wine_ids.tolist() == expected.wine_ids.tolist()
    kept = np.array([data.draw(st.booleans()) for _ in world.ratings])
    some = found.only(kept)
    for member in range(len(found.member_ids)):
        of_member = some.events[some.offsets[member] : some.offsets[member + 1]]
        np.testing.assert_array_equal(of_member, found.events[kept & (found.members == member)])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(ids=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), min_size=1, unique=True))
def test_members_stand_in_the_order_of_their_ids_whatever_the_ids(worlds, tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("log") / "data"
    with DataWriter(folder, "made", "1-5", "a test") as writer:
        writer.add("wines", worlds.World((WineFacts(),), ()).wine_table())
        writer.add("ratings", table(*(rating(f"e{place}", member_id) for place, member_id in enumerate(ids))))
    log = read_rating_log(DataFolder.open(folder))
    assert log.member_ids.tolist() == sorted(ids)
    assert log.members.tolist() == list(range(len(ids)))


MOMENTS = [datetime(2020, 2, 29, tzinfo=UTC), datetime(2020, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1969, 7, 20, 20, tzinfo=UTC)]


@pytest.mark.parametrize("at", MOMENTS)
def test_a_date_counts_from_the_following_midnight_a_moment_at_once_and_an_unknown_one_never(read, at):
    log = read(
        table(*(rating(kind, at=at, precision=kind) for kind in ("date", "datetime", "unknown")), rating("none", precision="datetime"))
    )
    moment = moment_of(at)
    found = dict(zip(log.event_ids.tolist(), log.events["moment"].tolist(), strict=True))
    names = ["date", "datetime", "unknown", "none"]
    expected = [int(end_of_day(np.array([moment]))[0]), moment, NEVER, NEVER]
    assert [found[code] for code in event_hashes(names).tolist()] == expected


@pytest.mark.parametrize("name", SCALES)
def test_strengths_are_the_scales_own_to_the_last_bit(read, name):
    scale = SCALES[name]
    raw = np.linspace(scale.lowest, scale.highest, 57)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    rows = (rating(f"e{place}", at=start + timedelta(days=place), raw=value, scale=name) for place, value in enumerate(raw.tolist()))
    np.testing.assert_array_equal(read(table(*rows)).events["strength"], scale.strengths(raw))


def test_ties_in_time_stand_in_the_order_of_their_event_ids(read):
    at = datetime(2020, 1, 1, tzinfo=UTC)
    log = read(table(*(rating(name, at=at) for name in ("b", "c", "a"))))
    assert log.event_ids.tolist() == event_hashes(["a", "b", "c"]).tolist()

"""Who gets a list: every member of the tables, once, in one part, by key."""

from __future__ import annotations

import polars as pl

from cellar_recommender.night.members import MEMBERS_A_PART, TABLES, count_members, parts_for, read_members, write_members
from cellar_shared.events.tables import DataFolder, DataWriter, dtypes_of
from cellar_shared.store.port import member_key


def test_every_member_is_in_one_part_once_and_parts_follow_each_other_by_key(standing, tmp_path):
    data = DataFolder.open(standing.data)
    write_members(data, tmp_path / "members", 7)
    files = sorted((tmp_path / "members").iterdir())
    assert [file.name for file in files] == [f"{part:05d}" for part in range(7)]
    found = [member_id for file in files for member_id in read_members(file)]
    assert found == sorted(set(found), key=member_key)
    assert set(found) == set(pl.concat([data.scan(table).select("member_id") for table in TABLES]).collect()["member_id"])
    assert sum(count_members(file) for file in files) == len(found)
    assert all(read_members(file) for file in files)


def test_any_id_comes_back_as_it_is(tmp_path):
    ids = ["a\nb", "\r", "\u2028", 'quote"', "Zoë", "\\", " "]

    rows = [dict.fromkeys(dtypes_of("ratings")) | {"member_id": member_id} for member_id in (*ids, *ids)]
    with DataWriter(tmp_path / "data", "world", "1-5", "test") as writer:
        writer.add("ratings", pl.DataFrame(rows, schema=dtypes_of("ratings")))
    write_members(DataFolder.open(tmp_path / "data"), tmp_path / "members", 1)
    assert read_members(tmp_path / "members" / "00000") == sorted(ids, key=member_key)


def test_a_part_is_as_large_as_a_kill_may_cost():
    assert [parts_for(members) for members in (0, 1, MEMBERS_A_PART, MEMBERS_A_PART + 1, 10**6)] == [1, 1, 1, 2, 245]

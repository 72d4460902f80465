"""What an answer admits: old features, a cut history, a store that is gone; it stays a decided answer."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

AS_OF = "2021-06-15T12:00:00Z"


def test_features_more_than_two_days_behind_are_admitted(client):
    # The last event lies at noon of 2021-12-31.
    for as_of, degraded in (
        ("2022-01-01T12:00:00Z", []),
        ("2022-01-02T23:59:59Z", []),
        ("2022-01-03T00:00:00Z", ["features_stale"]),
        (None, ["features_stale"]),
    ):
        assert client.ask("w", history=[], as_of=as_of)["degraded"] == degraded


def test_a_history_past_the_models_limit_is_cut_to_its_latest_rows_and_the_answer_says_so(client, line, ratings, as_history, wine_ids):
    limit = line.manifest.settings["history_limit"]
    rows = ratings.filter(pl.col("moment") < pl.col("moment").quantile(0.8)).unique("moment", maintain_order=True)
    history = as_history(rows.tail(limit + 30))
    latest = history[-limit:]
    cut = client.ask(*wine_ids, history=history[::-1], as_of=AS_OF)
    whole = client.ask(*wine_ids, history=latest, as_of=AS_OF)
    assert (cut["degraded"], whole["degraded"]) == (["history_truncated"], [])
    assert (cut["history_ignored"], whole["history_ignored"]) == (0, 0)
    assert cut["results"] == whole["results"]
    assert cut["results"][0]["evidence"]["own_tastings"] == limit
    assert client.chances(*wine_ids, history=history[1:limit], as_of=AS_OF) != client.chances(*wine_ids, history=latest, as_of=AS_OF)


def test_without_the_store_a_stored_member_is_answered_as_an_unknown_one_and_the_answer_says_so(
    client, connect, own, busiest, wine_ids, caplog
):
    alone = connect(own.bundle, own.store).start()
    known = alone.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    alone.service._following.pinned.generation.close()
    shutil.rmtree(own.store / "generations")
    gone = alone.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    assert (known["degraded"], gone["degraded"]) == ([], ["store_unavailable"])
    assert gone["results"] == client.ask(*wine_ids, history=[], as_of=AS_OF)["results"] != known["results"]
    assert "members are answered without" in caplog.text
    given = alone.ask(*wine_ids, history=[], as_of=AS_OF)
    assert (given["degraded"], given["results"]) == ([], gone["results"])
    assert alone("GET", "/v2/health/ready").status_code == 200


@pytest.mark.parametrize("damage", [lambda content: b"no database" * 1000, lambda content: content[: len(content) // 2],
                                    lambda content: content[:-1] + bytes([content[-1] ^ 1])], ids=["other", "cut", "flipped"])  # fmt: skip
def test_members_that_are_damaged_do_not_keep_a_service_from_answering_and_are_found_again_when_written_anew(
    connect, own, line, busiest, wine_ids, damage
):
    (members,) = own.store.glob("generations/*/members/data.mdb")
    members.write_bytes(damage(members.read_bytes()))
    alone = connect(own.bundle, own.store).start()
    assert alone("GET", "/v2/health/ready").status_code == 200
    for member in busiest[:20]:
        gone = alone.ask(*wine_ids, member_id=member, as_of=AS_OF)
        assert gone["degraded"] == ["store_unavailable"]
        given = alone.ask(*wine_ids, history=[], as_of=AS_OF)
        assert (given["degraded"], given["results"]) == ([], gone["results"])
    materialize(line.data, LmdbStore(own.store), say=lambda _: None)
    back = alone.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    assert (back["degraded"], back["results"] != given["results"]) == ([], True)

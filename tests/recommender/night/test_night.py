"""A night of lists: each is what the service would answer, only what changed is made again, and what goes wrong costs one member."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest

from cellar_recommender.night import knowing
from cellar_recommender.night.layout import Folder
from cellar_recommender.night.manifest import read_manifest
from cellar_recommender.night.members import TABLES
from cellar_recommender.night.scoring import LIST_WINES
from cellar_recommender.serving import catalogue
from cellar_recommender.serving.ladder import Ladder
from cellar_recommender.serving.recommender import MODEL
from cellar_recommender.serving.sources import SOURCES
from cellar_recommender.serving.telling import DECIMALS
from cellar_shared.bundle.manifest import Bundle, write_bundle
from cellar_shared.errors import CellarError, Incompatible
from cellar_shared.events.journal import Journal
from cellar_shared.events.moments import datetime_of, iso_of, moment_of
from cellar_shared.events.tables import DataFolder
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.identity import identity
from cellar_shared.store.generation import Generation
from cellar_shared.store.lists import Lists, lists_id
from cellar_shared.store.materialize import materialize
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import member_key
from cellar_shared.store.pushing import push

BEFORE_THE_END = moment_of(datetime(2021, 11, 3, 12, tzinfo=UTC))  # of a day whose features are not the generation's own
AFTER_THE_END = moment_of(datetime(2022, 1, 2, 3, 30, tzinfo=UTC))
DAY = 86_400_000_000
# The wine tower, run for other wines beside, is rounded otherwise; the index' own vectors are the same.
ROUNDED = 1e-5


OWNERS = ("m3", "m7", "m11", "only an owner")  # as conftest.py made them
HIDING = ("m5", "m7", "hides and rates nothing")


def silent(*_):
    pass


def members_of(place):
    data = DataFolder.open(place.data)
    return set(pl.concat([data.scan(table).select("member_id") for table in TABLES]).collect()["member_id"])


def lists_of(place, manifest):
    rows = place.rows(manifest)
    return {member_id: own for (member_id,), own in rows.group_by("member_id", maintain_order=True)}


@pytest.mark.parametrize("moment", [BEFORE_THE_END, AFTER_THE_END])
def test_a_list_is_what_the_service_answers_without_lists(place, serve, standing, moment):
    manifest = place.night(moment)
    lists = lists_of(place, manifest)
    assert set(lists) == members_of(place)
    assert (manifest.members, manifest.computed, manifest.copied, manifest.set_aside) == (len(lists), len(lists), 0, [])
    client = serve(standing)
    for member_id in {*OWNERS, *HIDING, *sorted(lists)[::3]}:
        own = lists[member_id]
        answer = client.ask(member_id=member_id, intent="buy", limit=LIST_WINES, as_of=iso_of(moment))
        assert answer["precomputed_at"] is None
        assert own["wine_id"].to_list() == [item["wine_id"] for item in answer["items"]], member_id
        assert own["source"].to_list() == [item["source"] for item in answer["items"]]
        assert [round(score, DECIMALS) for score in own["score"]] == [item["score"] for item in answer["items"]]
        assert own["position"].to_list() == [item["position"] for item in answer["items"]]
    assert (place.rows(manifest)["precomputed_at"] == datetime_of(moment)).all()


def test_a_list_of_a_day_whose_features_are_not_kept_is_the_services_too(place, serve, standing, monkeypatch):
    monkeypatch.setattr(catalogue, "EXACT_UP_TO", 10)  # so that the catalogue is too large for another day's index
    lists = lists_of(place, place.night(BEFORE_THE_END))
    client = serve(standing)
    for member_id in sorted(lists)[::10]:
        answer = client.ask(member_id=member_id, intent="buy", limit=LIST_WINES, as_of=iso_of(BEFORE_THE_END))
        served = {item["wine_id"]: item["score"] for item in answer["items"]}
        own = dict(zip(lists[member_id]["wine_id"], lists[member_id]["score"], strict=True))
        assert own == pytest.approx(served, abs=ROUNDED)


def test_the_store_holds_what_the_files_say(place):
    manifest = place.night(AFTER_THE_END)
    lists = Lists.open_current(place.store, manifest.bundle)
    assert lists is not None
    assert (lists.manifest.id, lists.manifest.members, lists.manifest.generation) == (manifest.lists, manifest.members, manifest.generation)
    for member_id, own in lists_of(place, manifest).items():
        made = lists.of(member_key(member_id))
        assert made is not None
        assert made.wines.tolist() == [identity("wine", wine_id) for wine_id in own["wine_id"]]
        assert made.scores.tolist() == own["score"].to_list()
        assert [SOURCES[source] for source in made.sources] == own["source"].to_list()
        assert made.precomputed_at == AFTER_THE_END
    assert read_manifest(place.out / "night.json") == manifest
    assert not Folder(place.out).running.exists()


def test_nothing_owned_rated_or_hidden_is_on_a_list(place):
    lists = lists_of(place, place.night(AFTER_THE_END))
    data = DataFolder.open(place.data)
    bottles = data.scan("bottles").filter(pl.col("state") != "consumed").collect()
    assert set(bottles["state"]) == {"stored", "pending"}
    ratings, wishes, wines = (data.scan(table).collect() for table in ("ratings", "preferences", "wines"))
    for seen in (bottles, ratings):
        for (member_id,), own in seen.group_by("member_id"):
            assert not set(own["wine_id"]) & set(lists[member_id]["wine_id"]), member_id
    columns = {"hide_wine": "wine_id", "hide_producer": "producer", "hide_region": "region"}
    for member_id, kind, value in wishes.select("member_id", "kind", "value").iter_rows():
        hidden = wines.filter(pl.col(columns[kind]) == value)["wine_id"]
        assert len(hidden)
        assert not set(hidden) & set(lists[member_id]["wine_id"])


def test_a_second_night_computes_only_whose_history_or_wishes_changed(place):
    first = place.night(AFTER_THE_END)
    rows = place.rows(first)
    again = place.night(AFTER_THE_END + 3600)
    assert (again.computed, again.copied) == (0, first.members)
    assert place.rows(again).equals(rows)
    assert again.lists != first.lists
    assert [str(file.relative_to(place.out)) for file in (place.out / "lists").iterdir()] == [part.file for part in again.parts]
    when = datetime_of(AFTER_THE_END + 7200).isoformat()
    hidden = lists_of(place, again)["m20"]["wine_id"][0]
    events = [
        {"event_id": "r", "kind": "rating", "member_id": "m9", "occurred_at": when, "wine_id": "w003", "rating": 5.0},
        {"event_id": "p", "kind": "preference", "member_id": "m20", "occurred_at": when, "preference": "hide_wine", "value": hidden},
    ]
    assert not push([json.dumps(event).encode() + b"\n" for event in events], place.data, place.store, tell=silent).refused
    third = place.night(AFTER_THE_END + 2 * 3_600_000_000)
    assert (third.computed, third.copied) == (2, first.members - 2)
    rows = place.rows(third)
    assert set(rows.filter(pl.col("precomputed_at") == datetime_of(AFTER_THE_END + 2 * 3_600_000_000))["member_id"]) == {"m9", "m20"}
    assert hidden not in rows.filter(pl.col("member_id") == "m20")["wine_id"]
    # In the tables, and in a generation of its own, it is the same history still.
    night = place.root.parent / "night"
    night.mkdir()
    (night / "night.json").write_text(json.dumps({"as_of": "2022-01-01", "parts": []}))
    materialize(place.data, place.store, night=night, say=silent)
    fourth = place.night(AFTER_THE_END + DAY)
    assert fourth.generation != third.generation
    assert fourth.computed == 0


def test_lists_too_old_are_computed_and_those_of_another_bundle_do_not_count(place, tmp_path):
    first = place.night(AFTER_THE_END)
    assert place.night(AFTER_THE_END + 7 * DAY - 1).computed == 0
    assert place.night(AFTER_THE_END + 7 * DAY).computed == first.members
    assert place.night(AFTER_THE_END + 7 * DAY + 1, max_age_days=0).computed == first.members
    bundle = Bundle.open(place.bundle, MODEL)
    files = {name: bundle.read(name) for name in bundle.manifest.files}
    write_bundle(tmp_path / "other", msgspec.structs.replace(bundle.manifest, metrics={"another": 1}), files)
    other = replace(place, bundle=tmp_path / "other").night(AFTER_THE_END + 7 * DAY + 2)
    assert other.bundle != first.bundle
    assert other.computed == first.members
    assert lists_id(place.store, first.bundle) is not None


def test_a_running_service_takes_the_lists_up_and_falls_back_on_them(place, serve):
    now = moment_of(datetime.now(UTC) - timedelta(minutes=1))
    client = serve(place, look_every_s=0.02, ladder=Ladder(1e9))
    request = {"member_id": "m7", "limit": LIST_WINES}
    assert client.ask(**request)["precomputed_at"] is None
    manifest = place.night(now)
    end = time.monotonic() + 300
    while (answer := client.ask(**request))["precomputed_at"] is None:
        assert time.monotonic() < end, "the lists are not taken up"
    assert answer["precomputed_at"] == manifest.precomputed_at
    assert answer["sources"]["precomputed"]["proposed"] > 0
    hurried = client.ask({"x-deadline-ms": "60000"}, **request)
    assert hurried["degraded"] == ["features_stale", "precomputed_order"]
    own = lists_of(place, manifest)["m7"]["wine_id"].to_list()
    shown = [item["wine_id"] for item in hurried["items"] if item["source"] == "precomputed"]
    assert shown == own[: len(shown)] and shown


def test_who_was_forgotten_since_the_generation_has_no_list(place):
    journal = Journal(place.data)
    place.store.hide("m9", journal, now_s=time.time())
    journal.close()
    manifest = place.night(AFTER_THE_END)
    assert "m9" not in lists_of(place, manifest)
    assert (manifest.forgotten, manifest.computed) == (1, manifest.members - 1)
    assert "1 forgotten" in manifest.text()


@pytest.fixture
def remembered(place, tmp_path):
    """A store in memory with the same generation, whose members can be spoilt."""
    store = MemoryStore(tmp_path / "memory")
    materialize(place.data, store, say=silent)
    (members,) = store.members.values()
    return store, members


def test_a_damaged_member_is_set_aside_and_costs_nobody_else_a_list(place, remembered):
    store, members = remembered
    whole = members[member_key("m4")]
    members[member_key("m4")] = whole[:-1]
    first = place.night(AFTER_THE_END, store)
    assert [each.member_id for each in first.set_aside] == ["m4"]
    assert "damaged" in first.set_aside[0].error
    assert first.computed == first.members - 1
    assert "m4" not in lists_of(place, first)
    assert "set aside m4" in first.text()
    members[member_key("m4")] = whole
    assert place.night(AFTER_THE_END + 1, store).computed == 1


def test_where_many_are_damaged_the_lists_before_stay_in_use(place, remembered):
    store, members = remembered
    first = place.night(AFTER_THE_END, store)
    spoilt = {key: members[key] for key in sorted(members)[:20]}
    members.update({key: value[:-1] for key, value in spoilt.items()})
    with pytest.raises(CellarError, match=r"20 of .* members were set aside"):
        place.night(AFTER_THE_END + DAY, store)
    assert lists_id(store, first.bundle) == first.lists
    members.update(spoilt)
    mended = place.night(AFTER_THE_END + DAY + 1, store)
    assert mended.precomputed_at == iso_of(AFTER_THE_END + DAY)  # it went on
    assert (mended.computed, mended.set_aside) == (0, [])


def test_data_and_generation_of_another_scale_are_refused(place):
    folder = place.data / "data.json"
    folder.write_text(folder.read_text().replace('"1-5"', '"100"'))
    with pytest.raises(Incompatible, match="scale"):
        place.night(AFTER_THE_END)


def test_without_cellars_in_the_generation_it_is_said(place, remembered):
    said = []
    store, _ = remembered
    place.night(AFTER_THE_END, store, say=said.append)
    assert any("has no cellars" in line for line in said)


def test_a_store_that_is_away_is_waited_for_and_then_the_night_goes_on_later(place, own_redis, monkeypatch, tmp_path):
    url = own_redis.url(tmp_path / "published", timeout_ms=30_000)
    materialize(place.data, open_store(url), say=silent)
    store = open_store(url)
    generation = Generation.open(store, feature_fingerprint())
    with knowing.Knowing(store, generation, pauses_s=(0.01, 0.02)) as known:
        assert [one.key for one in known.of(["m1", "m2"])] == [member_key("m1"), member_key("m2")]
        own_redis.kill()
        with pytest.raises(CellarError, match="run `cellar score recommender` again"):
            known.of(["m1"])
        own_redis.start()
    assert place.night(AFTER_THE_END, open_store(url)).computed == len(members_of(place))

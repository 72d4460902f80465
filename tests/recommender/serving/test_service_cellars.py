"""Stored bottles as the service offers them: alone and with others, each once, none that was hidden, none of who was forgotten."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime

import numpy as np
import pytest

from cellar_recommender.serving.service import RecommenderService
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.cellars import UNKNOWN, Cellar, write_cellars
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.pushing import push

AS_OF = "2021-12-30T12:00:00Z"
READY = (2018, 2019, 2024, 2026)
YOUNG = (2030, 2032, 2036, 2040)


def cellar(*bottles) -> Cellar:
    """Bottles of id, wine, vintage, years of their dates and whether they are there."""
    ids, wines, vintages, years, there = zip(*bottles, strict=True)
    days = [[UNKNOWN] * 4 if each is None else [(date(year, 1, 1) - date(1970, 1, 1)).days for year in each] for each in years]
    nowhere: list[str | None] = [None] * len(ids)
    return Cellar(
        list(ids), list(wines), nowhere, nowhere, np.array(vintages), np.full(len(ids), 750), np.array(days).T, np.array(there, dtype=bool)
    )


@pytest.fixture
def drinkers(served, tmp_path, connect, busiest):
    """A service, its data and store, and two members with bottles."""
    data, store = shutil.copytree(served.data, tmp_path / "data"), shutil.copytree(served.store, tmp_path / "store")
    wines = sorted(served.wines["wine_id"])
    opened = LmdbStore(store)
    own = cellar(
        ("a1", wines[0], 2012, READY, True),
        ("a2", wines[0], 2019, YOUNG, True),
        ("a3", wines[0], UNKNOWN, READY, True),
        ("a4", wines[1], 2010, READY, False),
        ("a5", "unheard of", UNKNOWN, None, True),
    )
    other = cellar(("b1", wines[2], 0, READY, True), ("b2", wines[0], 2012, READY, True))
    write_cellars(opened.folder(opened.current_id()), [(busiest[0], own), (busiest[1], other)])
    opened.close()
    return connect(RecommenderService(served.bundle, LmdbStore(store))), data, store, wines


def told(answer) -> dict[tuple[str, object], list[str]]:
    return {(item["wine_id"], item["vintage"]): [bottle["bottle_id"] for bottle in item["bottles"]] for item in answer["items"]}


def test_each_bottle_that_may_be_opened_is_offered_once_as_its_own_vintage(drinkers, busiest):
    client, _, _, wines = drinkers
    answer = client.ask(member_id=busiest[0], intent="open", as_of=AS_OF, explain=True)
    assert told(answer) == {(wines[0], 2012): ["a1"], (wines[0], None): ["a3"], ("unheard of", None): ["a5"]}
    assert (answer["matched"], answer["shortfall"]) == (3, "cellar")
    assert told(client.ask(member_id=busiest[0], intent="open", as_of=AS_OF, filters={"in_window": False})) == {
        (wines[0], 2012): ["a1"], (wines[0], 2019): ["a2"], (wines[0], None): ["a3"], ("unheard of", None): ["a5"],
    }  # fmt: skip
    named = [{"wine_id": wines[0], "vintage": 2019}, {"wine_id": wines[1]}, {"wine_id": wines[0]}]
    assert told(client.ask(member_id=busiest[0], intent="open", as_of=AS_OF, candidates=named)) == {
        (wines[0], 2019): ["a3"],  # whose vintage nobody knows
        (wines[0], None): ["a1", "a3"],
    }
    bought = client.ask(member_id=busiest[0], as_of=AS_OF, limit=100)
    assert not {wines[0], wines[1], "unheard of"} & {item["wine_id"] for item in bought["items"]}


def test_several_have_each_others_bottles_and_whoever_is_named_twice_has_each_once(drinkers, busiest):
    client, _, _, wines = drinkers
    members = [{"member_id": member} for member in (busiest[0], busiest[1], busiest[0])]
    answer = told(client.ask(members=members, intent="open", as_of=AS_OF))
    assert answer == {
        (wines[0], 2012): ["a1", "b2"], (wines[0], None): ["a3"], (wines[2], "NV"): ["b1"], ("unheard of", None): ["a5"],
    }  # fmt: skip


def test_what_one_of_them_hid_is_opened_for_nobody_and_bottles_go_with_who_was_forgotten(drinkers, busiest):
    client, data, store, wines = drinkers
    opened = LmdbStore(store)
    event = {"event_id": "h", "kind": "preference", "member_id": busiest[1], "preference": "hide_wine", "value": wines[0]}
    lines = [json.dumps(event | {"occurred_at": datetime.now(UTC).isoformat()}).encode() + b"\n"]
    assert not push(lines, data, opened, tell=lambda _, count: None).refused
    both = {"members": [{"member_id": member} for member in busiest[:2]], "intent": "open", "as_of": AS_OF}
    assert told(client.ask(**both)) == {(wines[2], "NV"): ["b1"], ("unheard of", None): ["a5"]}
    forget(busiest[1], data, opened, say=lambda *_: None)
    opened.close()
    assert told(client.ask(**both)) == {(wines[0], 2012): ["a1"], (wines[0], None): ["a3"], ("unheard of", None): ["a5"]}

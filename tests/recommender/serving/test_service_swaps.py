"""New generations come while the service answers: a pushed rating counts from the next answer on, and nothing else changes."""

from __future__ import annotations

import json
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from cellar_recommender.serving import catalogue
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize
from cellar_shared.store.pushing import push

AS_OF = "2021-12-30T12:00:00Z"
SWAPS = 3
ALL = 100
WITHIN_S = 60.0  # whatever is waited for ends the wait


def ids(answer) -> list[str]:
    return [item["wine_id"] for item in answer["items"]]


def pushed(event: dict[str, object], data: Path, store: Path) -> None:
    opened = LmdbStore(store)
    lines = [json.dumps(event | {"occurred_at": datetime.now(UTC).isoformat()}).encode() + b"\n"]
    assert not push(lines, data, opened, tell=lambda _, count: None).refused
    opened.close()


def test_while_generations_come_what_was_is_answered_as_before_and_what_is_pushed_counts_at_once(served, tmp_path, connect, busiest):
    data, store = shutil.copytree(served.data, tmp_path / "data"), shutil.copytree(served.store, tmp_path / "store")
    client = connect(RecommenderService(served.bundle, LmdbStore(store), look_every_s=0.01))
    past = {"member_id": busiest[0], "as_of": AS_OF, "limit": 20}
    before = client.ask(**past)
    now = {"member_id": busiest[1], "limit": ALL}
    rated: list[str] = []
    generations, failures = set(), []

    def write() -> None:
        opened = LmdbStore(store)
        try:
            materialize(data, opened, say=lambda _: None)
        except Exception as error:
            failures.append(error)
        finally:
            opened.close()

    for turn in range(SWAPS):
        wine = ids(client.ask(**now))[0]
        pushed({"event_id": f"e{turn}", "kind": "rating", "member_id": busiest[1], "wine_id": wine, "rating": 5.0}, data, store)
        rated.append(wine)
        generations.add(client.ask(**now)["model"]["generation"])
        writing = threading.Thread(target=write)
        writing.start()
        asked = 0
        while writing.is_alive() or asked < 5:
            asked += 1
            answer, later = client.ask(**past), client.ask(**now)
            assert ids(answer) == ids(before)
            assert "store_unavailable" not in answer["degraded"] + later["degraded"]
            assert later["items"] and not set(rated) & set(ids(later))
            generations |= {answer["model"]["generation"], later["model"]["generation"]}
        writing.join()
        end = time.monotonic() + WITHIN_S
        while (newest := client.ask(**now)["model"]["generation"]) in generations and len(generations) < turn + 2:
            assert time.monotonic() < end, "the new generation is not served"
        generations.add(newest)
    assert not failures
    assert len(generations) == SWAPS + 1
    opened = LmdbStore(store)
    forget(busiest[1], data, opened, say=lambda *_: None)
    opened.close()
    stranger = client.ask(member_id="nobody", limit=ALL)
    assert ids(client.ask(**now)) == ids(stranger)
    write()
    assert ids(client.ask(**now)) == ids(client.ask(member_id="nobody", limit=ALL))


def test_what_today_s_requests_see_is_there_before_the_first_one(served, tmp_path, connect, busiest, monkeypatch):
    data, store = shutil.copytree(served.data, tmp_path / "data"), shutil.copytree(served.store, tmp_path / "store")
    pushed({"event_id": "e", "kind": "rating", "member_id": busiest[1], "wine_id": served.wines["wine_id"][0], "rating": 5.0}, data, store)
    opened = LmdbStore(store)
    materialize(data, opened, say=lambda _: None)
    opened.close()
    client = connect(RecommenderService(served.bundle, LmdbStore(store)))
    made: list[int] = []
    make = catalogue._of_day
    monkeypatch.setattr(catalogue, "_of_day", lambda *asked: made.append(asked[-1]) or make(*asked))
    assert client.ask(member_id=busiest[0])["degraded"] == []
    assert made == []
    client.ask(member_id=busiest[0], as_of=AS_OF)
    assert len(made) == 1

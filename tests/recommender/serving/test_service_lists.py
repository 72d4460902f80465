"""Lists of the night as the service uses them: in a hurry and as a source, whole or not at all, and never who was forgotten's."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from cellar_recommender.serving.ladder import Ladder
from cellar_recommender.serving.recommender import Recommender
from cellar_recommender.serving.service import RecommenderService
from cellar_shared.events.moments import iso_of
from cellar_shared.features.identity import identity
from cellar_shared.forgetting.forget import forget
from cellar_shared.store.generation import read_manifest
from cellar_shared.store.list_packing import MemberList
from cellar_shared.store.lists import writing_lists
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.port import member_key

AS_OF = "2021-12-30T12:00:00Z"
MADE = 1_600_000_000_000_000  # in 2020
WITHIN_S = 60.0  # whatever is waited for ends the wait
HURRY = {"x_deadline_ms": "600000"}


@pytest.fixture
def store(served, tmp_path) -> Path:
    return shutil.copytree(served.store, tmp_path / "store")


@pytest.fixture
def hurried(served, store, connect):
    """A service that never has time to rank where a deadline is given."""
    return connect(RecommenderService(served.bundle, LmdbStore(store), ladder=Ladder(1e300), look_every_s=0.01))


@pytest.fixture
def version(served) -> str:
    return Recommender.open(served.bundle).manifest.version


def write(store: Path, version: str, lists: dict[str, list[str]], made: int = MADE) -> Path:
    """Bring the members' lists into use; the folder that they lie in."""
    opened = LmdbStore(store)
    manifest = read_manifest(opened.folder(opened.current_id()))
    with writing_lists(opened, version, manifest, made) as writer:
        for member, wines in lists.items():
            identities = np.array([identity("wine", wine) for wine in wines], dtype=np.int64)
            scores = -np.arange(len(wines), dtype=np.float32)
            writer.add(member_key(member), MemberList(identities, scores, np.zeros(len(wines), dtype=np.uint8), made, bytes(16)))
    assert writer.manifest
    opened.close()
    return store / "lists" / version / writer.manifest.id


def answered(client, holds, **request):
    """The first answer that `holds`."""
    end = time.monotonic() + WITHIN_S
    while not holds(answer := client.post(request, **HURRY).json()):
        assert time.monotonic() < end, answer
        time.sleep(0.01)
    return answer


def is_listed(answer) -> bool:
    return answer["degraded"] == ["precomputed_order"]


def ids(answer) -> list[str]:
    return [item["wine_id"] for item in answer["items"]]


def test_in_a_hurry_a_list_is_the_order_and_holds_nothing_that_may_not_be_shown(served, store, hurried, version, busiest):
    member, stranger = busiest[0], "nobody"
    rated = set(served.ratings.filter(served.ratings["member_id"] == member)["wine_id"])
    free = sorted(set(served.wines["wine_id"]) - rated)[::-1]
    assert len(free) > 20
    listed = [sorted(rated)[0], *free[:10], "gone from the catalogue", *free[10:15]]
    request = {"member_id": member, "as_of": AS_OF, "limit": 12, "exclude": [free[3]]}
    assert hurried.post(request, **HURRY).json()["degraded"] == ["popular_order"]
    write(store, version, {member: listed})
    answer = answered(hurried, is_listed, **request)
    assert ids(answer) == [wine for wine in free[:15] if wine != free[3]][:12]
    assert answer["precomputed_at"] == iso_of(MADE)
    assert answer["sources"]["precomputed"]["returned"] == 12
    assert hurried.post({"member_id": stranger, "as_of": AS_OF}, **HURRY).json()["degraded"] == ["popular_order"]
    ranked = hurried.ask(**request)
    assert (ranked["degraded"], ranked["precomputed_at"]) == ([], iso_of(MADE))
    for other in ({"as_of": "2018-05-17T09:30:00Z"}, {"intent": "restock"}, {"candidates": [{"wine_id": free[0]}]}):
        told = hurried.post(request | other, **HURRY).json()
        assert (told["degraded"], told["precomputed_at"]) == (["popular_order"], None)


def test_of_several_members_each_has_a_turn_and_the_oldest_list_is_told(served, store, hurried, version, busiest):
    rated = set(served.ratings.filter(served.ratings["member_id"].is_in(busiest[:2]))["wine_id"])
    free = sorted(set(served.wines["wine_id"]) - rated)
    write(store, version, {busiest[0]: free[:4], busiest[1]: free[4:8]})
    members = [{"member_id": member} for member in (*busiest[:2], "nobody")]
    answer = answered(hurried, is_listed, members=members, as_of=AS_OF, limit=8)
    turned = answered(hurried, is_listed, members=members[::-1], as_of=AS_OF, limit=8)
    assert ids(answer) == ids(turned) == [wine for pair in zip(free[:4], free[4:8], strict=True) for wine in pair]


def test_the_list_of_who_was_forgotten_is_never_read(served, store, hurried, version, busiest, tmp_path):
    data = shutil.copytree(served.data, tmp_path / "data")
    member = busiest[0]
    write(store, version, {name: sorted(served.wines["wine_id"])[:9] for name in busiest[:2]})
    answered(hurried, is_listed, member_id=member, as_of=AS_OF)
    opened = LmdbStore(store)
    forget(member, data, opened, say=lambda *_: None)
    opened.close()
    assert hurried.post({"member_id": member, "as_of": AS_OF}, **HURRY).json()["precomputed_at"] is None
    assert hurried.post({"member_id": busiest[1], "as_of": AS_OF}, **HURRY).json()["precomputed_at"] is not None


@pytest.mark.parametrize("trouble", ["damaged", "gone", "unreadable"])
def test_lists_that_cannot_be_read_keep_nobody_from_being_answered(served, store, hurried, version, busiest, trouble, connect):
    folder = write(store, version, {busiest[0]: sorted(served.wines["wine_id"])})
    answered(hurried, is_listed, member_id=busiest[0], as_of=AS_OF)
    current = folder.parent / "CURRENT"
    if trouble == "damaged":
        values = folder / "members" / "values.npy"
        content = bytearray(values.read_bytes())
        content[-20] ^= 1
        values.unlink()
        values.write_bytes(bytes(content))
    elif trouble == "gone":
        shutil.rmtree(folder)
    else:
        current.unlink()
        current.mkdir()
    client = connect(RecommenderService(served.bundle, LmdbStore(store), ladder=Ladder(1e300), look_every_s=0.01))
    request = {"member_id": busiest[0], "as_of": AS_OF}
    assert client.post(request, **HURRY).json()["degraded"] == ["popular_order"]
    assert client.ask(**request)["degraded"] == []
    # Both follow the store as before: lists that are whole come into use.
    if trouble == "unreadable":
        current.rmdir()
    write(store, version, {busiest[0]: sorted(served.wines["wine_id"])}, moment := MADE + 1)
    for each in (client, hurried):
        answered(each, lambda answer: answer["precomputed_at"] == iso_of(moment), **request)

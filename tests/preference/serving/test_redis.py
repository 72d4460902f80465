"""The service on a real Redis that works, fails and lies: always a decided answer, and never another member's history."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import RatingEvent, decode_event
from cellar_shared.liking.offsets import build_ahead
from cellar_shared.store.breaker import FAILURES, LONGEST_OPEN_S, OPEN_S
from cellar_shared.store.generation import GenerationManifest, read_manifest
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.port import StoreUnavailable, member_key
from cellar_shared.store.redis_scripts import RedisAddress
from cellar_shared.store.redis_store import WHOLE, RedisStore, hash_key

AS_OF = "2021-12-31T18:00:00Z"
# Far above what a loaded machine takes for a round trip on loopback, where the test is not about being slow.
PATIENT_MS = 30_000
# Where a reply never comes: as long as it takes a loaded machine to get one that does.
HASTY_MS = 500
WITHIN_S = 60.0  # whatever is waited for ends the wait


@dataclass
class World:
    """A store with a generation and its index in this test's own Redis, and how to reach it."""

    server: Any
    folder: Path
    data: Path
    manifest: GenerationManifest

    def store(self, port: int | None = None, timeout_ms: int = PATIENT_MS) -> RedisStore:
        """The store, directly or at another port."""
        url = self.server.url(self.folder, timeout_ms=timeout_ms).replace(str(self.server.port), str(port or self.server.port))
        opened = open_store(url)
        assert isinstance(opened, RedisStore)
        return opened

    @property
    def address(self) -> RedisAddress:
        return self.store().address

    def value_at(self, member: str) -> tuple[bytes, bytes]:
        """The hash and the field in which the member's value lies."""
        key = member_key(member)
        return hash_key(self.address.key("g", self.manifest.id), key), key

    def overlay_at(self, member: str) -> bytes:
        return self.address.key("o", member_key(member))

    def push(self, *events: RatingEvent) -> list[str]:
        store, journal = self.store(), Journal(self.data)
        door = store.door(journal)
        try:
            return [receipt.status for receipt in door.accept(events, now_s=time.time())]
        finally:
            door.close()
            journal.close()


@pytest.fixture(scope="module")
def made(line, tmp_path_factory, start_redis) -> Path:
    """A folder with what a server has on disk, and the generation and its index."""
    place = tmp_path_factory.mktemp("made")
    shutil.copytree(line.data, place / "data")
    (place / "redis").mkdir()
    server = start_redis(place / "redis")
    store = open_store(server.url(place / "store", timeout_ms=PATIENT_MS))
    materialize(place / "data", store, ahead=lambda generation_id: build_ahead(line.bundle, store, generation_id), say=lambda _: None)
    server.kill()
    return place


@pytest.fixture
def own_redis(made, tmp_path, start_redis) -> Iterator[Any]:
    """This test's own server, with the members in it."""
    shutil.copytree(made / "redis", tmp_path / "redis")
    server = start_redis(tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture
def world(made, own_redis, tmp_path) -> World:
    for name in ("store", "data"):
        shutil.copytree(made / name, tmp_path / name)
    (manifest,) = (read_manifest(folder) for folder in (tmp_path / "store" / "generations").glob("[!.]*"))
    return World(own_redis, tmp_path / "store", tmp_path / "data", manifest)


@pytest.fixture
def asks(line, connect, world) -> Callable[..., Any]:
    """Starts a service on the world's store, through a proxy's port or directly."""

    def start(port: int | None = None, timeout_ms: int = PATIENT_MS, **options: Any) -> Any:
        return connect(line.bundle, world.store(port, timeout_ms), store_within_s=0.0, look_every_s=0.05, **options).start()

    return start


def rated(event_id: str, member: str, wine: str, day: int = 1) -> RatingEvent:
    event = decode_event(
        b'{"kind":"rating","event_id":"%s","member_id":"%s","wine_id":"%s","occurred_at":"2021-12-%02dT10:00:00Z","rating":4.5,"scale":"1-5"}'
        % (event_id.encode(), member.encode(), wine.encode(), day)
    )
    assert isinstance(event, RatingEvent)
    return event


def require_unknown(client: Any, member: str, wines: list[str], why: str = "store_unavailable") -> None:
    """The member is answered as one nobody knows, and the answer admits why."""
    given = client.ask(*wines, history=[], as_of=AS_OF)
    gone = client.ask(*wines, member_id=member, as_of=AS_OF)
    assert gone["degraded"] == [why]
    assert gone["results"] == given["results"]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.02)


def tastings(answer: Any) -> int:
    number: int = answer["results"][0]["evidence"]["own_tastings"]
    return number


def is_back(client: Any, member: str, wine: str) -> bool:
    return client.ask(wine, member_id=member, as_of=AS_OF)["degraded"] == []


# Well


def test_stored_members_are_answered_as_on_lmdb(client, asks, busiest, wine_ids):
    on_redis = asks()
    for member in [*busiest[:6], busiest[-1], "nobody", "Zoë 🍷"]:
        for as_of in (AS_OF, "2019-06-15T12:00:00Z"):
            here, there = (each.ask(*wine_ids, member_id=member, as_of=as_of) for each in (on_redis, client))
            assert (here["results"], here["degraded"]) == (there["results"], there["degraded"])


def test_what_is_pushed_counts_in_the_next_answer_of_every_service(world, asks, busiest, wine_ids):
    one, other = asks(), asks()
    before = tastings(one.ask(wine_ids[0], member_id=busiest[0], as_of=AS_OF))
    event = rated("e1", busiest[0], wine_ids[0])
    assert world.push(event, event) == ["accepted", "duplicate"]
    for service in (one, other):
        assert tastings(service.ask(wine_ids[0], member_id=busiest[0], as_of=AS_OF)) == before + 1


def test_a_replica_that_only_reads_serves(world, asks, tmp_path, own_redis, start_redis, busiest, wine_ids):
    (tmp_path / "replica").mkdir()
    replica = start_redis(tmp_path / "replica")
    try:
        with replica.client() as commands:
            commands.replicaof("127.0.0.1", own_redis.port)
            until(lambda: commands.info("replication")["master_link_status"] == "up")
            service = asks(replica.port)
            direct = asks()
            for member in busiest[:3]:
                answers = [each.ask(*wine_ids, member_id=member, as_of=AS_OF) for each in (service, direct)]
                assert answers[0]["results"] == answers[1]["results"]
                assert answers[0]["degraded"] == []
            with pytest.raises(CellarError, match="read only replica"):
                world.store(replica.port).trim(0)
                materialize(world.data, world.store(replica.port), horizon_days=10, say=lambda _: None)
            commands.config_set("replica-serve-stale-data", "no")
            own_redis.kill()
            until(lambda: commands.info("replication")["master_link_status"] == "down")
            require_unknown(service, busiest[0], wine_ids)
    finally:
        replica.kill()


def test_a_redis_out_of_memory_reads_on_takes_nothing_in_and_says_so(world, asks, busiest, wine_ids):
    service = asks()
    known = service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    with world.server.client() as commands:
        commands.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            world.push(rated("e1", busiest[0], wine_ids[0]))
        with pytest.raises(CellarError, match="maxmemory"):
            materialize(world.data, world.store(), horizon_days=10, say=lambda _: None)
        again = service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
        assert (again["results"], again["degraded"]) == (known["results"], [])
        commands.config_set("maxmemory", 0)
    assert world.push(rated("e1", busiest[0], wine_ids[0])) == ["accepted"]


def test_a_redis_that_evicts_whatever_it_likes_is_refused_by_name(world):
    with world.server.client() as commands:
        commands.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(CellarError, match=r"allkeys-lru.*set maxmemory-policy noeviction"):
        materialize(world.data, world.store(), horizon_days=10, say=lambda _: None)


# Away


def test_a_service_starts_without_redis_and_knows_its_members_once_it_is_back(world, asks, busiest, wine_ids):
    world.server.kill()
    service = asks()
    assert service("GET", "/v2/health/ready").status_code == 200
    require_unknown(service, busiest[0], wine_ids)
    world.server.start()
    until(lambda: is_back(service, busiest[0], wine_ids[0]))
    fresh = asks()
    back, expected = (each.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)["results"] for each in (service, fresh))
    assert back == expected


def test_a_service_that_started_without_index_and_redis_makes_the_index_up_for(client, world, asks, busiest, wine_ids):
    for index in (world.folder / "indexes").iterdir():
        index.unlink()
    world.server.kill()
    service = asks()
    # Everybody's answers lack the offsets, and say so.
    given = service.ask(*wine_ids, history=[], as_of=AS_OF)
    assert given["degraded"] == ["store_unavailable"]
    require_unknown(service, busiest[0], wine_ids)
    world.server.start()
    until(lambda: service.ask(wine_ids[0], history=[], as_of=AS_OF)["degraded"] == [])
    until(lambda: is_back(service, busiest[0], wine_ids[0]))
    for who in ({"history": []}, {"member_id": busiest[0]}):
        assert service.ask(*wine_ids, **who, as_of=AS_OF)["results"] == client.ask(*wine_ids, **who, as_of=AS_OF)["results"]
    assert service.chances(*wine_ids, history=[], as_of=AS_OF) != [result["probability"] for result in given["results"]]


def test_a_redis_that_ends_while_it_is_asked_is_done_without_and_found_again(world, asks, busiest, wine_ids):
    service = asks()
    known = service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    for _ in range(2):
        world.server.kill()
        for _ in range(2 * FAILURES):
            require_unknown(service, busiest[0], wine_ids)
        world.server.start()
        until(lambda: is_back(service, busiest[0], wine_ids[0]))
        assert service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)["results"] == known["results"]


def test_connections_that_were_cut_while_idle_cost_no_answer(asks, proxy, busiest, wine_ids):
    service = asks(proxy.port)
    requests = [{"member_id": member, "wines": [{"wine_id": wine_ids[0]}], "as_of": AS_OF} for member in busiest[:8]]
    for _ in range(3):
        assert [response.json()["degraded"] for response in service.together(*requests)] == [[]] * 8
        proxy.break_connections()


def test_a_wrong_password_is_an_unavailable_store_and_never_shown(world, asks, line, connect, own_redis, busiest, wine_ids, caplog):
    with own_redis.client() as commands:
        commands.config_set("requirepass", "right")
    secret = "wrong-and-secret"  # noqa: S105
    store = open_store(own_redis.url(world.folder, timeout_ms=PATIENT_MS).replace("redis://", f"redis://:{secret}@"))
    service = connect(line.bundle, store, store_within_s=0.0).start()
    require_unknown(service, busiest[0], wine_ids)
    assert "AuthenticationError" in caplog.text
    assert secret not in caplog.text
    right = open_store(own_redis.url(world.folder, timeout_ms=PATIENT_MS).replace("redis://", "redis://:right@"))
    assert is_back(connect(line.bundle, right, store_within_s=0.0).start(), busiest[0], wine_ids[0])


# Slow


class Watched:
    """How often a service asks its Redis, and its breaker's clock, which moves when the test says so."""

    def __init__(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        asking = client.service._store.asking
        self.breaker = asking.breaker
        self.asked = 0
        self.now = 0.0
        round_trip = asking._round_trip

        async def counted(commands: Any) -> Any:
            self.asked += 1
            return await round_trip(commands)

        monkeypatch.setattr(asking, "_round_trip", counted)
        monkeypatch.setattr(self.breaker, "_clock", lambda: self.now)

    def until_the_next_probe(self) -> None:
        self.now += LONGEST_OPEN_S


@pytest.fixture
def hasty(asks, proxy, monkeypatch) -> tuple[Any, Watched]:
    """A service of little patience, and a Redis that does not answer any more."""
    service = asks(proxy.port, HASTY_MS)
    proxy.delay_s = lambda: 3600.0
    return service, Watched(service, monkeypatch)


def until_back(service: Any, watched: Watched, member: str, wine: str) -> None:
    def is_back_now() -> bool:
        watched.until_the_next_probe()
        return is_back(service, member, wine)

    until(is_back_now)


def test_a_slow_redis_is_asked_a_few_times_and_then_left_alone(hasty, proxy, busiest, wine_ids):
    service, watched = hasty
    until(lambda: not is_back(service, busiest[0], wine_ids[0]) and watched.breaker.is_open)
    asked = watched.asked
    for _ in range(20):
        require_unknown(service, busiest[0], wine_ids)
    assert watched.asked == asked
    watched.until_the_next_probe()
    for _ in range(20):
        require_unknown(service, busiest[0], wine_ids)
    assert watched.asked == asked + 1
    proxy.heal()
    until_back(service, watched, busiest[0], wine_ids[0])


def test_many_requests_at_once_on_a_slow_redis_wait_no_longer_than_one(hasty, proxy, busiest, wine_ids):
    service, watched = hasty
    requests = [{"member_id": busiest[at % 5], "wines": [{"wine_id": wine_ids[0]}], "as_of": AS_OF} for at in range(60)]
    responses = service.together(*requests)
    assert {response.status_code for response in responses} == {200}
    assert {tuple(response.json()["degraded"]) for response in responses} == {("store_unavailable",)}
    # All of them failed together: the next probe is as near as after three.
    assert watched.breaker._open_s == OPEN_S
    proxy.heal()
    until_back(service, watched, busiest[0], wine_ids[0])


# Flapping and lying


def test_no_request_is_ever_answered_with_another_members_history(asks, proxy, busiest, wine_ids):
    """Random delays around the read timeout, replies in random pieces: reads are given up in the middle of a reply all the time."""
    members = busiest[:24]
    service = asks()
    expected = {member: service.ask(*wine_ids[:4], member_id=member, as_of=AS_OF)["results"] for member in members}
    assert len({str(results) for results in expected.values()}) == len(members)
    unknown = service.ask(*wine_ids[:4], history=[], as_of=AS_OF)["results"]
    rng = random.Random(3)

    def pieces(reply: bytes) -> list[bytes]:
        cuts = sorted(rng.sample(range(len(reply)), min(3, len(reply))))
        return [reply[start:end] for start, end in zip([0, *cuts], [*cuts, len(reply)], strict=True)]

    seen = {"answered": 0, "given up": 0}
    wines = [{"wine_id": wine} for wine in wine_ids[:4]]

    def rush(hurried: Any) -> None:
        asked = rng.sample(members, 16)
        for member, response in zip(
            asked, hurried.together(*({"member_id": each, "wines": wines, "as_of": AS_OF} for each in asked)), strict=True
        ):
            assert response.status_code == 200
            answer = response.json()
            if answer["degraded"]:
                assert (answer["degraded"], answer["results"]) == (["store_unavailable"], unknown)
                seen["given up"] += 1
            else:
                assert answer["results"] == expected[member]
                seen["answered"] += 1

    for timeout_ms in (150, 600, 2_400, 9_600):  # a machine that answers nobody at one pace does so at a slower one
        proxy.heal()
        hurried = asks(proxy.port, timeout_ms)
        proxy.twist = pieces
        # Some readers give up with half a reply, some before its first byte, which then comes to whoever uses the connection next.
        proxy.delay_s = lambda: rng.random() * rng.choice([0.3, 0.3, 1.6]) * timeout_ms / 1000  # noqa: B023
        for _ in range(60):
            rush(hurried)
            hurried.service._store.asking.breaker.succeeded()
            if min(seen.values()) >= 150:
                return
    assert min(seen.values()) >= 20, seen


def test_replies_that_belong_to_the_request_before_are_never_taken(asks, proxy, busiest, wine_ids):
    """A proxy that keeps each connection one whole set of replies behind: what every client that counts on order falls for."""
    direct = asks()
    held = [b""]

    def late(reply: bytes) -> list[bytes]:
        held.append(reply)
        return [held.pop(0)]

    other = asks(proxy.port, 500)
    proxy.twist = late
    require_unknown(other, busiest[1], wine_ids)  # nothing comes
    require_unknown(other, busiest[2], wine_ids)  # the replies about the member before
    proxy.twist = lambda reply: [reply, reply]
    for member in busiest[3:6]:
        answer = other.ask(*wine_ids, member_id=member, as_of=AS_OF)
        assert answer["degraded"] or answer["results"] == direct.ask(*wine_ids, member_id=member, as_of=AS_OF)["results"]


def test_a_flapping_redis_fails_no_request(world, asks, proxy, busiest, wine_ids):
    service = asks(proxy.port)
    breaker = service.service._store.asking.breaker
    rng = random.Random(9)
    direct = asks()
    expected = {member: direct.ask(wine_ids[0], member_id=member, as_of=AS_OF)["results"] for member in busiest[:6]}
    unknown = direct.ask(wine_ids[0], history=[], as_of=AS_OF)["results"]
    seen = set()
    for _ in range(40):
        state = rng.choice(["up", "down", "cut", "reset"])
        proxy.heal()
        if state == "down":
            proxy.is_down = True
        elif state == "cut":  # the beginning of a reply, then the end of the connection
            proxy.twist = lambda reply: [reply[: rng.randrange(len(reply))]]
            proxy.delay_s = lambda: (proxy.break_connections(), 0.001)[1]
        elif state == "reset":
            proxy.break_connections()
        requests = [{"member_id": member, "wines": [{"wine_id": wine_ids[0]}], "as_of": AS_OF} for member in expected]
        for member, response in zip(expected, service.together(*requests), strict=True):
            assert response.status_code == 200
            answer = response.json()
            seen.add(tuple(answer["degraded"]))
            assert answer["results"] == (unknown if answer["degraded"] else expected[member])
        breaker.succeeded()
    assert seen == {(), ("store_unavailable",)}
    proxy.heal()
    until(lambda: is_back(service, busiest[0], wine_ids[0]))


def echoing(replies: bytes) -> Callable[[bytes], bytes]:
    """Answers so, where $1 1 stands for the mark of a whole hash, and echoes the number as asked."""
    marked = replies.replace(b"$1\r\n1\r\n", b"$%d\r\n%s\r\n" % (len(WHOLE), WHOLE))
    return lambda number: marked + b"$%d\r\n%s\r\n" % (len(number), number)


GARBAGE = {
    "random bytes": lambda number: random.Random(1).randbytes(200),
    "another protocol": lambda number: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "numbers": echoing(b":1\r\n:2\r\n"),
    "texts": echoing(b"+OK\r\n+OK\r\n"),
    "nothing": echoing(b"*-1\r\n*-1\r\n"),
    "empty lists": echoing(b"*0\r\n*0\r\n"),
    "lists within lists": echoing(b"*2\r\n*1\r\n*0\r\n*1\r\n*0\r\n*1\r\n*8\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
    "numbers as pushed ratings": echoing(b"*2\r\n$1\r\n1\r\n$-1\r\n*1\r\n:8\r\n"),
    "a number as a value": echoing(b"*2\r\n$1\r\n1\r\n:5\r\n*0\r\n"),
    "short pushed ratings": echoing(b"*2\r\n$1\r\n1\r\n$-1\r\n*1\r\n$8\r\n12345678\r\n"),
    "an empty value": echoing(b"*2\r\n$1\r\n1\r\n$0\r\n\r\n*0\r\n"),
    "a list's inner error": echoing(b"*2\r\n$1\r\n1\r\n-ERR no\r\n*0\r\n"),
    "loading": echoing(b"-LOADING Redis is loading\r\n-LOADING Redis is loading\r\n"),
    "busy": lambda number: b"-BUSY a script runs\r\n" * 3,
    "types of RESP3": echoing(b"%1\r\n+a\r\n+b\r\n~1\r\n+a\r\n"),
    "too few replies": echoing(b"*2\r\n$1\r\n1\r\n$-1\r\n"),
    "too many replies": echoing(b"*0\r\n*2\r\n$1\r\n1\r\n$-1\r\n*0\r\n"),
    "a string without end": lambda number: b"$1999999999\r\nx",
    "no reply": lambda number: b"",
    "an echo of another request": lambda number: echoing(b"*2\r\n$1\r\n1\r\n$-1\r\n*0\r\n")(b"0"),
}


@pytest.mark.filterwarnings("error")
def test_whatever_answers_in_redis_place_the_request_is_answered(asks, proxy, busiest, wine_ids):
    service = asks(proxy.port, HASTY_MS)
    breaker = service.service._store.asking.breaker
    for name, canned in GARBAGE.items():
        proxy.canned = canned
        gone = service.ask(wine_ids[0], member_id=busiest[0], as_of=AS_OF)
        assert gone["degraded"] == ["store_unavailable"], name
        assert tastings(gone) == 0, name
        breaker.succeeded()
        # The connection that lied is not used again.
        proxy.canned = None
        until(lambda: is_back(service, busiest[0], wine_ids[0]))


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_in_place_of_replies_are_no_history(asks, proxy, busiest, wine_ids, seed):
    service = asks(proxy.port, 60)
    rng = random.Random(seed)
    breaker = service.service._store.asking.breaker

    def garbage(number: bytes) -> bytes:
        start = rng.choice([b"", b"*2\r\n", b"*2\r\n$1\r\n1\r\n$", b"$", b":", b"-", b"+"])
        return start + bytes(rng.choice(b"*$:+-0123456789\r\n\0\xff") for _ in range(rng.randrange(60))).replace(b"*", b"*0")

    proxy.canned = garbage
    for _ in range(25):
        gone = service.ask(wine_ids[0], member_id=busiest[0], as_of=AS_OF)
        assert (gone["degraded"], tastings(gone)) == (["store_unavailable"], 0)
        breaker.succeeded()


# Spoilt content


def test_a_value_that_is_spoilt_or_somebody_elses_is_no_history(world, asks, busiest, wine_ids):
    service = asks()
    one, other = busiest[:2]
    known = service.ask(*wine_ids, member_id=other, as_of=AS_OF)
    hash_key, field = world.value_at(one)
    rng = random.Random(4)
    with world.server.client() as commands:
        whole = commands.hget(hash_key, field)
        assert isinstance(whole, bytes)
        spoilt = [whole[:length] for length in (0, 1, 2, 3, 8, len(whole) // 2, len(whole) - 1)]
        spoilt += [whole + b"\0", rng.randbytes(len(whole)), commands.hget(*world.value_at(other))]
        for bit in rng.sample(range(8 * len(whole)), 40):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            spoilt.append(bytes(flipped))
        for value in spoilt:
            commands.hset(hash_key, field, value)
            gone = service.ask(wine_ids[0], member_id=one, as_of=AS_OF)
            assert (gone["degraded"], tastings(gone)) == (["store_unavailable"], 0), value
        commands.delete(hash_key)
        commands.set(hash_key, b"of another type")
        require_unknown(service, one, wine_ids)
    again = service.ask(*wine_ids, member_id=other, as_of=AS_OF)
    assert (again["results"], again["degraded"]) == (known["results"], [])


def test_a_pushed_rating_that_is_spoilt_or_somebody_elses_is_no_history(world, asks, busiest, wine_ids):
    service = asks()
    one, other = busiest[:2]
    world.push(rated("e1", one, wine_ids[0]), rated("e2", other, wine_ids[0]))
    rng = random.Random(4)
    with world.server.client() as commands:
        ((field, whole),) = commands.hgetall(world.overlay_at(one)).items()
        ((_, others),) = commands.hgetall(world.overlay_at(other)).items()
        spoilt = [b"", whole[:8], whole[:-1], whole[:-8], rng.randbytes(len(whole)), others]
        for bit in rng.sample(range(8 * len(whole)), 40):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            spoilt.append(bytes(flipped))
        for value in spoilt:
            commands.hset(world.overlay_at(one), field, value)
            gone = service.ask(wine_ids[0], member_id=one, as_of=AS_OF)
            assert (gone["degraded"], tastings(gone)) == (["store_unavailable"], 0), value
        commands.hset(world.overlay_at(one), field, whole)
        assert is_back(service, one, wine_ids[0])
        commands.delete(world.overlay_at(one))
        commands.set(world.overlay_at(one), b"of another type")
        require_unknown(service, one, wine_ids)


def test_a_redis_that_was_emptied_is_no_store_of_nobody(world, asks, line, busiest, wine_ids):
    service = asks()
    known = service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)
    with world.server.client() as commands:
        commands.flushall()
    require_unknown(service, busiest[0], wine_ids)
    require_unknown(service, "nobody", wine_ids)
    materialize(world.data, world.store(), say=lambda _: None)
    assert service.ask(*wine_ids, member_id=busiest[0], as_of=AS_OF)["results"] == known["results"]


def test_a_redis_that_lost_some_members_of_a_generation_knows_none_of_those_it_might_have_lost(world, asks, busiest, wine_ids):
    service = asks()
    with world.server.client() as commands:
        commands.unlink(world.value_at(busiest[0])[0])
    require_unknown(service, busiest[0], wine_ids)
    assert is_back(service, busiest[1], wine_ids[0])
    with pytest.raises(StoreUnavailable, match="does not hold all members"):
        list(world.store().reader(world.manifest.id).items())
    materialize(world.data, world.store(), say=lambda _: None)
    assert is_back(service, busiest[0], wine_ids[0])


def test_a_redis_with_another_generation_only_is_an_unavailable_store(world, asks, busiest, wine_ids):
    service = asks()
    with world.server.client() as commands:
        for key in commands.scan_iter(match=world.address.key("g", world.manifest.id) + b":*", count=1000):
            commands.rename(key, key.replace(world.manifest.id.encode(), b"another"))
    require_unknown(service, busiest[0], wine_ids)


def test_members_packed_by_other_code_are_an_unavailable_store(world, asks, busiest, wine_ids):
    service = asks()
    with world.server.client() as commands:
        commands.hset(world.value_at(busiest[0])[0], "whole", "another packing")
    require_unknown(service, busiest[0], wine_ids)

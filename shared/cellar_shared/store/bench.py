"""Measures what a member costs in a Redis store: made-up histories in Redis, lists on disk, as serving reads them; `cellar bench store`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import msgspec
import numpy as np
import numpy.typing as npt
import redis

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.features.histories import EVENT, Events
from cellar_shared.store.keyed_values import KeyedValues, KeyedWriter
from cellar_shared.store.list_packing import DIGEST_BYTES, MemberList, pack, unpack
from cellar_shared.store.packing import unpack_events
from cellar_shared.store.port import Store, member_key
from cellar_shared.store.redis_store import RedisStore, each_hash, hash_key

GENERATION: Final = "bench"
CHUNK: Final = 2_000
SIX_YEARS_S: Final = 6 * 365 * 86_400
FIRST_S: Final = 1_450_000_000
SETTLED_WITHIN_S: Final = 120.0


class Report(msgspec.Struct, frozen=True):
    """What was written and what it took. Memory is Redis's used_memory, with everything it keeps around the values; lists lie on disk,
    with their keys and places.
    """

    members: int
    ratings_each: int
    list_items: int
    history_bytes_each: float
    list_bytes_each: float
    redis_bytes_each: float
    redis_bytes: int
    seconds: float
    members_per_second: float
    read_back: int

    def text(self) -> str:
        """The report for a person."""
        each = f"{self.redis_bytes_each:.0f} bytes each in Redis"
        return (
            f"{self.members:,} members with {self.ratings_each} ratings take {each} "
            f"({self.redis_bytes / 2**20:,.0f} MiB; packed {self.history_bytes_each:.0f}), lists of {self.list_items} wines "
            f"{self.list_bytes_each:.0f} bytes each on disk; written in {self.seconds:.0f} s, {self.members_per_second:,.0f} a second; "
            f"{self.read_back:,} read back exactly"
        )


def bench_store(
    store: Store, *, members: int, ratings: int, items: int, wines: int, seed: int = 1, say: Callable[[str], None], keep: bool = False
) -> Report:
    """Write `members` made-up members, each with `ratings` ratings and a list of `items`, of `wines` wines; measure, and delete them.

    They lie beside the store's generations, which stay as they are. BadInput unless the store is a Redis whose generations lie in a
    folder; CellarError when it fails.
    """
    if not isinstance(store, RedisStore):
        raise BadInput(f"{store.name} is no Redis; name one: redis://HOST:PORT/DB?generations=DIR")
    made = _Made(members, ratings, items, wines, seed)
    histories = store.address.key("g", GENERATION)
    root = store.generations.parent
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".bench-", dir=root) as folder, store.commanding() as client:
        lists = Path(folder) / "lists"
        _clear(client, histories)
        before = _used(client)
        began = time.monotonic()
        say("writing histories")
        store.write_members(GENERATION, Path(), made.histories())
        say("writing lists")
        list_bytes = _write_lists(lists, made)
        seconds = time.monotonic() - began
        used = _used(client) - before
        say("reading back")
        history_bytes, read_back = _read_back(client, histories, lists, made)
        if not keep:
            _clear(client, histories)
            store.drop(GENERATION)
    return Report(
        members=members,
        ratings_each=ratings,
        list_items=items,
        history_bytes_each=history_bytes,
        list_bytes_each=list_bytes / members,
        redis_bytes_each=used / members,
        redis_bytes=used,
        seconds=seconds,
        members_per_second=members / seconds,
        read_back=read_back,
    )


class _Made:
    """Members out of a seed, a chunk at a time and the same each time."""

    def __init__(self, members: int, ratings: int, items: int, wines: int, seed: int) -> None:
        self.members = members
        self._ratings = ratings
        self._items = items
        self._wines = wines
        self._seed = seed
        self._identities: npt.NDArray[np.int64] = np.random.default_rng([seed, 2]).integers(-(2**63), 2**63 - 1, wines)

    def histories(self) -> Iterator[tuple[str, Events]]:
        for first in range(0, self.members, CHUNK):
            yield from self.histories_from(first)

    def histories_from(self, first: int) -> Iterator[tuple[str, Events]]:
        """A chunk's members: ratings to the second over six years, of any wine, in half stars."""
        rng = np.random.default_rng([self._seed, 0, first])
        count = min(CHUNK, self.members - first)
        shape = (count, self._ratings)
        events = np.zeros(shape, dtype=EVENT)
        events["moment"] = (FIRST_S + np.sort(rng.integers(0, SIX_YEARS_S, shape), axis=1)) * 1_000_000
        events["row"] = rng.integers(0, self._wines, shape)
        events["vintage"] = rng.integers(1990, 2021, shape)
        events["strength"] = rng.integers(-6, 3, shape) / 2
        events["liked"] = events["strength"] >= 0
        for place in range(count):
            yield f"m{first + place}", events[place]

    def lists_from(self, first: int) -> Iterator[tuple[str, MemberList]]:
        """A chunk's lists: wines best first, their scores, one of six sources each."""
        rng = np.random.default_rng([self._seed, 1, first])
        count = min(CHUNK, self.members - first)
        wines = self._identities[rng.integers(0, self._wines, (count, self._items))]
        scores = -np.sort(-rng.normal(size=(count, self._items)).astype(np.float32), axis=1)
        sources = rng.integers(0, 6, (count, self._items)).astype(np.uint8)
        for place in range(count):
            made_of = rng.bytes(DIGEST_BYTES)
            yield f"m{first + place}", MemberList(wines[place], scores[place], sources[place], FIRST_S * 1_000_000, made_of)


def _write_lists(folder: Path, made: _Made) -> int:
    """Write everybody's list; how many bytes they take."""
    with KeyedWriter(folder) as writer:
        for first in range(0, made.members, CHUNK):
            for member_id, each in made.lists_from(first):
                key = member_key(member_id)
                writer.add(key, pack(each, key))
    return sum(file.stat().st_size for file in folder.iterdir())


def _read_back(client: redis.Redis, histories: bytes, folder: Path, made: _Made) -> tuple[float, int]:
    """Read the first and the last chunk and compare; the mean length of a history's value and how many members were read."""
    lengths = []
    lists = KeyedValues.mapped(folder)
    for first in sorted({0, (made.members - 1) // CHUNK * CHUNK}):
        for (member_id, events), (_, written) in zip(made.histories_from(first), made.lists_from(first), strict=True):
            key = member_key(member_id)
            value = cast(bytes, client.hget(cast(Any, hash_key(histories, key)), cast(Any, key)))
            (listed,) = lists.of(key)
            if not np.array_equal(unpack_events(value, key), events) or pack(unpack(listed, key), key) != pack(written, key):
                raise CellarError(f"member {member_id} did not come back as written; do not use this Redis")
            lengths.append(len(value))
    return float(np.mean(lengths)), len(lengths)


def _used(client: redis.Redis) -> int:
    return int(cast(Any, client.info("memory"))["used_memory"])


def _clear(client: redis.Redis, *prefixes: bytes) -> None:
    """Delete what another run left, and wait until its memory is free."""
    for prefix in prefixes:
        each_hash(client, prefix, "UNLINK")
    end = time.monotonic() + SETTLED_WITHIN_S
    while cast(Any, client.info("memory")).get("lazyfree_pending_objects", 0) and time.monotonic() < end:
        time.sleep(0.05)

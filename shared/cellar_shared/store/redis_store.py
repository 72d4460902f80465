"""A store that many machines share: members and what was pushed in Redis, generations' mapped folders copied to each machine.

A generation's members lie in hashes of a few thousand fields, so that a generation of millions goes in a thousand
commands. A mark in each hash, written last, says that its members are all there: a Redis that was emptied, that evicted a
hash or holds another generation is a store that cannot be read, not one that knows nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.features.histories import Events
from cellar_shared.store.fetching import Published, PublishedFolder, PublishedUrl, fetched, fetched_lists, scratch_folder
from cellar_shared.store.generation_folders import CURRENT, named_in, read_current
from cellar_shared.store.lists_folders import FOLDER as LISTS
from cellar_shared.store.lists_folders import current_file, lists_named_in
from cellar_shared.store.overlay import PUSHED, Kept, PushedWish, pushed_of, unpack_pushed_wish
from cellar_shared.store.packing import PACKING, Garbled, pack_events
from cellar_shared.store.port import Door, MemberDamaged, Settled, StoreUnavailable, member_key
from cellar_shared.store.redis_asking import RedisAsking
from cellar_shared.store.redis_door import Drain, RedisDoor
from cellar_shared.store.redis_scripts import TRIM, RedisAddress, opened

HASHES: Final = 1024  # a thousand members each where there are a million
MEMBERS_A_BATCH: Final = 2000
COMMAND_TIMEOUT_S: Final = 20.0
READ_TIMEOUT_MS: Final = 50
GOES_AFTER_S: Final = 60  # a dropped generation's members, for services that have yet to swap
PREFIX: Final = "cellar"
MARK: Final = b"whole"  # a field; no member's key has five bytes
WHOLE: Final = b"%d" % PACKING


class RedisReader:
    """Members of one generation: its value and what was pushed, in one round trip."""

    def __init__(self, store: RedisStore, generation_id: str) -> None:
        self._store = store
        self._generation = store.address.key("g", generation_id)

    async def read(self, member_id: str) -> Kept:
        key = member_key(member_id)
        commands = (
            ("HMGET", hash_key(self._generation, key), MARK, key),
            ("HVALS", self._store.address.key("o", key)),
            ("GET", self._store.address.key("trimmed")),
        )
        try:
            (mark, value), overlay, trimmed = await self._store.asking.ask(commands)
            self._require(mark)
            return _kept(key, value, overlay, int(trimmed or 0))
        except (ValueError, TypeError) as error:
            raise MemberDamaged(f"{self._store.name} holds something that is no member: {error}") from error

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            with self._store.commanding() as client:
                for hash_key in _hash_keys(self._generation):
                    members: dict[bytes, bytes] = client.hgetall(hash_key)  # type: ignore[assignment]
                    self._require(members.pop(MARK, None))
                    yield from members.items()
        except CellarError as error:
            raise StoreUnavailable(str(error)) from error

    def close(self) -> None:
        pass

    def _require(self, mark: Any) -> None:
        if mark != WHOLE:
            raise StoreUnavailable(
                f"{self._store.name} does not hold all members of {self._generation.decode()}; run `cellar materialize` again"
            )


class RedisStore:
    """The store of a URL `redis://HOST:PORT/DB?generations=DIR`."""

    def __init__(self, address: RedisAddress, published: Published, root: Path | None, scratch: Path) -> None:
        self.address = address
        self.asking = RedisAsking(address)
        self._published = published
        self._root = root
        self._scratch = scratch

    @classmethod
    def of_url(cls, url: str) -> Self:
        """The store of `url`; BadInput when a part of it is missing or not understood."""
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
        except ValueError:  # its words quote what may be part of a password
            raise BadInput(
                "the host and port of the Redis store cannot be read; write redis://HOST:PORT/DB?generations=DIR, "
                "with / : @ # ? of a password as %2F %3A %40 %23 %3F"
            ) from None
        if "@" in parts.path and parts.scheme != "unix":
            raise BadInput("the Redis store's path holds an @; write / of a password as %2F")
        given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        generations = given.pop("generations", "")
        if not generations:
            raise BadInput("a Redis store needs ?generations=DIR, the folder (or address) where generations' arrays lie")
        timeout = given.pop("timeout_ms", str(READ_TIMEOUT_MS))
        if not timeout.isdigit() or not 1 <= int(timeout) <= 60_000:
            raise BadInput(f"timeout_ms={timeout!r} of the store is no number of milliseconds from 1 to 60000")
        prefix = given.pop("prefix", PREFIX)
        if unknown := sorted(set(given) - {"db"}):
            raise BadInput(f"{', '.join(unknown)} of the store's URL is not known; write generations, timeout_ms, prefix")
        bare = parts._replace(query=f"db={given['db']}" if "db" in given else "").geturl()
        where = f"{parts.hostname or ''}:{port}{parts.path}" if parts.scheme != "unix" else parts.path
        remote = "://" in generations
        shown = f"{urlsplit(generations).scheme}://{urlsplit(generations).hostname}..." if remote else generations
        address = RedisAddress(bare, f"{parts.scheme}://{where}?generations={shown}", int(timeout) / 1000, prefix)
        published = PublishedUrl(generations) if remote else PublishedFolder(Path(generations))
        return cls(address, published, None if remote else Path(generations), scratch_folder(generations))

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def generations(self) -> Path:
        if self._root is None:
            raise BadInput(f"{self.name} is read only here; materialize with the folder behind it: ?generations=DIR")
        return self._root / "generations"

    @property
    def indexes(self) -> Path:
        return (self._scratch if self._root is None else self._root) / "indexes"

    @property
    def lists(self) -> Path:
        return self.generations.parent / LISTS

    def current_lists(self, bundle_version: str) -> str | None:
        return lists_named_in(self._published.found(current_file(bundle_version)))

    def lists_folder(self, bundle_version: str, lists_id: str) -> Path:
        return fetched_lists(self._published, bundle_version, lists_id, self._scratch)

    def current_id(self) -> str:
        if self._root is not None:
            return read_current(self.generations, self.name)
        return named_in(self._published.read(CURRENT), self.name)

    def folder(self, generation_id: str) -> Path:
        return fetched(self._published, generation_id, self._scratch)

    def reader(self, generation_id: str) -> RedisReader:
        return RedisReader(self, generation_id)

    def write_members(self, generation_id: str, staging: Path, members: Iterable[tuple[str, Events]]) -> int:
        generation = self.address.key("g", generation_id)
        written = 0
        with self.commanding() as client:
            self._require_no_eviction(client)
            client.sadd(self._generations_key, generation_id)
            each_hash(client, generation, "UNLINK")
            batches = iter(members)
            while batch := list(itertools.islice(batches, MEMBERS_A_BATCH)):
                pipeline = client.pipeline(transaction=False)
                for member_id, events in batch:
                    key = member_key(member_id)
                    pipeline.hset(hash_key(generation, key), key, pack_events(events, key))
                pipeline.execute()
                written += len(batch)
            each_hash(client, generation, "HSET", MARK, WHOLE)
        return written

    def holds_members(self, generation_id: str) -> bool:
        with self.commanding() as client:
            return set(each_hash(client, self.address.key("g", generation_id), "HGET", MARK)) == {WHOLE}

    def written(self) -> set[str]:
        with self.commanding() as client:
            return {name.decode() for name in cast(set[bytes], client.smembers(self._generations_key))}

    def drop(self, generation_id: str) -> None:
        with self.commanding() as client:
            client.srem(self._generations_key, generation_id)
            each_hash(client, self.address.key("g", generation_id), "EXPIRE", GOES_AFTER_S)

    def door(self, journal: Journal) -> Door:
        return RedisDoor(self.address)

    def settle(self, journal: Journal, *, now_s: float) -> Settled:
        with self.commanding() as client:
            return Drain(self.address, journal).once(client, now_s=now_s)[1]

    def hide(self, member_id: str, journal: Journal, *, now_s: float) -> int:
        with self.commanding() as client:
            deleted = Drain(self.address, journal).hide(client, member_id, now_s=now_s)
            for event_id in deleted:
                client.unlink(self.address.event_key(event_id))
        return len(deleted)

    def trim(self, through: int) -> int:
        touched = self.address.key("touched")
        trimmed = 0
        with self.commanding() as client:
            client.set(self.address.key("trimmed"), through)
            trimming = client.register_script(TRIM)
            for key, _ in client.zscan_iter(touched):
                trimmed += int(trimming(keys=[self.address.key("o", key), touched], args=[through, key]))
        return trimmed

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(
                self.address.url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        pass  # commands close their own connections

    async def aclose(self) -> None:
        """Close the connections that requests were read over; in the loop that read."""
        await self.asking.aclose()

    @property
    def _generations_key(self) -> str:
        return self.address.key("generations").decode()

    def _require_no_eviction(self, client: redis.Redis) -> None:
        policy = str(cast(Any, client.info("memory")).get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            raise CellarError(
                f"{self.name} evicts whatever it likes when memory is short ({policy}), also what was pushed; "
                "set maxmemory-policy noeviction"
            )

    @contextmanager
    def commanding(self) -> Iterator[redis.Redis]:
        """A client for commands; CellarError where Redis does not do them."""
        try:
            with redis.Redis.from_url(
                self.address.url, socket_timeout=COMMAND_TIMEOUT_S, socket_connect_timeout=COMMAND_TIMEOUT_S
            ) as client:
                yield client
        except redis.RedisError as error:
            raise CellarError(f"{self.name} does not do what it is told ({type(error).__name__}: {error}); see that it runs") from error


def _hash_keys(generation: bytes) -> Iterator[bytes]:
    return (generation + b":%d" % place for place in range(HASHES))


def hash_key(generation: bytes, key: bytes) -> bytes:
    """The hash of a generation in which the member with `key` lies."""
    return generation + b":%d" % (int.from_bytes(key[:4], "little") % HASHES)


def each_hash(client: redis.Redis, generation: bytes, command: str, *words: bytes | int) -> list[Any]:
    """Replies to a command on each of the generation's hashes."""
    pipeline = client.pipeline(transaction=False)
    for hash_key in _hash_keys(generation):
        pipeline.execute_command(command, hash_key, *words)  # type: ignore[no-untyped-call]
    return pipeline.execute()


def _kept(key: bytes, value: Any, overlay: Any, trimmed_through: int) -> Kept:
    """What was read of the member with `key`; ValueError or TypeError when it is nothing that was written here."""
    if not (value is None or isinstance(value, bytes)) or not isinstance(overlay, list):
        raise Garbled("no value of a member")
    forgotten_at = 0
    rows = []
    wishes: list[PushedWish] = []
    for sealed in overlay:
        part = opened(key, sealed)
        if len(part) == 8:
            forgotten_at = int.from_bytes(part, "little")
        elif len(part) == PUSHED.itemsize:
            rows.append(part)
        elif len(part) > PUSHED.itemsize:
            wishes.append(unpack_pushed_wish(part))
        else:
            raise Garbled(f"{len(part)} bytes are nothing that was pushed")
    return Kept(key, value, pushed_of(rows), forgotten_at, trimmed_through, tuple(wishes))

"""A store that many machines share: members and what was pushed in Redis, generations' mapped folders copied to each machine.

A generation's members lie in hashes of a few thousand fields, so that a generation of millions goes in a few hundred
commands. A marker says that they are all there: a Redis that was emptied, or holds another generation, is a store that cannot
be read, not one that knows nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.journal import Journal
from cellar_shared.features.histories import Events
from cellar_shared.store.breaker import Breaker
from cellar_shared.store.fetching import Published, PublishedFolder, PublishedUrl, fetched, scratch_folder
from cellar_shared.store.generation_folders import CURRENT, read_current
from cellar_shared.store.overlay import PUSHED, Kept, pushed_of
from cellar_shared.store.packing import PACKING, Garbled, pack_events
from cellar_shared.store.port import Door, Settled, StoreUnavailable, member_key
from cellar_shared.store.redis_door import Drain, RedisDoor
from cellar_shared.store.redis_scripts import HIDE, TRIM, RedisAddress

HASHES: Final = 1024  # a thousand members each where there are a million
MEMBERS_A_BATCH: Final = 2000
COMMAND_TIMEOUT_S: Final = 20.0
READ_TIMEOUT_MS: Final = 50
CONNECTIONS: Final = 256
GOES_AFTER_S: Final = 60  # a dropped generation's members, for services that have yet to swap
PREFIX: Final = "cellar"


class RedisReader:
    """Members of one generation: its value and what was pushed, in one round trip."""

    def __init__(self, store: RedisStore, generation_id: str) -> None:
        self._store = store
        self._marker = store.address.key("g", generation_id)

    async def read(self, member_id: str) -> Kept:
        key = member_key(member_id)
        commands = (("GET", self._marker), ("HGET", _hash_key(self._marker, key), key), ("HVALS", self._store.address.key("o", key)))
        marker, value, overlay = await self._store.ask(commands)
        self._require(marker)
        try:
            return _kept(value, overlay)
        except (Garbled, TypeError) as error:
            raise StoreUnavailable(f"{self._store.name} holds something that is no member: {error}") from error

    def values(self) -> Iterator[bytes]:
        try:
            with self._store.commanding() as client:
                self._require(client.get(self._marker))
                for key in _hash_keys(self._marker):
                    yield from client.hvals(key)  # type: ignore[misc]
        except CellarError as error:
            raise StoreUnavailable(str(error)) from error

    def close(self) -> None:
        pass

    def _require(self, marker: Any) -> None:
        if not _is_whole(marker):
            raise StoreUnavailable(
                f"{self._store.name} does not hold the members of {self._marker.decode()}; run `cellar materialize` again"
            )


class RedisStore:
    """The store of a URL `redis://HOST:PORT/DB?generations=DIR`."""

    def __init__(self, address: RedisAddress, published: Published, root: Path | None, scratch: Path) -> None:
        self.address = address
        self.breaker = Breaker()
        self._published = published
        self._root = root
        self._scratch = scratch
        self._client: redis.asyncio.Redis | None = None

    @classmethod
    def of_url(cls, url: str) -> Self:
        """The store of `url`; BadInput when a part of it is missing or not understood."""
        parts = urlsplit(url)
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
        where = f"{parts.hostname or ''}:{parts.port or 6379}{parts.path}" if parts.scheme != "unix" else parts.path
        remote = "://" in generations
        shown = f"{urlsplit(generations).scheme}://{urlsplit(generations).hostname}..." if remote else generations
        address = RedisAddress(bare, f"{parts.scheme}://{where}?generations={shown}", int(timeout) / 1000, prefix)
        published = PublishedUrl(generations) if remote else PublishedFolder(Path(generations))
        return cls(address, published, None if remote else Path(generations), scratch_folder() / "generations")

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
        return (self._scratch.parent if self._root is None else self._root) / "indexes"

    def current_id(self) -> str:
        if self._root is not None:
            return read_current(self.generations, self.name)
        self._scratch.mkdir(parents=True, exist_ok=True)
        file = self._scratch / CURRENT
        self._published.copy(CURRENT, file)
        return read_current(self._scratch / "generations", self.name)

    def folder(self, generation_id: str) -> Path:
        return fetched(self._published, generation_id, self._scratch)

    def reader(self, generation_id: str) -> RedisReader:
        return RedisReader(self, generation_id)

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Replies to `commands` in one round trip; StoreUnavailable within the read timeout, at once while the breaker is open."""
        if not self.breaker.lets_through():
            raise StoreUnavailable(f"{self.name} did not answer before and is left alone for a moment")
        try:
            async with asyncio.timeout(self.address.read_timeout_s):
                pipeline = self._reading().pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute()
        except (redis.RedisError, OSError, TimeoutError, ValueError) as error:
            self.breaker.failed()
            raise StoreUnavailable(f"{self.name} cannot be read: {type(error).__name__} {error}") from error
        self.breaker.succeeded()
        return replies

    def write_members(self, generation_id: str, staging: Path, members: Iterable[tuple[str, Events]]) -> int:
        marker = self.address.key("g", generation_id)
        written = 0
        with self.commanding() as client:
            _unlink(client, marker)
            batches = iter(members)
            while batch := list(itertools.islice(batches, MEMBERS_A_BATCH)):
                pipeline = client.pipeline(transaction=False)
                for member_id, events in batch:
                    key = member_key(member_id)
                    pipeline.hset(_hash_key(marker, key), key, pack_events(events))
                pipeline.execute()
                written += len(batch)
            client.set(marker, _marker(written))
        return written

    def holds_members(self, generation_id: str) -> bool:
        with self.commanding() as client:
            return _is_whole(client.get(self.address.key("g", generation_id)))

    def drop(self, generation_id: str) -> None:
        marker = self.address.key("g", generation_id)
        with self.commanding() as client:
            pipeline = client.pipeline(transaction=False)
            for key in (marker, *_hash_keys(marker)):
                pipeline.expire(key, GOES_AFTER_S)
            pipeline.execute()

    def door(self, journal: Journal) -> Door:
        return RedisDoor(self.address)

    def settle(self, journal: Journal, *, now_s: float) -> Settled:
        with self.commanding() as client:
            return Drain(self.address, journal).once(client, now_s=now_s)[1]

    def hide(self, member_id: str, journal: Journal, *, now_s: float) -> int:
        with self.commanding() as client:
            # Hidden first: what is accepted before that is in the stream by now, and drained it can be deleted.
            client.register_script(HIDE)(
                keys=[self.address.key("position"), self.address.key("o", member_key(member_id)), self.address.key("touched")],
                args=[member_key(member_id)],
            )
            Drain(self.address, journal).once(client, now_s=now_s)
            deleted = journal.forget(member_id, now_s=now_s)
            for event_id in deleted:
                client.unlink(self.address.event_key(event_id))
        return len(deleted)

    def trim(self, through: int) -> int:
        touched = self.address.key("touched")
        trimmed = 0
        with self.commanding() as client:
            trimming = client.register_script(TRIM)
            for key, _ in client.zscan_iter(touched):
                trimmed += int(trimming(keys=[self.address.key("o", key), touched], args=[through, key]))
        return trimmed

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.address.url, socket_timeout=1.0, socket_connect_timeout=1.0) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        pass  # commands close their own connections

    async def aclose(self) -> None:
        """Close the connections that requests were read over; in the loop that read."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _reading(self) -> redis.asyncio.Redis:
        """The client that requests share, made in the loop that uses it."""
        if self._client is None:
            timeout_s = self.address.read_timeout_s
            self._client = redis.asyncio.Redis.from_url(
                self.address.url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                max_connections=CONNECTIONS,
                # One try on a new connection: those of the pool break when Redis starts again.
                retry=Retry(NoBackoff(), 1),
            )
        return self._client

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


def _marker(members: int) -> bytes:
    return b"%d:%d" % (PACKING, members)


def _is_whole(marker: Any) -> bool:
    """Does the marker say that a generation's members are there, in this packing?"""
    return isinstance(marker, bytes) and marker.startswith(b"%d:" % PACKING)


def _hash_keys(marker: bytes) -> Iterator[bytes]:
    return (marker + b":%d" % place for place in range(HASHES))


def _hash_key(marker: bytes, key: bytes) -> bytes:
    return marker + b":%d" % (int.from_bytes(key[:4], "little") % HASHES)


def _unlink(client: redis.Redis, marker: bytes) -> None:
    pipeline = client.pipeline(transaction=False)
    for key in (marker, *_hash_keys(marker)):
        pipeline.unlink(key)
    pipeline.execute()


def _kept(value: Any, overlay: Any) -> Kept:
    """What was read of a member; Garbled when it is nothing that was written here."""
    if not (value is None or isinstance(value, bytes)) or not isinstance(overlay, list):
        raise Garbled("no value of a member")
    forgotten_at = 0
    rows = []
    for part in overlay:
        if len(part) == 8:
            forgotten_at = int.from_bytes(part, "little")
        elif len(part) == PUSHED.itemsize:
            rows.append(part)
        else:
            raise Garbled(f"{len(part)} bytes are no pushed rating")
    return Kept(value, pushed_of(rows), forgotten_at)

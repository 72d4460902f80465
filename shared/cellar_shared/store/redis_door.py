"""Takes events in where many machines share a Redis: one script per call makes them count, a stream brings them to the data.

The script knows an event again by its id, gives it its position, lays it over and appends it to the stream, all or nothing;
then Redis is asked, over the same connection, to have it on disk before anybody is told so. Next to the data, a consumer group
drains the stream into the journal (`Drain`) and acknowledges what is durable there.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.journal import Accepted, Journal, Receipt, Status
from cellar_shared.events.pushed import Event, content_digest, decode_event, encode_event
from cellar_shared.store.door import entry_of
from cellar_shared.store.port import Settled, StoreUnavailable, member_key
from cellar_shared.store.redis_scripts import ACCEPT, HIDE, REACHED, TAKE_BACK, RedisAddress, field_of

logger = logging.getLogger("cellar.store")

GROUP: Final = b"journal"
DURABILITIES: Final = ("aof", "replica")
ID_KEPT_S: Final = 14 * 86_400  # a sender that tries again does so within days; the journal knows ids for good
ENTRIES_A_READ: Final = 500
WAIT_MS: Final = 5_000
CONNECT_WITHIN_S: Final = 2.0
COMMAND_TIMEOUT_S: Final = WAIT_MS / 1000 + 2

_STATUS: Final[dict[int, Status]] = {1: "accepted", 2: "duplicate", 3: "conflict"}


class RedisDoor:
    """Takes events in at a Redis; safe to share between threads.

    `durability` is what makes an event durable before it is acknowledged: "aof" waits until Redis has it in its
    append-only file on disk, "replica" until a replica has it.
    """

    def __init__(self, address: RedisAddress, durability: str = "aof") -> None:
        if durability not in DURABILITIES:
            raise BadInput(f"durability {durability!r} is not known; use {' or '.join(DURABILITIES)}")
        self._address = address
        self._durability = durability
        self._client = redis.Redis.from_url(
            address.url,
            socket_timeout=COMMAND_TIMEOUT_S,
            socket_connect_timeout=CONNECT_WITHIN_S,
            # One try on a new connection: those of the pool break when Redis starts again. Who waited in vain has waited enough.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self._accepting = self._client.register_script(ACCEPT)

    def accept(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        """As every door's; StoreUnavailable when Redis cannot promise it: what was sent may or may not have been taken in,
        and may be sent again."""
        address = self._address
        try:
            pipeline = self._client.pipeline(transaction=False)
            for event in events:
                member, field, row, overlay = b"", b"", b"", b""
                if (entry := entry_of(Accepted(0, event.member_id, event, now_s))) is not None:
                    member = overlay = member_key(event.member_id)
                    field, row = field_of(entry)
                keys = [
                    address.event_key(event.event_id),
                    address.key("position"),
                    address.key("stream"),
                    address.key("o", overlay),
                    address.key("touched"),
                ]
                self._accepting(
                    keys=keys, args=[content_digest(event), encode_event(event), ID_KEPT_S, member, field, row[8:]], client=pipeline
                )
            answers = cast(list[tuple[int, int]], self._durably(pipeline))
        except redis.RedisError as error:
            raise StoreUnavailable(f"{self._address.name} does not take events in now ({type(error).__name__}: {error})") from error
        return [Receipt(event.event_id, _STATUS[status], position) for event, (status, position) in zip(events, answers, strict=True)]

    def require_durability(self) -> None:
        """CellarError unless this Redis can promise durability; StoreUnavailable when it cannot be asked."""
        try:
            self._durably(self._client.pipeline(transaction=False))
            policy = cast(dict[str, str], self._client.info("memory")).get("maxmemory_policy", "")
        except redis.ResponseError as error:
            raise CellarError(
                f"{self._address.name} cannot make events durable ({error}); set appendonly yes, "
                "or say --durability replica where it has one"
            ) from error
        except redis.RedisError as error:
            raise StoreUnavailable(f"{self._address.name} cannot be asked ({error})") from error
        if policy.startswith("allkeys"):
            raise CellarError(
                f"{self._address.name} drops what it holds when its memory is full ({policy}); set maxmemory-policy noeviction"
            )

    def close(self) -> None:
        self._client.close()

    def _durably(self, pipeline: Pipeline) -> list[Any]:
        """The replies to what is in the pipeline, once all of it is durable.

        Redis waits for what this very connection wrote before: so it is asked in the same pipeline, behind a write that is
        always one. An event that another sender brought just before, a duplicate here, is durable with it.
        """
        pipeline.incrby(self._address.key("position"), 0)
        if self._durability == "aof":
            pipeline.waitaof(1, 0, WAIT_MS)
        else:
            pipeline.wait(1, WAIT_MS)
        *replies, _, reached = pipeline.execute()
        if not (reached[0] if self._durability == "aof" else reached):
            raise redis.TimeoutError(f"not durable ({self._durability}) within {WAIT_MS} ms")
        return replies


@dataclass(frozen=True, slots=True)
class Drain:
    """Brings what doors accepted from the stream into the data's journal; one of a consumer group."""

    address: RedisAddress
    journal: Journal

    def once(self, client: redis.Redis, *, now_s: float, wait_ms: int = 0) -> tuple[int, Settled]:
        """Take over what lies in the stream, first what was left unacknowledged; how many events, and up to where all is settled.

        Waits at most `wait_ms` for the first, and leaves what comes in meanwhile to the next time. An event is acknowledged, and
        deleted from the stream, once the journal has it on disk. One drain at a time works on a journal: so it holds exactly the
        beginning of what was accepted.
        """
        _have_group(client, self.address.key("stream"))
        with self.journal.draining():
            taken = self._take(client, now_s=now_s, wait_ms=wait_ms)
            reached = client.register_script(REACHED)(keys=[self.address.key("stream"), self.address.key("position")])
            return taken, Settled(int(reached), self.journal.last())

    def hide(self, client: redis.Redis, member_id: str, *, now_s: float) -> list[str]:
        """Forget the member at a position: readers see nothing from before it any more, and the journal has nothing of it; the ids
        of the events that it had. What is accepted behind that position stays, however soon it comes."""
        _have_group(client, self.address.key("stream"))
        key = member_key(member_id)
        with self.journal.draining():
            # The journal knows first: a generation made from now on, also after a kill below, is made without the member.
            self._take(client, now_s=now_s)
            deleted = self.journal.forget(member_id, now_s=now_s)
            position = client.register_script(HIDE)(
                keys=[self.address.key("position"), self.address.key("o", key), self.address.key("touched")], args=[key]
            )
            self._take(client, now_s=now_s, through=int(position))
            return deleted + self.journal.forget(member_id, now_s=now_s)

    def _take(self, client: redis.Redis, *, now_s: float, wait_ms: int = 0, through: float = inf) -> int:
        """Bring what lies in the stream up to the position `through` into the journal; how many events."""
        stream = self.address.key("stream")
        taken = 0
        lying = client.xlen(stream)
        for entries in self._entries(client, stream, wait_ms):
            # An entry that was deleted while it was pending has no fields. What lies further on stays pending for the next time.
            some = [(entry_id, fields) for entry_id, fields in entries if not fields or int(fields[b"position"]) <= through]
            drained = [(int(fields[b"position"]), decode_event(fields[b"content"])) for _, fields in some if fields]
            self._take_back(client, drained, self.journal.append([event for _, event in drained], now_s=now_s))
            if some:
                ids = [entry_id for entry_id, _ in some]
                # Both or neither: acknowledged and not deleted it would never be met again, and hold up for good where all is settled.
                pipeline = client.pipeline(transaction=True)
                pipeline.xack(stream, GROUP, *ids)
                pipeline.xdel(stream, *ids)
                pipeline.execute()
            taken += len(drained)
            if taken >= lying or len(some) < len(entries):
                break
        return taken

    def _take_back(self, client: redis.Redis, drained: Sequence[tuple[int, Event]], receipts: Sequence[Receipt]) -> None:
        """Out of the overlay again with what the data's tables hold already, which a door cannot know: what came by import, and
        what is sent again when Redis has let go of its id."""
        folded_through = self.journal.folded_through()
        taking = client.register_script(TAKE_BACK)
        for (position, event), receipt in zip(drained, receipts, strict=True):
            if receipt.status == "conflict":
                logger.warning("event %s is known with other content; the first one stays", receipt.event_id)
            is_held = receipt.status != "accepted" and receipt.position <= folded_through
            if is_held and (entry := entry_of(Accepted(0, event.member_id, event, 0))) is not None:
                taking(keys=[self.address.key("o", member_key(event.member_id))], args=[field_of(entry)[0], position])

    @staticmethod
    def _entries(client: redis.Redis, stream: bytes, wait_ms: int) -> Iterator[list[tuple[bytes, dict[bytes, bytes]]]]:
        consumer = f"{socket.gethostname()}-{os.getpid()}"
        cursor: Any = b"0-0"
        while True:  # left by a consumer that is gone, or by one that was killed before it acknowledged
            cursor, claimed, *_ = cast(Any, client.xautoclaim(stream, GROUP, consumer, 0, cursor, count=ENTRIES_A_READ))
            if claimed:
                yield claimed
            if cursor == b"0-0":
                break
        while answer := cast(
            Any, client.xreadgroup(cast(Any, GROUP), consumer, cast(Any, {stream: ">"}), count=ENTRIES_A_READ, block=wait_ms or None)
        ):
            ((_, entries),) = answer
            yield entries
            wait_ms = 0


def _have_group(client: redis.Redis, stream: bytes) -> None:
    try:
        client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise

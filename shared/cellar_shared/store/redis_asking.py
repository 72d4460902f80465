"""Asks a Redis on a request's behalf: one round trip within the read timeout, and only ever replies to what was asked.

A reply that belongs to another request would give one member's history to another. So a connection on which anything went
wrong is closed, never used again; and every round trip ends with an echo of its own number, so that replies that are one
too many or too few (a proxy's, a cut-off reader's) show.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, Final

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from cellar_shared.store.breaker import Breaker
from cellar_shared.store.port import StoreUnavailable
from cellar_shared.store.redis_scripts import RedisAddress

CONNECTIONS: Final = 256


class RedisAsking:
    """The connections that one event loop's requests share."""

    def __init__(self, address: RedisAddress) -> None:
        self.breaker = Breaker()
        self._address = address
        self._pool: redis.asyncio.ConnectionPool | None = None
        self._numbers = itertools.count(1)

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Replies to `commands`; StoreUnavailable within the read timeout, at once while the breaker is open."""
        name = self._address.name
        if not self.breaker.lets_through():
            raise StoreUnavailable(f"{name} did not answer before and is left alone for a moment")
        try:
            async with asyncio.timeout(self._address.read_timeout_s):
                try:
                    replies = await self._round_trip(commands)
                except redis.ConnectionError:
                    # Once more on a new connection: those of the pool break when Redis starts again.
                    replies = await self._round_trip(commands)
        except Exception as error:  # whatever the client makes of what is no Redis at the other end
            self.breaker.failed()
            raise StoreUnavailable(f"{name} cannot be read: {type(error).__name__} {error}") from error
        self.breaker.succeeded()
        return replies

    async def aclose(self) -> None:
        """Close the connections; in the loop that asked."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def _round_trip(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        number = b"%d" % next(self._numbers)
        pool = self._connections()
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # the client's decorators lose its types
        try:
            await connection.send_packed_command(connection.pack_commands([*commands, ("ECHO", number)]))
            replies = [await connection.read_response() for _ in commands]
            if (echo := await connection.read_response()) != number:
                raise redis.InvalidResponse(f"replies to another request ({echo!r:.40}, not {number!r})")
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return replies

    def _connections(self) -> redis.asyncio.ConnectionPool:
        """The pool, made in the loop that uses it."""
        if self._pool is None:
            self._pool = redis.asyncio.ConnectionPool.from_url(
                self._address.url,
                max_connections=CONNECTIONS,
                # The time that a round trip has covers connecting, writing and reading: no timers inside it.
                socket_timeout=None,
                socket_connect_timeout=self._address.read_timeout_s,
                retry=Retry(NoBackoff(), 0),
                # RESP2 needs no greeting. Under RESP3 the pool listens for maintenance notices, and hands connections out
                # again that have unread bytes.
                protocol=2,
                driver_info=None,
            )
        return self._pool

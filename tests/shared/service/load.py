"""Keep-alive clients that ask a service as fast as it answers and count every failure; the tests of stopping use it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

BODY = b'{"wines": [{"wine_id": "a"}]}'
REQUEST = b"POST /score HTTP/1.1\r\nhost: echo\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
PATIENCE_S = 60


@dataclass
class Load:
    """What became of `total` requests over `clients` connections; `at` is called after so many answers."""

    port: int
    total: int = 5000
    clients: int = 16
    retries: int = 0
    is_left_when_refused: bool = False
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    answered: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    retried: int = 0
    broken: list[int] = field(default_factory=list)  # the own ports of connections that broke over a request
    refused: int = 0
    closes_told: int = 0
    connections: int = 0
    _asked: int = 0

    def run(self) -> Load:
        """Ask; returns once each request was answered or has failed."""

        async def all_clients() -> None:
            await asyncio.gather(*(self._client() for _ in range(self.clients)))

        asyncio.run(all_clients())
        return self

    async def _client(self) -> None:
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self._asked < self.total:
            self._asked += 1
            for attempt in range(self.retries + 1):
                try:
                    if stream is None:
                        self.connections += 1
                        stream = await asyncio.open_connection("127.0.0.1", self.port)
                        port = stream[1].get_extra_info("sockname")[1]
                    status, closes = await asyncio.wait_for(self._ask(*stream), PATIENCE_S)
                except (OSError, EOFError, TimeoutError) as error:
                    if self.is_left_when_refused and isinstance(error, ConnectionRefusedError):
                        self.refused += 1
                        return
                    if stream is not None:
                        self.broken.append(port)
                        stream[1].close()
                    stream = None
                    if attempt == self.retries:
                        self.failures.append(repr(error))
                    else:
                        self.retried += 1
                    continue
                self.answered[status] += 1
                if (then := self.at.get(self.answered.total())) is not None:
                    then()
                if closes:
                    self.closes_told += 1
                    stream[1].close()
                    stream = None
                break
        if stream is not None:
            stream[1].close()

    @staticmethod
    async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bool]:
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head.split()[1]), b"connection: close\r\n" in head

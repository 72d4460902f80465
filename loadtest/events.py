"""Measures how many events an events service takes in: `python loadtest/events.py PORT --batch 20`; the service must be up.

Clients keep their connections and send new ratings as fast as each is answered; what is printed are accepted events a second and
the milliseconds that a request took. Client and service share the machine, so the figures are lower bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import time
from typing import Final

_EVENT: Final = (
    '{"kind":"rating","event_id":"%s","member_id":"load-%d","occurred_at":"2021-06-01T12:00:00Z","wine_id":"w1","vintage":2016,"rating":4}'
)
_HEAD: Final = b"POST /events HTTP/1.1\r\nhost: cellar\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


async def client(port: int, batch: int, until_s: float, name: str, taken_ms: list[float]) -> tuple[int, int]:
    """Sends batches until `until_s`, each until it is taken in; how many events were accepted and how many requests refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    accepted, refused, number = 0, 0, 0
    while time.perf_counter() < until_s:
        number += 1
        events = [_EVENT % (f"{name}-{number}-{place}", hash((name, number, place)) % 5000) for place in range(batch)]
        body = f'{{"events":[{",".join(events)}]}}'.encode()
        began_s = time.perf_counter()
        while True:
            writer.write(_HEAD % len(body) + body)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            answer = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            if head.split()[1] == b"200":
                break
            refused += 1
            await asyncio.sleep(json.loads(answer)["retry_after_ms"] / 1000)
        taken_ms.append((time.perf_counter() - began_s) * 1000)
        accepted += answer.count(b'"accepted"')
    writer.close()
    return accepted, refused


async def main() -> None:
    """Runs the clients and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    asked = parser.parse_args()
    run = secrets.token_hex(4)
    began_s = time.perf_counter()
    taken_ms: list[float] = []
    until_s = began_s + asked.seconds
    counts = await asyncio.gather(*(client(asked.port, asked.batch, until_s, f"{run}-{n}", taken_ms) for n in range(asked.clients)))
    spent_s = time.perf_counter() - began_s
    taken_ms.sort()
    facts = {
        "batch": asked.batch,
        "clients": asked.clients,
        "events_per_second": round(sum(accepted for accepted, _ in counts) / spent_s),
        "refused": sum(refused for _, refused in counts),
        "requests": len(taken_ms),
        "p50_ms": round(taken_ms[len(taken_ms) // 2], 1),
        "p99_ms": round(taken_ms[len(taken_ms) * 99 // 100], 1),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


asyncio.run(main())

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


async def client(port: int, batch: int, until_s: float, run: str, number: int, taken_ms: list[float]) -> int:
    """Sends batches until `until_s`; how many events were accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    accepted = 0
    asked = 0
    while time.perf_counter() < until_s:
        asked += 1
        events = ",".join(
            f'{{"kind":"rating","event_id":"{run}-{number}-{asked}-{place}",'
            f'"member_id":"load-{(number * 7919 + asked * 31 + place) % 5000}",'
            f'"occurred_at":"2021-06-01T12:00:00Z","wine_id":"w1","rating":4}}'
            for place in range(batch)
        )
        body = f'{{"events":[{events}]}}'.encode()
        began_s = time.perf_counter()
        writer.write(
            b"POST /events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        taken_ms.append((time.perf_counter() - began_s) * 1000)
        if head.split()[1] != b"200":
            sys.exit(answer.decode())
        accepted += answer.count(b'"accepted"')
    writer.close()
    return accepted


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
    clients = [client(asked.port, asked.batch, began_s + asked.seconds, run, number, taken_ms) for number in range(asked.clients)]
    accepted = sum(await asyncio.gather(*clients))
    spent_s = time.perf_counter() - began_s
    taken_ms.sort()
    facts = {
        "batch": asked.batch,
        "clients": asked.clients,
        "events_per_second": round(accepted / spent_s),
        "requests": len(taken_ms),
        "p50_ms": round(taken_ms[len(taken_ms) // 2], 1),
        "p99_ms": round(taken_ms[len(taken_ms) * 99 // 100], 1),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


asyncio.run(main())

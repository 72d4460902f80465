"""`POST /score`: body to request to answer to bytes, the one hot route; `app` mounts it at the service's own path."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from cellar_shared.service.body import READ_WITHIN_S, read_body, require_json
from cellar_shared.service.contract import RequestContext, ScoringService
from cellar_shared.service.deadline import DEADLINE_HEADER, NO_DEADLINE, Deadline, deadline_of
from cellar_shared.service.frame import CONTEXT, HEADERS
from cellar_shared.service.limits import ARRIVAL, Arrival
from cellar_shared.service.payload import Payload
from cellar_shared.service.problems import Problem
from cellar_shared.service.readiness import Readiness


class ScoreRoute:
    """An ASGI endpoint rather than a Starlette function: no Request or Response object per call."""

    def __init__(self, service: ScoringService, readiness: Readiness) -> None:
        self._score: Any = service.score
        self._is_awaited = iscoroutinefunction(service.score)
        self._readiness = readiness
        self._decode = Payload(service.request_type).decode
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext = scope[CONTEXT]
        headers: dict[bytes, bytes] = scope[HEADERS]
        arrival: Arrival = scope[ARRIVAL]
        deadline = NO_DEADLINE
        if (given := headers.get(DEADLINE_HEADER)) is not None:
            deadline = deadline_of(given, arrival.at_s)
            context = msgspec.structs.replace(context, deadline=deadline)
        left_s = deadline.left_ms() / 1000
        if left_s <= 0:
            raise deadline.passed(before_body=True)
        lap = context.stages.lap
        # Read first, whatever the verdict: a connection is fit for the next request only once this one is off it.
        # A timeout costs several microseconds, and nearly every body has arrived with its head.
        body = await (read_body(headers, receive) if arrival.is_whole else _read_in_time(headers, receive, deadline, left_s))
        lap("read")
        self._readiness.require()
        require_json(headers)
        deadline.require()
        request = self._decode(body)
        lap("decode")
        deadline.require()
        answer = self._score(request, context)
        if self._is_awaited:
            answer = await answer
        lap("score")
        deadline.require()
        content = self._encode(answer)
        lap("encode")
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})


async def _read_in_time(headers: Mapping[bytes, bytes], receive: Receive, deadline: Deadline, left_s: float) -> bytes:
    try:
        async with asyncio.timeout(min(left_s, READ_WITHIN_S)):
            return await read_body(headers, receive)
    except TimeoutError:
        if left_s < READ_WITHIN_S:
            raise deadline.passed(before_body=True) from None
        detail = f"The body had not arrived within {READ_WITHIN_S:.0f} s: send it in one go."
        raise Problem("deadline", detail, before_body=True) from None

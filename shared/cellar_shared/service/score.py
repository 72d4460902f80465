"""`POST /score`: body to request to answer to bytes, the one hot route; `app` mounts it."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from cellar_shared.service.body import read_body, require_json
from cellar_shared.service.contract import RequestContext, ScoringService
from cellar_shared.service.frame import CONTEXT, HEADERS
from cellar_shared.service.payload import Payload
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
        lap = context.stages.lap
        # Read first, whatever the verdict: a connection is fit for the next request only once this one is off it.
        body = await read_body(headers, receive)
        lap("read")
        self._readiness.require()
        require_json(headers)
        request = self._decode(body)
        lap("decode")
        answer = self._score(request, context)
        if self._is_awaited:
            answer = await answer
        lap("score")
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

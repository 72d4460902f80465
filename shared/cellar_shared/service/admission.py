"""Lets a request in or refuses it before its body is read: first its key, then whether there is room; `app` mounts it in the frame.

The health routes pass always: whoever asks them decides whether this process lives on.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from cellar_shared.service.frame import HEADERS
from cellar_shared.service.keys import Keys
from cellar_shared.service.limits import ARRIVAL, Arrival, Limits, Traffic

OPEN_PATHS: Final = frozenset({"/v2/health/live", "/v2/health/ready"})


class Admission:
    """ASGI middleware inside the frame; where no server notes arrivals it does so itself."""

    def __init__(self, app: ASGIApp, keys: Keys | None, limits: Limits) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits
        self._traffic = Traffic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrival: Arrival | None = scope.get(ARRIVAL)
        if arrival is not None:
            self._require(scope, arrival)
            await self._app(scope, receive, send)
            return
        arrival = scope[ARRIVAL] = self._traffic.arrive()
        try:
            self._require(scope, arrival)
            await self._app(scope, receive, send)
        finally:
            arrival.leave()

    def _require(self, scope: Scope, arrival: Arrival) -> None:
        if scope["path"] in OPEN_PATHS:
            return
        if self._keys is not None:
            self._keys.require(scope[HEADERS])
        self._limits.require_room(arrival)

"""A small real scoring service for the frame's tests; run as a program it serves on a free port and prints the port.

As a program it finishes loading when a line arrives on its standard input.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from cellar_shared.service.app import build_app
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata
from cellar_shared.service.problems import Problem
from cellar_shared.service.server import serve


class About(msgspec.Struct, forbid_unknown_fields=True):
    grapes: Annotated[list[str], msgspec.Meta(max_length=3)] = []
    abv: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None


class Wine(msgspec.Struct, forbid_unknown_fields=True):
    wine_id: str
    vintage: int | Literal["NV"] | None = None
    about: About | None = None


class EchoRequest(msgspec.Struct, forbid_unknown_fields=True):
    wines: Annotated[list[Wine], msgspec.Meta(max_length=500)]
    member_id: str | None = None
    grid: list[list[int]] = []
    weights: dict[str, float] = {}
    deep: dict[str, dict[str, Wine]] = {}
    as_of: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    order: Literal["up", "down"] = "up"


class EchoAnswer(msgspec.Struct):
    request_id: str
    received_at: datetime
    wines: list[Wine]


class Echo:
    name = "echo"
    request_type = EchoRequest
    answer_type = EchoAnswer
    example = EchoRequest([Wine("w1", 2015, About(["Nebbiolo </script>"], 13.5))])

    def __init__(self, load: Callable[[], Any] = lambda: None) -> None:
        self._load = load

    def load(self) -> None:
        self._load()

    def metadata(self) -> ModelMetadata:
        wines = TensorMetadata("wines", "BYTES", (-1,))
        return ModelMetadata("echo", ("1",), "python", (wines,), (wines,), {"generation": "g1"})

    def score(self, request: EchoRequest, context: RequestContext) -> EchoAnswer:
        if request.member_id == "two people":
            raise Problem("member-ambiguous", "Send one member.", retry_after_ms=1500)
        if request.member_id == "a bug":
            raise ZeroDivisionError("secret")
        context.stages.lap("echo")
        return EchoAnswer(context.request_id, context.received_at, request.wines)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    serve(build_app(Echo(sys.stdin.readline)), port=0, on_listening=lambda host, port: print(port, flush=True))  # noqa: T201

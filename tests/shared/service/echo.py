"""A small real scoring service for the frame's tests; run as a program it serves on a free port and prints the port.

As a program without arguments it finishes loading when a line arrives on its standard input; with arguments it is a serve command.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from cellar_shared.command import command_of
from cellar_shared.errors import CellarError
from cellar_shared.service import body, server
from cellar_shared.service.app import build_app
from cellar_shared.service.command import ServeOptions, run_service, with_serve_options
from cellar_shared.service.contract import NotYet, RequestContext, ServiceNotReady
from cellar_shared.service.limits import Limits
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata
from cellar_shared.service.problems import Problem

# As a program it is patient with its clients, which a busy machine may let wait: what is asked of it is not how quick they are.
PATIENT = Limits(max_wait_ms=60_000)
PATIENT_S = 30.0


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
        process = {"process": os.getpid(), "worker": os.environ.get("CELLAR_WORKER")} if "CELLAR_WORKER" in os.environ else {}
        return ModelMetadata("echo", ("1",), "python", (wines,), (wines,), {"generation": "g1"} | process)

    def score(self, request: EchoRequest, context: RequestContext) -> EchoAnswer:
        if request.member_id == "two people":
            raise Problem("member-ambiguous", "Send one member.", retry_after_ms=1500)
        if request.member_id == "a bug":
            raise ZeroDivisionError("secret")
        if request.member_id and request.member_id.startswith("takes "):
            time.sleep(int(request.member_id.removeprefix("takes ")) / 1000)
        context.stages.lap("echo")
        return EchoAnswer(context.request_id, context.received_at, request.wines)


@with_serve_options(port=0)
def command(
    options: ServeOptions,
    loads: Annotated[
        Path | None, typer.Option("--loads", help="Load once this file is there; what it holds is a refusal, behind ... one for now.")
    ] = None,
    dies: Annotated[Path | None, typer.Option("--dies", help="Exit at start, with the status this file holds, while it is there.")] = None,
) -> None:
    """Echo what is asked."""

    def load() -> None:
        if loads is not None:
            loads.with_name(f"loading-{os.getpid()}").touch()
        while loads is not None and not loads.exists():
            time.sleep(0.01)
        if loads is not None and (refusal := loads.read_text()):
            raise NotYet(refusal) if refusal.startswith("...") else ServiceNotReady(refusal)

    def build() -> Echo:
        if dies is not None and dies.exists():
            sys.exit(int(dies.read_text()))
        return Echo(load)

    run_service("echo", build, options)


if __name__ == "__main__":
    server.EXPECTED_WITHIN_S = body.LINGER_S = PATIENT_S  # type: ignore[misc]
if __name__ == "__main__" and len(sys.argv) > 1:
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        command_of(command, "echo")()
    except CellarError as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        sys.exit(refusal.exit_status)
elif __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    app = build_app(Echo(sys.stdin.readline), limits=PATIENT)
    server.serve(app, port=0, on_listening=lambda host, port: print(port, flush=True))  # noqa: T201

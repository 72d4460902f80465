"""What a scoring service is to the frame: the port that preference and recommender implement and `app` serves."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol

import msgspec

from cellar_shared.errors import CellarError
from cellar_shared.service.deadline import NO_DEADLINE, Deadline
from cellar_shared.service.metadata import ModelMetadata
from cellar_shared.service.timing import Stages


class ServiceNotReady(CellarError):
    """Raised by `load`: this process must not answer; the sentence is shown to whoever asks for readiness."""


class NotYet(CellarError):
    """Raised by `load`: what it needs is not there or does not fit yet, and may be put right from outside; `load` is called again."""


class RequestContext(msgspec.Struct, frozen=True):
    """What the frame knows about one request."""

    request_id: str
    received_at: datetime  # aware, UTC
    stages: Stages
    deadline: Deadline = NO_DEADLINE
    attempt: int = 1  # which try of the same request this is, as the router counts


class ScoringService(Protocol):
    """One model behind `POST /score`.

    A service may also have `example`, a request (a struct or what its JSON would be) that /docs and the OpenAPI
    document show, `request_rules`, what the schema of its request says beyond the types (as JSON Schema), `route`, the path
    it answers instead of /score (`route_of`), `documented_request_type` where it decodes parts of a request itself, and a
    coroutine function `close` that lets go of what `load` opened, called once the server has answered its last request.
    """

    @property
    def name(self) -> str:
        """The model's name in /v2/models/NAME: letters, digits and dashes."""
        ...

    @property
    def request_type(self) -> type[msgspec.Struct]:
        """What a body decodes to; give it and the structs in it `forbid_unknown_fields=True`."""
        ...

    @property
    def answer_type(self) -> type[msgspec.Struct]:
        """What `score` returns."""
        ...

    def load(self) -> None:
        """Verify, replay and map; may block for minutes, in a thread of its own. NotYet: called again after a while.
        Any other exception: never ready."""
        ...

    def metadata(self) -> ModelMetadata:
        """What is served; asked only once `load` has returned."""
        ...

    def score(self, request: Any, context: RequestContext) -> msgspec.Struct | Coroutine[Any, Any, msgspec.Struct]:
        """The answer to a `request_type`, or a coroutine of it where it waits for a store; raises Problem.

        It runs on the event loop: what does not wait takes a few milliseconds at most.
        Work of several steps asks `context.deadline.require()` before each.
        """
        ...


def route_of(service: ScoringService) -> str:
    """The path that `service` answers by POST."""
    route: str = getattr(service, "route", "/score")
    return route


def documented_request_type(service: ScoringService) -> type[msgspec.Struct]:
    """What a request is for those who send one: the type its schema is made from."""
    documented: type[msgspec.Struct] = getattr(service, "documented_request_type", service.request_type)
    return documented

"""What a scoring service is to the frame: the port that preference and recommender implement and `app` serves."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from cellar_shared.errors import CellarError
from cellar_shared.service.metadata import ModelMetadata
from cellar_shared.service.timing import Stages


class ServiceNotReady(CellarError):
    """Raised by `load`: this process must not answer; the sentence is shown to whoever asks for readiness."""


class RequestContext(msgspec.Struct, frozen=True):
    """What the frame knows about one request."""

    request_id: str
    received_at: datetime  # aware, UTC
    stages: Stages


class ScoringService(Protocol):
    """One model behind `POST /score`.

    A service may also have `example`, a request (a struct or what its JSON would be) that /docs and the OpenAPI
    document show, and `request_rules`, what the schema of its request says beyond the types (as JSON Schema).
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
        """Verify, replay and map; may block for minutes, in a thread of its own. Any exception: never ready."""
        ...

    def metadata(self) -> ModelMetadata:
        """What is served; asked only once `load` has returned."""
        ...

    def score(self, request: Any, context: RequestContext) -> msgspec.Struct:
        """The answer to a `request_type`, on the event loop, so well under a millisecond; raises Problem."""
        ...

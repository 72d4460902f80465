"""A scoring service of its own process whose bugs hold what was sent; run as a program it serves and prints its port."""

from __future__ import annotations

import logging

import msgspec

from cellar_shared.service.app import build_app
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.limits import Limits
from cellar_shared.service.metadata import ModelMetadata
from cellar_shared.service.problems import Problem
from cellar_shared.service.server import serve


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    member_id: str = ""
    note: str = ""
    act: str = ""


class Answer(msgspec.Struct):
    request_id: str


class Service:
    name = "told"
    request_type = Asked
    answer_type = Answer

    def load(self) -> None:
        pass

    def metadata(self) -> ModelMetadata:
        return ModelMetadata("told", ("1",), "python", (), ())

    def score(self, request: Asked, context: RequestContext) -> Answer:
        context.stages.lap("think")
        if request.act == "bug":
            try:
                raise KeyError(request.member_id)
            except KeyError as error:
                raise RuntimeError(f"{request.member_id} wrote {request.note}") from error
        if request.act == "warn":
            logging.getLogger("cellar.told").warning("something to look at")
        if request.act == "refuse":
            raise Problem("overloaded", "Come back later.", retry_after_ms=100)
        return Answer(context.request_id)


if __name__ == "__main__":
    # A busy machine is not what is asked about.
    serve(build_app(Service(), limits=Limits(max_wait_ms=60_000)), port=0, on_listening=lambda host, port: print(port, flush=True))  # noqa: T201

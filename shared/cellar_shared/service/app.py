"""Builds the ASGI app around one scoring service: the contract's routes, loading at start, the frame outermost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cellar_shared.service.admission import Admission
from cellar_shared.service.contract import ScoringService, route_of
from cellar_shared.service.docs import docs_headers, docs_page
from cellar_shared.service.frame import Frame, http_problem
from cellar_shared.service.keys import Keys
from cellar_shared.service.limits import Limits
from cellar_shared.service.metadata import Live, ModelReady, Ready, ServerMetadata
from cellar_shared.service.openapi import openapi_document
from cellar_shared.service.readiness import Readiness
from cellar_shared.service.score import ScoreRoute
from cellar_shared.telemetry.exporting import Telemetry
from cellar_shared.telemetry.settings import TelemetrySettings


def build_app(
    service: ScoringService, *, keys: Keys | None = None, limits: Limits | None = None, telemetry: TelemetrySettings | None = None
) -> Starlette:
    """The app that serves `service`; loading starts with the server, in a thread.

    With `keys`, every route but the health routes asks for one. `limits` bound what waits, by default as `limits` says.
    `app.state.readiness` is the app's Readiness. Without `telemetry` the environment says where measurements go;
    BadInput when it cannot be understood. Exporters start and end with the server, in the process that serves.
    """
    readiness = Readiness(service)
    settings = telemetry or TelemetrySettings.from_environment()
    document = openapi_document(service)
    document_json = msgspec.json.encode(document)
    page = docs_page(document)
    page_headers = docs_headers()

    async def openapi(request: Request) -> Response:
        return Response(document_json, media_type="application/json")

    async def docs(request: Request) -> Response:
        return Response(page, headers=page_headers, media_type="text/html")

    async def live(request: Request) -> Response:
        return _json(Live())

    async def ready(request: Request) -> Response:
        readiness.require_lasting()
        return _json(Ready())

    async def server(request: Request) -> Response:
        return _json(ServerMetadata(service.name, version("cellar-shared")))

    async def model(request: Request) -> Response:
        _require_model(request, service)
        readiness.require()
        return _json(service.metadata())

    async def model_ready(request: Request) -> Response:
        _require_model(request, service)
        readiness.require_lasting()
        return _json(ModelReady(service.name))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        exporting = Telemetry(settings, service.name)
        try:
            readiness.start()
            yield
        finally:
            if (close := getattr(service, "close", None)) is not None:
                await close()
            await asyncio.to_thread(exporting.stop)

    app = Starlette(
        routes=[
            Route(route_of(service), ScoreRoute(service, readiness), methods=["POST"], name="score"),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            Route("/v2", server),
            Route("/v2/models/{name}", model),
            Route("/v2/models/{name}/ready", model_ready),
            Route("/openapi.json", openapi),
            Route("/docs", docs),
        ],
        middleware=[Middleware(Frame), Middleware(Admission, keys, limits or Limits())],
        exception_handlers={HTTPException: http_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a redirected POST arrives as a GET, or not at all
    app.state.readiness = readiness
    return app


def _require_model(request: Request, service: ScoringService) -> None:
    if request.path_params["name"] != service.name:
        raise HTTPException(404, f"This service has one model, {service.name}")


def _json(content: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")

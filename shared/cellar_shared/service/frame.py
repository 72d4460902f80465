"""What every answer carries: request id, contract version, timing, and a problem document whatever goes wrong.

The outermost layer of the app: it gives each request its context and is the only place that turns exceptions into
answers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellar_shared.service.body import discard_body
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.problems import Problem, plain_document, problem_document, problem_response
from cellar_shared.service.timing import Stages
from cellar_shared.telemetry.logs import fault
from cellar_shared.telemetry.requests import CLIENT_GONE, RequestRecord

logger = logging.getLogger("cellar.service")

CONTRACT = b"1"
REQUEST_ID_HEADER = b"x-ms-client-request-id"
# Envoy counts its tries in it, where its routes ask for that; a client that tries again by itself begins at 1 again.
ATTEMPT_HEADER = b"x-envoy-attempt-count"
# Azure's limit, and nothing that could split a header or a log line.
_ACCEPTED_ID = re.compile(rb"[!-~]{1,100}")

# Where the frame leaves things in an ASGI scope.
CONTEXT = "cellar.context"
HEADERS = "cellar.headers"


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The client's request id where it is fit to echo (1 to 100 visible ASCII characters), else a new one."""
    given = headers.get(REQUEST_ID_HEADER)
    return given.decode("ascii") if given and _ACCEPTED_ID.fullmatch(given) else uuid4().hex


def attempt_of(headers: Mapping[bytes, bytes]) -> int:
    """Which of the router's tries of a request this is, from 1; 1 where nothing sensible is said."""
    told = headers.get(ATTEMPT_HEADER, b"")
    return max(1, int(told)) if told.isdigit() and len(told) <= 4 else 1


class Frame:
    """ASGI middleware; leaves a RequestContext and the headers (name to last value) in the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = scope[HEADERS] = dict(scope["headers"])
        stages = Stages()
        context = scope[CONTEXT] = RequestContext(request_id_of(headers), datetime.now(UTC), stages, attempt=attempt_of(headers))
        record = RequestRecord(scope["method"], headers, context.request_id)
        is_started = False

        async def send_framed(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                record.status = message["status"]
                framed: list[tuple[bytes, bytes]] = message["headers"]
                framed.append((b"cellar-contract", CONTRACT))
                framed.append((REQUEST_ID_HEADER, context.request_id.encode()))
                if timing := stages.header():
                    framed.append((b"server-timing", timing))
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        except ClientDisconnect:
            record.error = CLIENT_GONE
        except Problem as problem:
            record.error = problem.code
            response = problem_response(problem_document(problem, context.request_id))
            if problem.before_body:
                await _answer_then_drop(response, receive, send_framed, closes=problem.code == "too-large")
            else:
                await response(scope, receive, send_framed)
        except Exception as error:
            record.error = type(error).__name__
            fault(logger, f"request {context.request_id} failed", error)
            if not is_started:
                sentence = "This is a fault of the service. Report it with the request_id."
                await problem_response(plain_document(500, sentence, context.request_id))(scope, receive, send_framed)
        finally:
            record.finish(scope.get("route"), stages.laps)


async def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own refusals, an unknown path or a wrong method, as problem documents."""
    assert isinstance(error, HTTPException)  # noqa: S101
    request_id = request.scope[CONTEXT].request_id
    detail = f"{error.detail}. /docs lists the routes and their methods."
    return problem_response(plain_document(error.status_code, detail, request_id), error.headers)


async def _answer_then_drop(response: Response, receive: Receive, send: Send, closes: bool) -> None:
    headers = [*response.raw_headers, (b"connection", b"close")] if closes else response.raw_headers
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await discard_body(receive)
    await send({"type": "http.response.body", "body": b""})

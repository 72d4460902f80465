"""Every error an answer can be: the closed list of codes and the document (RFC 9457) that carries one.

Services and the frame raise `Problem`; `frame` turns it, and whatever else goes wrong, into an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from starlette.responses import Response

Code = Literal[
    "invalid-json",
    "bad-key",
    "too-large",
    "not-json",
    "unknown-field",
    "wrong-type",
    "out-of-range",
    "member-ambiguous",
    "as-of-in-future",
    "as-of-too-early",
    "overloaded",
    "not-ready",
    "deadline",
]


class Kind(NamedTuple):
    """What all problems of one code have in common."""

    status: int
    title: str


PROBLEMS: Final[Mapping[Code, Kind]] = {
    "invalid-json": Kind(400, "The body is not valid JSON"),
    "bad-key": Kind(401, "The key is missing or not known"),
    "too-large": Kind(413, "The body is too large"),
    "not-json": Kind(415, "The body is not declared as plain JSON"),
    "unknown-field": Kind(422, "A field is not known"),
    "wrong-type": Kind(422, "A value has the wrong type"),
    "out-of-range": Kind(422, "A value is out of range"),
    "member-ambiguous": Kind(422, "It is not clear which member is meant"),
    "as-of-in-future": Kind(422, "as_of lies in the future"),
    "as-of-too-early": Kind(422, "as_of lies before the kept history"),
    "overloaded": Kind(429, "The service is overloaded"),
    "not-ready": Kind(503, "The service is not ready"),
    "deadline": Kind(504, "The deadline has passed"),
}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of the body."""

    pointer: Annotated[str, msgspec.Meta(description="JSON Pointer (RFC 6901); of a missing field: where it belongs")]
    code: Code
    detail: str


class Problem(Exception):
    """A refusal of one request.

    `detail` is a sentence that says what to do, `errors` name the places in the body, and `retry_after_ms` (None: a
    retry of the same request will not help) is the earliest time in milliseconds at which a retry makes sense.
    `before_body` says that the body has not been read to its end: the answer goes first, then the rest is read and dropped.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after_ms: int | None = None,
        *,
        before_body: bool = False,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after_ms = retry_after_ms
        self.before_body = before_body


class ProblemDocument(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    type: Annotated[str, msgspec.Meta(description="urn:cellar:problem:CODE, or about:blank for a plain HTTP status")]
    title: str
    status: int
    detail: Annotated[str, msgspec.Meta(description="What to do about it")]
    request_id: str
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None


def problem_document(problem: Problem, request_id: str) -> ProblemDocument:
    """The document for a problem of the closed list."""
    kind = PROBLEMS[problem.code]
    return ProblemDocument(
        type=f"urn:cellar:problem:{problem.code}",
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        request_id=request_id,
        errors=problem.errors,
        retry_after_ms=problem.retry_after_ms,
    )


def plain_document(status: int, detail: str, request_id: str) -> ProblemDocument:
    """The document for a status that needs no code of ours: an unknown path, a wrong method, a bug."""
    return ProblemDocument("about:blank", HTTPStatus(status).phrase, status, detail, request_id)


def problem_response(document: ProblemDocument, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that carries `document`; Retry-After is in whole seconds, rounded up, and a 401 names its scheme."""
    every = dict(headers or {})
    if document.status == HTTPStatus.UNAUTHORIZED:
        every["www-authenticate"] = "Bearer"
    if document.retry_after_ms is not None:
        every["retry-after"] = str(math.ceil(document.retry_after_ms / 1000))
    return Response(msgspec.json.encode(document), document.status, every, media_type="application/problem+json")

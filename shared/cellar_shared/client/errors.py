"""What a call raises instead of giving an answer: refused, unreachable, too late, or not understood; `transport` decides which."""

from __future__ import annotations

import msgspec

PROBLEM_PREFIX = "urn:cellar:problem:"


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of the request; `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str = ""
    code: str = ""
    detail: str = ""


class ClientError(Exception):
    """No answer; `request_id` is what the service's log knows the request by."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(f"{message} (request {request_id})")
        self.request_id = request_id


class Unreachable(ClientError):
    """The service could not be reached, or the connection broke, the one retry included."""


class TimedOut(ClientError):
    """The time allowed for the call is over."""


class BadAnswer(ClientError):
    """What came back is not what the contract says: another server, or one of another contract."""


class ProblemError(ClientError):
    """The service, or a router before it, refused.

    `code` is the problem's from the contract's closed list (None: a plain HTTP status), `status` the service's own status,
    also where a router hides it behind its own (Azure: 424), which is then `http_status`. `detail` says what to do, `errors`
    name the places in the request, and `retry_after_ms` is None where the same request will not fare better.
    """

    def __init__(
        self,
        *,
        code: str | None,
        status: int,
        title: str,
        detail: str,
        request_id: str,
        errors: tuple[FieldError, ...] = (),
        retry_after_ms: float | None = None,
        http_status: int,
    ) -> None:
        super().__init__(f"{status} {code or title}: {detail}", request_id)
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after_ms = retry_after_ms
        self.http_status = http_status


class _Document(msgspec.Struct):
    type: str
    status: int
    title: str = ""
    detail: str = ""
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: float | None = None


_documents = msgspec.json.Decoder(_Document)


def problem_in(body: bytes, http_status: int, reason: str, retry_after: str | None, request_id: str) -> ProblemError:
    """The problem that an answer without success stands for, whatever its headers call it.

    `retry_after` is the header, heard where the body says nothing; a date in it is not.
    """
    after_ms = int(retry_after) * 1000.0 if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    try:
        document = _documents.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        shown = body[:200].decode("utf-8", "replace").strip()
        document = _Document("about:blank", http_status, reason, shown, retry_after_ms=after_ms)
    return ProblemError(
        code=document.type.removeprefix(PROBLEM_PREFIX) if document.type.startswith(PROBLEM_PREFIX) else None,
        status=document.status,
        title=document.title,
        detail=document.detail,
        request_id=document.request_id or request_id,
        errors=document.errors,
        retry_after_ms=after_ms if document.retry_after_ms is None else document.retry_after_ms,
        http_status=http_status,
    )

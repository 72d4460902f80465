"""Carries one call to a service and its answer back: keys, request ids, deadlines, retries; generated clients call it.

Retries are for calls that may be repeated (those that only read, or that the service knows again). A connection that broke is
made good once, on a new one. A refusal that says when to come back (429, 503) is obeyed as long as the call's time allows.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import msgspec

from .connections import Deadline, Pool
from .errors import BadAnswer, ProblemError, TimedOut, Unreachable, problem_in

Answer = TypeVar("Answer")

REQUEST_ID_HEADER: Final = "x-ms-client-request-id"
DEADLINE_HEADER: Final = "x-deadline-ms"
# The longest deadline that services accept.
DEADLINE_MOST_MS: Final = 600_000
# Several times the largest answer of any service; without a bound a stray server could fill the memory (judgement).
ANSWER_MOST_BYTES: Final = 16 << 20
BUSY: Final = (429, 503)
# Those who were refused together do not come back together (judgement).
JITTER: Final = 0.1
# "Come back at once", said again and again, must not become a busy loop (judgement).
WAIT_LEAST_S: Final = 0.02

_REQUEST_ID = re.compile("[!-~]{1,100}")


_Connect = Callable[[Deadline], http.client.HTTPConnection]


class _Exchanged(NamedTuple):
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


class Client:
    """One service at one address; threads may share it, and it closes its connections at the end of a `with` block."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 10.0,
        idle_connections: int = 8,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """`url` is where the service's paths begin (https://host/prefix), `key` what its operator handed out.

        `timeout_s` is the time a call may take, retries included, unless it says otherwise. `headers` go with every call
        (a router's pin to one slot). ValueError where `url` is no http(s) address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"found {url!r}, expected http://host:port or https://host, a path at most after it")
        context = (ssl_context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._pool = Pool(parts.hostname, parts.port or (443 if context else 80), context, idle_connections)
        self._prefix = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"accept": "application/json", **(headers or {})}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def call(
        self,
        method: str,
        path: str,
        answer: type[Answer],
        request: msgspec.Struct | None = None,
        *,
        is_idempotent: bool,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Answer:
        """The service's answer, decoded; fields that are not known are passed over.

        Raises ProblemError, Unreachable, TimedOut or BadAnswer; ValueError for a `request_id` that no service would echo.
        """
        request_id = uuid4().hex if request_id is None else request_id
        if not _REQUEST_ID.fullmatch(request_id):
            raise ValueError(f"found the request id {request_id!r}, expected 1 to 100 visible ASCII characters")
        allowed_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = Deadline(allowed_s)
        target = self._prefix + path + _query(query or {})
        sent = self._headers | {name: _text(value) for name, value in (headers or {}).items() if value is not None}
        sent[REQUEST_ID_HEADER] = request_id
        body = None if request is None else msgspec.json.encode(request)
        if body is not None:
            sent["content-type"] = "application/json"
        may_reconnect = is_idempotent
        connect = self._pool.take
        refusal: ProblemError | None = None
        while True:
            try:
                exchanged = self._exchange(connect, deadline, method, target, body, sent)
            except TimeoutError as error:
                if refusal is not None:  # why it had to come back says more than that the time for coming back was short
                    raise refusal from error
                raise TimedOut(f"no answer within {allowed_s:g} s", request_id) from error
            except (OSError, http.client.IncompleteRead) as error:  # a server that hangs up is a ConnectionResetError
                # Whatever ended this connection, a restart above all, has likely ended the idle ones as well.
                self._pool.close()
                if not may_reconnect:
                    raise Unreachable(f"{type(error).__name__}: {error}", request_id) from error
                may_reconnect, connect = False, self._pool.open
                continue
            except http.client.HTTPException as error:
                raise BadAnswer(f"what came back is no HTTP that can be read: {type(error).__name__}: {error}", request_id) from error
            connect = self._pool.take
            if http.client.OK <= exchanged.status < http.client.MULTIPLE_CHOICES:
                return _decoded(exchanged, answer, request_id)
            problem = problem_in(exchanged.body, exchanged.status, exchanged.reason, exchanged.headers["retry-after"], request_id)
            if problem.status not in BUSY or problem.retry_after_ms is None or not is_idempotent:
                raise problem
            wait_s = max(problem.retry_after_ms / 1000, WAIT_LEAST_S) * random.uniform(1, 1 + JITTER)
            with contextlib.suppress(TimeoutError):
                if wait_s < deadline.left_s():
                    time.sleep(wait_s)
                    refusal = problem
                    continue
            raise problem

    def _exchange(
        self, connect: _Connect, deadline: Deadline, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> _Exchanged:
        """One request and what came back; the connection is kept if it is fit for another."""
        connection = connect(deadline)
        is_fit = False
        try:
            left_ms = min(max(int(deadline.left_s() * 1000), 1), DEADLINE_MOST_MS)
            # A service that refuses a large body hangs up on the rest of it, having said why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body, headers | {DEADLINE_HEADER: str(left_ms)})
            response = connection.getresponse()
            if response.length is not None and response.length > ANSWER_MOST_BYTES:
                raise http.client.HTTPException(f"an answer of {response.length} bytes")
            # Only a read to the end tells an answer that was cut off from one that is whole.
            content = response.read() if response.length is not None else response.read(ANSWER_MOST_BYTES + 1)
            if response.length is None and not response.chunked and not content:
                raise http.client.IncompleteRead(content)  # it ended before its headers did, as far as anybody can tell
            if len(content) > ANSWER_MOST_BYTES:
                raise http.client.HTTPException(f"an answer of more than {ANSWER_MOST_BYTES} bytes")
            is_fit = response.isclosed() and not response.will_close
            return _Exchanged(response.status, response.reason, response.headers, content)
        finally:
            if is_fit:
                self._pool.put_back(connection)
            else:
                connection.close()


def in_path(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


def _query(values: Mapping[str, Any]) -> str:
    given = [(name, _text(value)) for name, value in values.items() if value is not None]
    return f"?{urlencode(given)}" if given else ""


def _text(value: Any) -> str:
    """A parameter as it stands in a URL or a header: true, not True."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


@functools.cache
def _decoder(answer: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(answer)


def _decoded(exchanged: _Exchanged, answer: type[Answer], request_id: str) -> Answer:
    wanted: Any = answer
    try:
        decoded: Answer = _decoder(wanted).decode(exchanged.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = exchanged.headers["content-type"]
        raise BadAnswer(f"status {exchanged.status}, {kind}, is not the answer that the contract describes: {error}", request_id) from error
    return decoded

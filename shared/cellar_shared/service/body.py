"""Reads a request's body within its limit and checks that it is declared as plain JSON; called by the score route."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from cellar_shared.service.problems import Problem

MAX_BODY_BYTES = 1 << 20
# A body that has not arrived by then is given up: whoever sends so slowly holds one of the few places in flight (judgement).
READ_WITHIN_S = 30.0
# After a refusal the rest of an upload is read and dropped within these bounds: closing at once resets the connection,
# and the client (or the router in between) loses the answer that tells it why.
LINGER_BYTES = 16 << 20
LINGER_S = 2.0


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, of at most `limit` bytes.

    Raises Problem too-large, from content-length alone where it says so, and otherwise before more than `limit` bytes
    are kept; ClientDisconnect when nobody waits any longer.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body + chunk) if body else chunk
        body += chunk


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"Send at most {limit} bytes: split the request into several.", before_body=True)


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raises Problem not-json unless the body is declared as application/json in UTF-8, uncompressed."""
    declared = headers.get(b"content-type", b"")
    if declared != b"application/json":
        media_type, *parameters = declared.lower().split(b";")
        if media_type.strip() != b"application/json":
            raise Problem("not-json", "Send JSON with the header content-type: application/json.")
        for parameter in parameters:
            name, _, value = parameter.partition(b"=")
            if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
                raise Problem("not-json", "Send the body in UTF-8, the only charset accepted.")
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise Problem("not-json", "Send the body uncompressed: no content-encoding is accepted.")


async def discard_body(receive: Receive) -> None:
    """Read and drop what is left of an upload until it ends, the client leaves, or the linger bounds are met."""
    dropped = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while dropped <= LINGER_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                dropped += len(message.get("body", b""))
    except TimeoutError:
        return

"""Turns a JSON body into the service's request struct, or into the problem that names what to mend and where."""

from __future__ import annotations

from typing import Any

import msgspec

from cellar_shared.service.pointers import Location, located, pointer_text
from cellar_shared.service.problems import Code, FieldError, Problem

# A value as long as the body must not come back in the answer.
MAX_DETAIL_CHARS = 200

# Numbers stay as they were written: those beyond a double would be refused here, or encoded again as null.
_untyped = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode()))


class Payload:
    """Decodes bodies into `request_type`, a struct or a union of some. Duplicate members: the last one counts, each must be valid."""

    def __init__(self, request_type: Any) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(request_type)

    def decode(self, body: bytes) -> Any:
        """The request in `body`.

        Raises Problem invalid-json, unknown-field, wrong-type or out-of-range; a struct's `__post_init__` may raise
        its own Problem, or a ValueError, which becomes out-of-range with its text.
        """
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._refusal(body, error) from None

    def _refusal(self, body: bytes, error: Exception) -> Problem:
        # The typed decoder stops at the first misfit; whether the rest is JSON at all comes first for the sender.
        document: Any = None
        try:
            document = _untyped.decode(body)
        except msgspec.ValidationError:
            pass  # an integer of more than 4,300 digits: JSON, but there is no document to look places up in
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
            return Problem("invalid-json", _malformed(body, malformed))
        if not isinstance(error, msgspec.ValidationError):
            return Problem("invalid-json", _malformed(body, error))

        location = located(str(error), document, self._decoder)
        code, text = _judged(location)
        pointer = pointer_text(location.tokens)
        place = f"At {pointer}" if pointer else "At the top level"
        detail = f"{place}: {text}. /openapi.json says what is accepted."
        return Problem(code, detail, (FieldError(pointer, code, text),))


def _malformed(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "The body is empty; send a JSON object."
    if body.startswith(b"\xef\xbb\xbf"):
        return "The body starts with a byte order mark; send UTF-8 without one."
    if isinstance(error, UnicodeDecodeError):
        return "The body is not valid UTF-8; encode it as UTF-8."
    if isinstance(error, RecursionError):
        return "The body is nested too deeply; /openapi.json says what is accepted."
    if "truncated" in str(error):
        return "The body ends too early, or a string holds half of a surrogate pair; send one complete JSON object."
    return f"{error}. Send one JSON object (RFC 8259: no NaN, Infinity, comments or trailing commas)."


def _judged(location: Location) -> tuple[Code, str]:
    """The code and a short text for what msgspec says about one place; its wording is pinned by tests."""
    message = location.message
    if location.is_unknown:
        return "unknown-field", "is not a known field, leave it out"
    if location.is_missing:
        return "wrong-type", "is required"
    text = message[:1].lower() + message[1:MAX_DETAIL_CHARS]
    wrong_type = (
        (message.startswith("Expected `") and ", got `" in message)  # "..., got 3" without ticks speaks of a length
        or message.startswith(("Invalid RFC3339", "Invalid base64", "Invalid UUID", "Invalid decimal", "Invalid ISO8601"))
        or "timezone component" in message
    )
    return ("wrong-type" if wrong_type else "out-of-range"), text

"""The trace that a request belongs to: the caller's where it named one; `requests` opens the span, `logs` names it.

Of the caller's W3C context the ids and the sampling flag are taken. `tracestate` and `baggage` are free text of the
caller's: nothing is called out of a request that they would have to be passed to, and exported they are not.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

TRACEPARENT: Final = b"traceparent"

_TRACEPARENT = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


@dataclass(slots=True)
class CurrentRequest:
    """What log records say about the request during which they were written; ids in hexadecimal, empty where there is none."""

    request_id: str
    trace_id: str = ""
    span_id: str = ""


CURRENT: Final[ContextVar[CurrentRequest | None]] = ContextVar("cellar_request", default=None)


def caller_of(traceparent: bytes | None) -> SpanContext | None:
    """The caller's span out of its traceparent header; None for none and for one that is malformed."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or found["version"] == b"ff" or (found["version"] == b"00" and found["more"]):
        return None  # a later version may append to what 00 has
    trace_id, span_id = int(found["trace"], 16), int(found["parent"], 16)
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(found["flags"], 16) & 1))


def opened(tracer: Tracer | None, name: str, caller: SpanContext | None, current: CurrentRequest) -> Span | None:
    """The request's span as a child of the caller's, started, and its ids noted in `current`; None without a tracer.

    The span that is not sampled is there too, and records nothing.
    """
    if tracer is None:
        if caller is not None:
            current.trace_id = f"{caller.trace_id:032x}"
        return None
    # An empty context: whatever span lies in the ambient one is not this request's.
    parent = set_span_in_context(NonRecordingSpan(caller), Context()) if caller else Context()
    span = tracer.start_span(name, parent, SpanKind.SERVER)
    own = span.get_span_context()
    current.trace_id, current.span_id = f"{own.trace_id:032x}", f"{own.span_id:016x}"
    return span

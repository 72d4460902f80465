"""W3C Trace Context: what is a traceparent, and that a malformed one is as good as none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cellar_shared.telemetry.tracing import caller_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_the_callers_ids_and_flag_are_taken():
    caller = caller_of(f"00-{TRACE}-{PARENT}-01".encode())
    assert (f"{caller.trace_id:032x}", f"{caller.span_id:016x}") == (TRACE, PARENT)
    assert (caller.is_remote, caller.trace_flags.sampled) == (True, True)
    assert not caller_of(f"00-{TRACE}-{PARENT}-00".encode()).trace_flags.sampled


@pytest.mark.parametrize(
    "header",
    [
        None, b"", b"secret", f"00-{TRACE}-{PARENT}".encode(), f"00-{TRACE}-{PARENT}-01-more".encode(), f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(), f"00-{TRACE}-{'0' * 16}-01".encode(), f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-01\n".encode(), f" 00-{TRACE}-{PARENT}-01".encode(),
    ],
)  # fmt: skip
def test_what_is_malformed_is_as_good_as_none(header):
    assert caller_of(header) is None


def test_a_later_version_may_say_more():
    assert caller_of(f"01-{TRACE}-{PARENT}-01-more".encode()) is not None
    assert caller_of(f"01-{TRACE}-{PARENT}-01more".encode()) is None


hexadecimal = st.text("0123456789abcdef", min_size=1, max_size=34)


@given(
    st.one_of(st.text(max_size=80), st.tuples(hexadecimal, hexadecimal, hexadecimal, hexadecimal).map("-".join)).filter(
        lambda text: text.isascii()
    )
)
def test_it_is_read_as_opentelemetry_reads_it(text):
    theirs = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": text})).get_span_context()
    ours = caller_of(text.encode())
    assert (ours is not None) <= theirs.is_valid  # they forgive what surrounds it, we do not
    if ours:
        assert (ours.trace_id, ours.span_id) == (theirs.trace_id, theirs.span_id)

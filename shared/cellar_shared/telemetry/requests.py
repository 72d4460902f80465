"""What is measured of one HTTP request; the frame begins it with the head and finishes it with the end of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final

from opentelemetry.trace import StatusCode, Tracer

from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import RECORDER, Recorder
from cellar_shared.telemetry.tracing import CURRENT, TRACEPARENT, CurrentRequest, caller_of, opened

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
OTHER_METHOD: Final = "_OTHER"
CLIENT_GONE: Final = "client-gone"

# Which refusals have a counter of their own besides the requests' error.type.
_COUNTED_REFUSALS: Final = {"overloaded": names.REQUESTS_SHED, "deadline": names.DEADLINES_MISSED}


class TracerInUse:
    """The process's tracer, once there is one: set by `exporting` when the process has started."""

    tracer: Tracer | None = None
    # Whether the sampler, as by default, leaves a caller's decision not to sample as it is.
    follows_caller = False


class RequestRecord:
    """One request's measurements; nothing in it raises, and it takes in no path, query, header or body."""

    __slots__ = ("_began", "_method", "_recorder", "_span", "_token", "error", "status")

    def __init__(self, method: str, headers: Mapping[bytes, bytes], request_id: str, recorder: Recorder = RECORDER) -> None:
        self._began = perf_counter()
        self._recorder = recorder
        self._method = method if method in METHODS else OTHER_METHOD
        self.status: int | None = None  # of the answer, once it has begun
        self.error = ""  # a problem's code or a bug's exception class
        current = CurrentRequest(request_id)
        self._span = None
        with suppress(Exception):  # a sampler or processor that fails must not fail the request
            caller = caller_of(headers.get(TRACEPARENT))
            if caller is not None and not caller.trace_flags.sampled and TracerInUse.follows_caller:
                current.trace_id = f"{caller.trace_id:032x}"  # the sampler would say no, at the price of a span
            else:
                self._span = opened(TracerInUse.tracer, self._method, caller, current)
        self._token = CURRENT.set(current)
        recorder.count(names.ACTIVE_REQUESTS, 1)

    def finish(self, route: object, laps: Sequence[tuple[str, float]]) -> None:
        """Book everything. `route` is what the router matched, if anything; laps are (stage, milliseconds)."""
        try:
            recorder, seconds = self._recorder, perf_counter() - self._began
            pattern = str(getattr(route, "path", ""))
            recorder.count(names.ACTIVE_REQUESTS, -1)
            recorder.observe(names.REQUEST_DURATION, seconds, (self._method, pattern, self.status or "", self.error))
            if laps:
                recorder.observe_each(names.STAGE_TIME, [((stage,), milliseconds / 1000) for stage, milliseconds in laps])
            if counter := _COUNTED_REFUSALS.get(self.error):
                recorder.count(counter)
            self._end_span(pattern, laps)
        except Exception:  # noqa: S110 - telemetry never raises into a request
            pass
        finally:
            CURRENT.reset(self._token)

    def _end_span(self, pattern: str, laps: Sequence[tuple[str, float]]) -> None:
        span = self._span
        if span is None:
            return
        if span.is_recording():
            current = CURRENT.get()
            if pattern:
                span.update_name(names.REQUEST_SPAN.format(method=self._method, route=pattern))
            attributes: dict[str, str | int | float] = {names.METHOD.name: self._method, names.ROUTE.name: pattern}
            if current is not None:
                attributes[names.REQUEST_ID.name] = current.request_id
            if self.status is not None:
                attributes[names.STATUS.name] = self.status
            if self.error:
                attributes[names.ERROR.name] = self.error
            if laps:
                # One text rather than a number a stage: each attribute costs the request a microsecond.
                attributes[names.SERVER_TIMING.name] = ", ".join([f"{stage};dur={milliseconds:.3f}" for stage, milliseconds in laps])
            span.set_attributes(attributes)
            if self.status is not None and self.status >= 500:
                span.set_status(StatusCode.ERROR)
        span.end()

"""Log records for people or machines, each with its request's ids; no exception's message ever stands in one.

What an unexpected exception says may hold what a member sent: its class and the lines of code that it came through tell
where the bug is. `fault` logs one so for whatever handlers there are; the handlers made here keep to it by themselves.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from cellar_shared.telemetry.settings import LogForm
from cellar_shared.telemetry.tracing import CURRENT

_CHAIN_MOST: Final = 8


def fault(logger: logging.Logger, sentence: str, error: BaseException) -> None:
    """Log an error nobody expected, as `sentence`, the exception's class and its frames."""
    kind, frames = type(error).__name__, frames_of(error)
    # `sentence` is an argument, not the format: it may hold a percent sign.
    logger.error("%s: %s\n%s", sentence, kind, frames, extra={"sentence": f"{sentence}: {kind}", "error_type": kind, "frames": frames})


def frames_of(error: BaseException) -> str:
    """The exception's class and the lines of code that it came through, and those of what it came from; no message."""
    return "".join(_frames(error)).rstrip()


def _frames(error: BaseException) -> Iterator[str]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _CHAIN_MOST and all(link is not known for known in chain):
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    for one in reversed(chain):
        # Without the source lines: they would be read from disk while requests wait.
        for frame, line in traceback.walk_tb(one.__traceback__):
            yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_qualname}\n'
        yield f"{type(one).__module__}.{type(one).__qualname__}\n"
        if isinstance(one, BaseExceptionGroup):
            for part in one.exceptions[:_CHAIN_MOST]:
                yield from _frames(part)


class WithRequest(logging.Filter):
    """Adds request_id, trace_id and span_id to a record, empty outside of a request; it lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = CURRENT.get()
        record.request_id = current.request_id if current else ""
        record.trace_id = current.trace_id if current else ""
        record.span_id = current.span_id if current else ""
        return True


def sentence_and_error(record: logging.LogRecord) -> tuple[str, str, str]:
    """A record's own words, and the class and frames of the exception behind it, empty where there is none."""
    said = str(getattr(record, "sentence", "")) or record.getMessage()
    kind, frames = str(getattr(record, "error_type", "")), str(getattr(record, "frames", ""))
    if not kind and record.exc_info and record.exc_info[1]:
        kind, frames = type(record.exc_info[1]).__name__, frames_of(record.exc_info[1])
    return said, kind, frames


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextForm(logging.Formatter):
    """One line for a person, and the frames of a fault below it."""

    def format(self, record: logging.LogRecord) -> str:
        said, _, frames = sentence_and_error(record)
        request = f" [request {request_id}]" if (request_id := getattr(record, "request_id", "")) else ""
        line = f"{_instant(record)} {record.levelname} {record.name}: {said}{request}"
        return f"{line}\n{frames}" if frames else line


class JsonForm(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said, kind, frames = sentence_and_error(record)
        fields = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": said,
            "request_id": getattr(record, "request_id", ""),
            "trace_id": getattr(record, "trace_id", ""),
            "span_id": getattr(record, "span_id", ""),
            "error_type": kind,
            "frames": frames,
            "pid": os.getpid(),
        }
        return msgspec.json.encode({name: value for name, value in fields.items() if value}).decode()


class StandardError(logging.StreamHandler):  # type: ignore[type-arg] # generic in the stubs only
    """Writes records to standard error; one that cannot be written is named, its arguments are not."""

    def __init__(self, form: LogForm) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonForm() if form == "json" else TextForm())
        self.addFilter(WithRequest())

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        sys.stderr.write(f"a log record of {record.name}, line {record.lineno}, could not be written\n")


def configure(form: LogForm | None) -> logging.Handler | None:
    """Log to standard error: as asked from INFO on; unasked warnings as text, unless the program has set up logging itself."""
    root = logging.getLogger()
    if form is None and root.handlers:
        return None
    handler = StandardError(form or "text")
    root.addHandler(handler)
    root.setLevel(logging.INFO if form else logging.WARNING)
    return handler

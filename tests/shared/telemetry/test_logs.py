"""Log records: ids of the request, a bug's class and frames, and nothing that a bug says."""

from __future__ import annotations

import json
import logging
import secrets
import sys
from collections.abc import Iterator

import pytest

from cellar_shared.telemetry.logs import JsonForm, TextForm, WithRequest, configure, fault, frames_of
from cellar_shared.telemetry.tracing import CURRENT, CurrentRequest

MARKER = secrets.token_hex(8)


@pytest.fixture
def request_at_hand() -> Iterator[None]:
    token = CURRENT.set(CurrentRequest("r-1", "ab" * 16, "cd" * 8))
    yield
    CURRENT.reset(token)


def fail() -> None:
    try:
        try:
            raise KeyError(MARKER)
        except KeyError as first:
            raise ValueError(f"what a member sent: {MARKER}") from first
    except ValueError as second:
        second.add_note(MARKER)
        raise ExceptionGroup(MARKER, [OSError(2, MARKER), second]) from None


def error() -> Exception:
    try:
        fail()
    except Exception as caught:
        return caught
    raise AssertionError


def formatted(form: logging.Formatter, log) -> str:
    """What `log`, given a logger, comes out as."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Handler()
    handler.setFormatter(form)
    handler.addFilter(WithRequest())
    logger = logging.Logger("cellar.test")
    logger.addHandler(handler)
    log(logger)
    (line,) = lines
    return line


@pytest.mark.parametrize("form", [TextForm(), JsonForm(), logging.Formatter()], ids=["text", "json", "somebody's own"])
def test_a_fault_is_told_by_class_and_frames_for_any_handler(form):
    line = formatted(form, lambda logger: fault(logger, "request 100%s failed", error()))
    assert "request 100%s failed: ExceptionGroup" in line
    assert line.count("in fail") == 3
    for kind in ("KeyError", "ValueError", "FileNotFoundError"):
        assert f"builtins.{kind}" in line
    assert MARKER not in line


@pytest.mark.parametrize("form", [TextForm(), JsonForm()], ids=["text", "json"])
def test_a_trace_logged_the_usual_way_loses_its_messages_too(form):
    def log(logger: logging.Logger) -> None:
        try:
            fail()
        except ExceptionGroup:
            logger.exception("failed")

    line = formatted(form, log)
    assert "in fail" in line
    assert MARKER not in line


def test_a_text_that_another_handler_had_formatted_before_is_not_taken_over():
    def log(logger: logging.Logger) -> None:
        first = logging.StreamHandler(open("/dev/null", "w"))  # noqa: SIM115, PTH123
        logger.handlers.insert(0, first)
        try:
            fail()
        except ExceptionGroup:
            logger.exception("failed")
        first.stream.close()

    assert MARKER not in formatted(TextForm(), log)


def test_a_chain_that_bites_its_own_tail_ends():
    one, other = ValueError(), KeyError()
    one.__context__, other.__context__ = other, one
    assert frames_of(one).count("builtins.") == 2


@pytest.mark.usefixtures("request_at_hand")
def test_a_record_names_its_request_and_trace():
    line = formatted(JsonForm(), lambda logger: logger.warning("half of %d", 4))
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told.pop("pid") > 0
    assert told == {
        "level": "WARNING", "logger": "cellar.test", "message": "half of 4",
        "request_id": "r-1", "trace_id": "ab" * 16, "span_id": "cd" * 8,
    }  # fmt: skip
    assert formatted(TextForm(), lambda logger: logger.warning("so")).endswith("WARNING cellar.test: so [request r-1]")


def test_outside_of_a_request_nothing_is_named():
    assert "request_id" not in json.loads(formatted(JsonForm(), lambda logger: logger.warning("so")))


def test_json_is_one_line_whatever_is_in_it():
    line = formatted(JsonForm(), lambda logger: logger.error('a "quoted"\nword \udcff'.encode("utf-8", "replace").decode()))
    assert "\n" not in line
    assert json.loads(line)["message"].startswith('a "quoted"\nword')


def test_a_record_with_wrong_arguments_is_named_without_them(capsys, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    from cellar_shared.telemetry.logs import StandardError

    handler = StandardError("text")
    handler.setStream(sys.stderr)
    logger = logging.Logger("cellar.test")
    logger.addHandler(handler)
    logger.error("%d wines", MARKER)
    said = capsys.readouterr().err
    assert "a log record of cellar.test" in said
    assert MARKER not in said


def test_unasked_logging_leaves_a_program_that_has_set_it_up_alone():
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    assert before[0]
    assert configure(None) is None
    assert (root.handlers, root.level) == before


PROGRAM = """
import logging, sys
from cellar_shared.telemetry.logs import configure
configure({form!r})
logging.getLogger("cellar.x").info("heard")
logging.getLogger("cellar.x").warning("warned")
"""


@pytest.mark.parametrize(("form", "lines"), [(None, ["warned"]), ("text", ["heard", "warned"]), ("json", ["heard", "warned"])])
def test_warnings_are_written_unasked_and_more_when_asked(program, form, lines):
    process = program(PROGRAM.format(form=form))
    said = process.communicate()[1].splitlines()
    assert [word in line for word, line in zip(lines, said, strict=True)] == [True] * len(lines)

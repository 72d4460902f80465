"""Until when an answer is of use to who asked: `x-deadline-ms`, counted from the request's arrival; the score route asks it."""

from __future__ import annotations

from math import inf
from time import perf_counter
from typing import Final

from cellar_shared.service.problems import FieldError, Problem

DEADLINE_HEADER: Final = b"x-deadline-ms"
MAX_DEADLINE_MS: Final = 600_000


class Deadline:
    """A moment on this process's clock; without a limit it never comes."""

    __slots__ = ("_at_s", "_limit_ms")

    def __init__(self, arrived_s: float = 0.0, limit_ms: int | None = None) -> None:
        """`arrived_s` is on the clock of `time.perf_counter`."""
        self._limit_ms = limit_ms
        self._at_s = inf if limit_ms is None else arrived_s + limit_ms / 1000

    def left_ms(self) -> float:
        """Milliseconds until the deadline, negative after it, infinite without one."""
        return (self._at_s - perf_counter()) * 1000

    def require(self) -> None:
        """Raises Problem deadline once it has passed."""
        if self._limit_ms is not None and perf_counter() >= self._at_s:
            raise self.passed()

    def passed(self, *, before_body: bool = False) -> Problem:
        """The refusal; `before_body` where the request's body has not been read to its end."""
        detail = f"The {self._limit_ms} ms of x-deadline-ms were over, waiting included: allow more, or ask about fewer wines at once."
        return Problem("deadline", detail, before_body=before_body)


NO_DEADLINE: Final = Deadline()


def deadline_of(given: bytes, arrived_s: float) -> Deadline:
    """The deadline that a header's value sets; Problem out-of-range unless it is an integer from 1 to 600000."""
    # Digits alone: int() would take signs, spaces and underscores too.
    if given.isdigit() and len(given) <= len(str(MAX_DEADLINE_MS)) and 1 <= (limit_ms := int(given)) <= MAX_DEADLINE_MS:
        return Deadline(arrived_s, limit_ms)
    text = f"the header x-deadline-ms takes an integer from 1 to {MAX_DEADLINE_MS}, milliseconds from the request's arrival"
    raise Problem("out-of-range", f"Mend or leave out x-deadline-ms: {text}.", (FieldError("", "out-of-range", text),), before_body=True)

"""A circuit breaker: after some failures in a row nobody waits for a store any more, until one probe finds it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3  # in a row; a single one may be a lost packet
OPEN_S: Final = 0.5
LONGEST_OPEN_S: Final = 5.0  # recovery is seen within this time


class Breaker:
    """Closed while all is well; open (nobody asks) after FAILURES in a row, for OPEN_S, then twice as long each time a
    probe fails, at most LONGEST_OPEN_S. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._open_s = OPEN_S
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Were there too many failures, with no success since?"""
        return self._failures >= FAILURES

    def lets_through(self) -> bool:
        """May the store be asked now? While open, one caller at a time is let through as a probe."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._open_until:
            return False
        self._open_until = now + self._open_s  # the next probe, should this one never come back
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """The store answered."""
        self._failures = 0
        self._open_s = OPEN_S
        self._is_probing = False

    def failed(self) -> None:
        """The store did not answer, or with nothing that is an answer."""
        self._failures += 1
        if self._failures > FAILURES:
            if not self._is_probing:
                return  # asked before it opened, beside those that opened it: no news
            self._open_s = min(2 * self._open_s, LONGEST_OPEN_S)
        if self.is_open:
            self._is_probing = False
            self._open_until = self._clock() + self._open_s

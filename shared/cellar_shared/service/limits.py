"""How much may wait in one process, and what is refused beyond it; the admission asks before a body is read.

Scores run one after the other on the event loop, so what overload makes is a queue. It is bounded twice: in requests, for memory,
and in the time that a request has waited when its turn comes, for the clients. That time is measured on the request itself,
as CoDel measures a packet's sojourn (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012), and not foretold
from lengths and means: by Little's law the two agree in a steady state, and overload is none.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from cellar_shared.service.problems import Problem

# Where the server leaves a request's Arrival in its ASGI scope.
ARRIVAL: Final = "cellar.arrival"

# Bodies of 1 MiB make this 64 MiB at worst; at a few milliseconds a score it is as much as can be answered in time (judgement).
MAX_IN_FLIGHT: Final = 64
# A caller's patience is a second or so, and half of it belongs to the network and the score itself (judgement). What a request
# waited in the kernel before its head was read is not seen; that is one round of the loop at most, so the truth is within twice this.
MAX_WAIT_MS: Final = 250.0
MIN_RETRY_MS: Final = 200
MAX_RETRY_MS: Final = 30_000


class Traffic:
    """What one process has received and not yet answered; counted at a request's head, since what overload makes waits after it."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0

    def arrive(self, *, is_crowded: bool = False) -> Arrival:
        """Count a request in; it must `leave`."""
        arrival = Arrival(self, is_crowded)
        self.in_flight += 1
        return arrival


class Arrival:
    """What was known when a request's head had been received."""

    __slots__ = ("_traffic", "ahead", "at_s", "is_crowded", "is_whole")

    def __init__(self, traffic: Traffic, is_crowded: bool) -> None:
        self.at_s = perf_counter()
        self.ahead = traffic.in_flight
        self.is_crowded = is_crowded  # it came on a connection beyond those that this process takes
        self.is_whole = False  # its body too has been received
        self._traffic: Traffic | None = traffic

    def leave(self) -> None:
        """Count it out, once: it was answered or refused, or nobody waits for it any longer."""
        if self._traffic is not None:
            self._traffic.in_flight -= 1
            self._traffic = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one process."""

    max_in_flight: int = MAX_IN_FLIGHT
    max_wait_ms: float = MAX_WAIT_MS

    def require_room(self, arrival: Arrival) -> None:
        """Raises Problem overloaded where the request came behind too many others, or has waited too long by now."""
        waited_ms = (perf_counter() - arrival.at_s) * 1000
        if arrival.ahead >= self.max_in_flight or waited_ms > self.max_wait_ms or arrival.is_crowded:
            # Those refused are not in the way of others while the rest of their bodies is dropped: else refusals breed refusals.
            arrival.leave()
            raise Problem(
                "overloaded",
                "More was asked than can be answered in time: wait as long as retry_after_ms says, then ask again.",
                retry_after_ms=retry_after_ms(waited_ms),
                before_body=True,
            )


def retry_after_ms(waited_ms: float) -> int:
    """When to come back: after twice the wait that was met the queue is gone even if it had grown as long again meanwhile.

    Spread by up to as much again, so that those refused together do not return together.
    """
    soonest_ms = min(max(MIN_RETRY_MS, 2 * waited_ms), MAX_RETRY_MS / 2)
    return round(soonest_ms * random.uniform(1, 2))

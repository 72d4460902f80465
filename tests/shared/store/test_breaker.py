"""When a store is left alone, and how it is found again: told by a clock that the test turns."""

from __future__ import annotations

import pytest

from cellar_shared.store.breaker import FAILURES, LONGEST_OPEN_S, OPEN_S, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        breaker.failed()


def probe(breaker: Breaker, clock: Clock) -> float:
    """Wait for the next probe and fail it; how long the wait was."""
    since = clock.now
    while not breaker.lets_through():
        clock.now += 0.125
    breaker.failed()
    return clock.now - since


def test_single_failures_keep_nobody_from_asking(breaker):
    for _ in range(10):
        fail(breaker, FAILURES - 1)
        assert breaker.lets_through()
        breaker.succeeded()
    assert not breaker.is_open


def test_after_failures_in_a_row_nobody_asks_until_one_probe_goes_through(breaker, clock):
    fail(breaker)
    assert breaker.is_open
    clock.now += OPEN_S - 0.001
    assert not breaker.lets_through()
    clock.now += 0.001
    assert [breaker.lets_through() for _ in range(5)] == [True, False, False, False, False]
    breaker.succeeded()
    assert not breaker.is_open
    assert all(breaker.lets_through() for _ in range(5))


def test_each_failed_probe_doubles_the_wait_up_to_the_longest(breaker, clock):
    fail(breaker)
    waits = [probe(breaker, clock) for _ in range(6)]
    assert waits == [OPEN_S, 2 * OPEN_S, 4 * OPEN_S, 8 * OPEN_S, LONGEST_OPEN_S, LONGEST_OPEN_S]


def test_many_that_were_asked_together_and_fail_together_count_as_one_outage(breaker, clock):
    assert all(breaker.lets_through() for _ in range(100))
    fail(breaker, 100)
    assert probe(breaker, clock) == OPEN_S


def test_failures_of_before_do_not_put_the_next_probe_off(breaker, clock):
    fail(breaker)
    clock.now += OPEN_S / 2
    breaker.failed()
    clock.now += OPEN_S / 2
    assert breaker.lets_through()


def test_a_probe_that_never_comes_back_is_followed_by_another(breaker, clock):
    fail(breaker)
    clock.now += OPEN_S
    assert breaker.lets_through()
    clock.now += OPEN_S
    assert breaker.lets_through()


def test_after_a_recovery_the_waits_begin_anew(breaker, clock):
    fail(breaker)
    for _ in range(4):
        probe(breaker, clock)
    breaker.succeeded()
    fail(breaker)
    assert probe(breaker, clock) == OPEN_S

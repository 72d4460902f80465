"""Group commit: who comes while a commit is under way shares the next one, and one's failure is told to those it concerns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from cellar_events.commits import EVENTS_A_GROUP, Commits, Full, NotTaken
from cellar_shared.errors import CellarError
from cellar_shared.events.journal import Journal, Receipt
from cellar_shared.events.pushed import Event, RatingEvent
from cellar_shared.events.tables import DataWriter
from cellar_shared.store.memory_store import MemoryStore


def rating(event_id: str, **fields: Any) -> RatingEvent:
    common = {"member_id": "m", "occurred_at": datetime(2021, 1, 1, tzinfo=UTC), "wine_id": "w", "rating": 4.0, "scale": "1-5"}
    return RatingEvent(event_id=event_id, **common | fields)


class Gate:
    """The door of a store in memory; what comes to it waits while it is shut, and `fails` may raise first."""

    def __init__(self, journal: Journal, store: MemoryStore) -> None:
        self._door = store.door(journal)
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()
        self.groups: list[list[str]] = []
        self.fails: Callable[[Sequence[Event]], None] = lambda events: None
        self.closed = 0

    def accept(self, events: Sequence[Event], *, now_s: float) -> list[Receipt]:
        self.reached.set()
        assert self.open.wait(60)
        self.groups.append([event.event_id for event in events])
        self.fails(events)
        return self._door.accept(events, now_s=now_s)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def gate(tmp_path) -> Iterator[Gate]:
    with DataWriter(tmp_path / "data", "made", "1-5", "a test"):
        pass
    journal = Journal(tmp_path / "data")
    yield Gate(journal, MemoryStore(tmp_path / "store"))
    journal.close()


@pytest.fixture
def commits_of(gate: Gate) -> Iterator[Callable[..., Commits]]:
    made: list[Commits] = []

    def make(**options: Any) -> Commits:
        made.append(Commits(lambda: gate, **options))
        made[-1].start()
        return made[-1]

    yield make
    gate.open.set()
    for commits in made:
        commits.close()


async def shut_behind_one(gate: Gate, commits: Commits) -> asyncio.Task[list[Receipt]]:
    """A commit under way that goes no further until the gate is opened."""
    gate.open.clear()
    gate.reached.clear()
    first = asyncio.create_task(commits.commit([rating("first")]))
    while not gate.reached.is_set():
        await asyncio.sleep(0.001)
    return first


def test_who_comes_while_a_commit_is_under_way_shares_the_next_one_and_gets_their_own_receipts(gate, commits_of):
    async def ask() -> None:
        commits = commits_of()
        first = await shut_behind_one(gate, commits)
        others = [asyncio.create_task(commits.commit([rating(f"{n}-{k}") for k in range(n)])) for n in range(1, 8)]
        await asyncio.sleep(0)
        gate.open.set()
        assert [receipt.event_id for receipt in await first] == ["first"]
        for n, receipts in enumerate(await asyncio.gather(*others), start=1):
            assert [(receipt.event_id, receipt.status) for receipt in receipts] == [(f"{n}-{k}", "accepted") for k in range(n)]

    asyncio.run(ask())
    assert [len(group) for group in gate.groups] == [1, sum(range(1, 8))]


def test_a_group_is_bounded_and_a_batch_is_never_split(gate, commits_of):
    async def ask() -> None:
        commits = commits_of(waiting_most=10 * EVENTS_A_GROUP)
        first = await shut_behind_one(gate, commits)
        others = [asyncio.create_task(commits.commit([rating(f"{n}-{k}") for k in range(700)])) for n in range(5)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert [len(group) for group in gate.groups] == [1, 1400, 1400, 700]


def test_beyond_what_may_wait_nothing_more_is_taken(gate, commits_of):
    async def ask() -> None:
        commits = commits_of(waiting_most=10)
        first = await shut_behind_one(gate, commits)
        waiting = asyncio.create_task(commits.commit([rating(f"w{k}") for k in range(8)]))
        await asyncio.sleep(0)
        with pytest.raises(Full) as full:
            await commits.commit([rating(f"x{k}") for k in range(3)])
        assert full.value.waited_ms >= 0
        fits = asyncio.create_task(commits.commit([rating("y1"), rating("y2")]))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, waiting, fits)
        # One alone is taken whatever its size.
        assert len(await commits.commit([rating(f"z{k}") for k in range(50)])) == 50

    asyncio.run(ask())


def test_a_store_that_fails_is_told_to_all_who_wait_and_its_door_is_opened_anew(gate, commits_of):
    def refuse(events: Sequence[Event]) -> None:
        raise CellarError("the disk is full")

    async def ask() -> None:
        commits = commits_of()
        gate.fails = refuse
        first = await shut_behind_one(gate, commits)
        waiting = asyncio.create_task(commits.commit([rating("waiting")]))
        await asyncio.sleep(0)
        gate.open.set()
        for task in (first, waiting):
            with pytest.raises(NotTaken):
                await task
        assert (len(gate.groups), gate.closed) == (1, 1)
        gate.fails = lambda events: None
        assert [receipt.status for receipt in await commits.commit([rating("first"), rating("waiting")])] == ["accepted"] * 2

    asyncio.run(ask())


def test_a_fault_with_one_request_is_none_of_the_others(gate, commits_of):
    def stumble(events: Sequence[Event]) -> None:
        if any(event.event_id == "odd" for event in events):
            raise ZeroDivisionError

    async def ask() -> list[Any]:
        commits = commits_of()
        gate.fails = stumble
        first = await shut_behind_one(gate, commits)
        others = [asyncio.create_task(commits.commit([rating(name)])) for name in ("a", "odd", "b")]
        await asyncio.sleep(0)
        gate.open.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    one, odd, other = asyncio.run(ask())
    assert isinstance(odd, ZeroDivisionError)
    assert [receipt.status for receipt in (*one, *other)] == ["accepted", "accepted"]


def test_who_gives_up_waiting_is_in_nobodys_way(gate, commits_of):
    async def ask() -> None:
        commits = commits_of()
        first = await shut_behind_one(gate, commits)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await commits.commit([rating("given up")])
        gate.open.set()
        await first
        assert [receipt.status for receipt in await commits.commit([rating("given up"), rating("next")])] == ["duplicate", "accepted"]

    asyncio.run(ask())


def test_what_waits_is_committed_before_the_door_is_closed(gate):
    async def ask() -> None:
        commits = Commits(lambda: gate)
        commits.start()
        first = await shut_behind_one(gate, commits)
        waiting = asyncio.create_task(commits.commit([rating("waiting")]))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(commits.close))
        gate.open.set()
        await closing
        assert [(await task)[0].status for task in (first, waiting)] == ["accepted", "accepted"]

    asyncio.run(ask())
    assert gate.closed == 1


def test_a_door_that_was_never_opened_needs_no_closing():
    Commits(lambda: pytest.fail("nobody asked for it")).close()

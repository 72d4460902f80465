"""Following a store's current generation: opened beside the old one, swapped in one step, refused without harm."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cellar_shared.errors import BadInput, CellarError
from cellar_shared.store.generation_folders import point_current
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.swapping import Swapping

LOOK_EVERY_S = 0.002
WITHIN_S = 60.0  # whatever is waited for ends the wait


class Opened:
    """What is pinned of a generation."""

    def __init__(self, generation_id: str) -> None:
        self.id = generation_id
        self.is_whole = True


class Opening:
    """Opens generations, but for those that it is told to fail at."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures: dict[str, BaseException] = {}
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.waits_at: tuple[str, int] | None = None  # the generation, and the how manieth time that it is opened
        self.is_whole = True

    def __call__(self, generation_id: str) -> Opened:
        self.calls.append(generation_id)
        if self.waits_at == (generation_id, self.calls.count(generation_id)):
            self.may_go_on.clear()
        assert self.may_go_on.wait(WITHIN_S)
        if (failure := self.failures.get(generation_id)) is not None:
            raise failure
        opened = Opened(generation_id)
        opened.is_whole = self.is_whole
        return opened


@pytest.fixture
def opening() -> Opening:
    return Opening()


@pytest.fixture
def follow(store: LmdbStore, opening: Opening) -> Iterator[Callable[..., Swapping[Opened]]]:
    """Starts to follow the store, whose current generation is g1."""
    started: list[Swapping[Opened]] = []

    def start(**options: Any) -> Swapping[Opened]:
        point(store, "g1")
        started.append(Swapping(store, opening, look_every_s=LOOK_EVERY_S, **options))
        started[-1].start()
        return started[-1]

    yield start
    opening.may_go_on.set()
    for swapping in started:
        swapping.stop()


def point(store: LmdbStore, generation_id: str) -> None:
    store.generations.mkdir(parents=True, exist_ok=True)
    point_current(store.generations, generation_id)


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.001)


def test_each_new_generation_takes_the_place_of_the_one_before(store, follow):
    told: list[str] = []
    swapping = follow(tell=told.append)
    assert swapping.pinned.id == "g1"
    for number in range(2, 6):
        point(store, f"g{number}")
        until(lambda: swapping.pinned.id == f"g{number}")  # noqa: B023
    until(lambda: swapping.swaps == 4)
    until(lambda: told == ["swapped"] * 4)


def test_a_question_that_fails_does_not_end_the_following(store, follow, caplog):
    asked: list[str] = []

    def opens_again(pinned: Opened) -> bool:
        asked.append(pinned.id)
        raise OSError("a mount that is away")

    swapping = follow(opens_again=opens_again)
    until(lambda: len(asked) > 2)
    point(store, "g2")
    until(lambda: swapping.pinned.id == "g2")
    point(store, "g3")
    until(lambda: swapping.pinned.id == "g3")
    assert caplog.text.count("a mount that is away") == 1  # once, not at every look


def test_what_a_request_pinned_stays_as_it_was_and_goes_with_the_request(store, follow):
    swapping = follow()
    pinned = swapping.pinned
    watched = weakref.ref(pinned)
    point(store, "g2")
    until(lambda: swapping.pinned.id == "g2")
    assert pinned.id == "g1"
    del pinned
    gc.collect()
    assert watched() is None


def test_the_old_generation_answers_while_the_new_one_is_opened(store, follow, opening):
    swapping = follow()
    opening.may_go_on.clear()
    point(store, "g2")
    until(lambda: opening.calls == ["g1", "g2"])
    assert swapping.pinned.id == "g1"
    opening.may_go_on.set()
    until(lambda: swapping.pinned.id == "g2")


def test_generations_that_come_while_one_is_opened_are_passed_over(store, follow, opening):
    swapping = follow()
    opening.may_go_on.clear()
    point(store, "g2")
    until(lambda: opening.calls == ["g1", "g2"])
    for number in range(3, 8):
        point(store, f"g{number}")
    opening.may_go_on.set()
    until(lambda: swapping.pinned.id == "g7")
    assert opening.calls == ["g1", "g2", "g7"]


@pytest.mark.parametrize("failure", [BadInput("damaged"), OSError("gone"), RuntimeError("a bug"), MemoryError()])
def test_a_generation_that_does_not_open_is_refused_and_tried_again_ever_more_rarely(store, follow, opening, caplog, failure):
    told: list[str] = []
    swapping = follow(tell=told.append)
    opening.failures["g2"] = failure
    opening.waits_at = ("g2", 5)
    point(store, "g2")
    until(lambda: opening.calls.count("g2") == 5)
    assert swapping.pinned.id == "g1"
    assert told == ["refused"] * 4
    assert "generation g1 is served on" in caplog.text
    del opening.failures["g2"]
    opening.may_go_on.set()
    until(lambda: swapping.pinned.id == "g2")
    assert opening.calls.count("g2") == 5


def test_after_a_refused_generation_the_next_one_is_opened_at_once(store, follow, opening):
    swapping = follow()
    opening.failures["g2"] = BadInput("damaged")
    point(store, "g2")
    until(lambda: "g2" in opening.calls)
    point(store, "g3")
    until(lambda: swapping.pinned.id == "g3")


@pytest.mark.parametrize("content", [b"", b"\n", b"../g2\n", b".g2\n", b"a/b\n", b"\xff\xfe\n", b"g\x002\n"])
def test_a_current_that_names_nothing_is_said_once_and_waited_out(store, follow, caplog, content):
    swapping = follow()
    current = store.generations.parent / "CURRENT"
    current.write_bytes(content)
    until(lambda: "served on" in caplog.text)
    assert swapping.pinned.id == "g1"
    current.unlink()
    until(lambda: "holds no generation" in caplog.text)
    assert caplog.text.count("holds no generation") == 1
    point(store, "g2")
    until(lambda: swapping.pinned.id == "g2")


def test_a_generation_back_to_the_one_before_is_a_swap_as_well(store, follow):
    swapping = follow()
    point(store, "g2")
    until(lambda: swapping.pinned.id == "g2")
    point(store, "g1")
    until(lambda: swapping.pinned.id == "g1")
    until(lambda: swapping.swaps == 2)


def test_what_was_opened_without_something_is_opened_again_when_it_is_there(follow, opening):
    opening.is_whole = False
    is_there = threading.Event()
    swapping = follow(opens_again=lambda pinned: not pinned.is_whole and is_there.is_set())
    assert not swapping.pinned.is_whole
    assert opening.calls == ["g1"]
    opening.is_whole = True
    is_there.set()
    until(lambda: swapping.pinned.is_whole)
    assert (opening.calls, swapping.swaps) == (["g1", "g1"], 0)


def test_nothing_is_opened_any_more_once_it_is_stopped(store, follow, opening):
    swapping = follow()
    swapping.stop()
    point(store, "g2")
    assert (swapping.pinned.id, opening.calls) == ("g1", ["g1"])


def test_starting_on_nothing_says_what_is_wrong(tmp_path, opening):
    with pytest.raises(CellarError, match="holds no generation; write one with `cellar materialize"):
        Swapping(LmdbStore(Path(tmp_path / "nothing")), opening).start()

"""One environment a process, whoever uses it: shared while it is used, closed with its last user, never handed out closed."""

from __future__ import annotations

import threading

import lmdb
import pytest

from cellar_shared.store import lmdb_environment
from cellar_shared.store.lmdb_environment import open_environment

PATIENCE_S = 60
ROOM = {"map_size": 1 << 20}


def test_those_who_open_one_place_share_it_and_it_closes_with_the_last_of_them(tmp_path):
    one, other = open_environment(tmp_path, **ROOM), open_environment(tmp_path, **ROOM)
    opened = one.lmdb
    assert opened is other.lmdb
    del one
    with opened.begin() as reading:
        assert reading.get(b"x") is None
    del other
    with pytest.raises(lmdb.Error, match="closed"):
        opened.begin()
    assert open_environment(tmp_path, **ROOM).lmdb is not opened


class SlowToClose:
    """An environment that is long in closing: until another has been had, if it can be had meanwhile."""

    def __init__(self, opened: lmdb.Environment) -> None:
        self._opened = opened
        self.begin = opened.begin
        self.is_closing = threading.Event()
        self.was_had = threading.Event()

    def close(self) -> None:
        self.is_closing.set()
        self.was_had.wait(0.2)
        self._opened.close()


def test_who_opens_what_another_thread_is_just_closing_gets_one_that_is_open(tmp_path, monkeypatch):
    really = lmdb.open
    monkeypatch.setattr(lmdb_environment.lmdb, "open", lambda *words, **options: SlowToClose(really(*words, **options)))
    held = [open_environment(tmp_path, **ROOM)]
    slow = held[0].lmdb
    closing = threading.Thread(target=held.clear)
    closing.start()
    assert slow.is_closing.wait(PATIENCE_S)
    had = open_environment(tmp_path, **ROOM)
    slow.was_had.set()
    closing.join()
    with had.lmdb.begin() as reading:
        assert reading.get(b"x") is None


def test_threads_that_open_and_let_go_again_and_again_never_meet_a_closed_one(tmp_path):
    open_environment(tmp_path, **ROOM)
    failures = []

    def use() -> None:
        try:
            for _ in range(500):
                share = open_environment(tmp_path, **ROOM)
                with share.lmdb.begin() as reading:
                    reading.get(b"x")
                del share
        except lmdb.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

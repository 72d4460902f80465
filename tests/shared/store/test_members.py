"""What every store of members must do, asked of each; and what readers of LMDB may do at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.features.histories import EVENT, Events
from cellar_shared.store.members import LONGEST_KEY, LmdbMembers, MemberStore, MemoryMembers, member_key, write_members

Open = Callable[[Mapping[str, Events]], MemberStore]

ID_OF = ["m1", "", "a b\n", "Zoë", "会員", "🍷", "half \ud83c", "\udfff", "x" * (LONGEST_KEY - 2), "x" * (LONGEST_KEY - 1), "é" * 5000]


def some_events(count: int, first: int = 0) -> Events:
    events = np.zeros(count, dtype=EVENT)
    events["moment"] = np.arange(first, first + count) * 10**15
    events["row"], events["vintage"], events["liked"], events["strength"] = -1, 2015, 1, 0.5
    return events


@pytest.fixture(params=["memory", "lmdb"])
def open_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens a store of the members given; closed when the test is over."""
    opened: list[MemberStore] = []

    def make(members: Mapping[str, Events]) -> MemberStore:
        if request.param == "memory":
            opened.append(MemoryMembers(members))
        else:
            folder = tmp_path_factory.mktemp("store") / "members"
            assert write_members(folder, members.items()) == len(members)
            assert [file.name for file in folder.iterdir()] == ["data.mdb"]
            opened.append(LmdbMembers(folder))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def test_a_member_who_is_not_known_is_none(open_store):
    store = open_store({"m1": some_events(2)})
    for unknown in ("m2", "", "M1", "m1 ", "x" * 5000):
        assert store.events_of(unknown) is None


def test_a_store_of_nobody_knows_nobody(open_store):
    assert open_store({}).events_of("m1") is None


def test_a_member_without_ratings_is_known(open_store):
    events = open_store({"m1": some_events(0)}).events_of("m1")
    assert events is not None
    assert (len(events), events.dtype) == (0, EVENT)


def test_any_text_can_be_an_id_and_each_has_its_own_ratings(open_store):
    store = open_store({member_id: some_events(place + 1, first=place) for place, member_id in enumerate(ID_OF)})
    for place, member_id in enumerate(ID_OF):
        np.testing.assert_array_equal(store.events_of(member_id), some_events(place + 1, first=place))


def test_ratings_come_back_in_their_order_again_and_again(open_store):
    events = some_events(1000)
    store = open_store({"m1": events, "m2": some_events(1)})
    for _ in range(3):
        found = store.events_of("m1")
        assert found is not None
        assert found.tobytes() == events.tobytes()


def test_what_was_read_stays_good_after_the_store_is_closed(open_store):
    store = open_store({"m1": some_events(3)})
    found = store.events_of("m1")
    store.close()
    np.testing.assert_array_equal(found, some_events(3))


def test_closing_twice_is_once(open_store):
    store = open_store({"m1": some_events(1)})
    store.close()
    store.close()


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=8), st.integers(0, 5), max_size=12), st.text())
def test_a_store_is_the_dictionary_it_was_made_of(open_store, sizes, other):
    store = open_store({member_id: some_events(size) for member_id, size in sizes.items()})
    for member_id in {*sizes, other}:
        found = store.events_of(member_id)
        assert (None if found is None else len(found)) == sizes.get(member_id)


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
@settings(max_examples=50, derandomize=True)
def test_keys_fit_and_differ_where_ids_do(one, other):
    longer = [one, other, one * 600, other * 600]
    assert all(0 < len(member_key(member_id)) <= LONGEST_KEY for member_id in longer)
    assert len({member_key(member_id) for member_id in longer}) == len(set(longer))


def test_another_process_reads_lmdb_while_this_one_does(tmp_path):
    write_members(tmp_path / "members", [("m1", some_events(4)), ("m2", some_events(7))])
    own = LmdbMembers(tmp_path / "members")
    assert len(own.events_of("m1")) == 4
    program = (
        "import sys, pathlib\n"
        "from cellar_shared.store.members import LmdbMembers\n"
        "store = LmdbMembers(pathlib.Path(sys.argv[1]))\n"
        "print(len(store.events_of('m2')), flush=True)\n"
        "input()\n"
        "print(len(store.events_of('m1')), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "members")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == "7\n"
        assert len(own.events_of("m2")) == 7  # the other one is in the middle of its own reading
        own.close()
        rest, _ = other.communicate("\n", timeout=60)
        assert rest == "4\n"
    assert [file.name for file in (tmp_path / "members").iterdir()] == ["data.mdb"]

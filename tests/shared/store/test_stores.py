"""What every store must do, asked of each: in memory, LMDB, and a real Redis."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.durable import staged_folder
from cellar_shared.errors import BadInput
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import PreferenceEvent, RatingEvent
from cellar_shared.events.tables import DataWriter
from cellar_shared.features.histories import EVENT, Events
from cellar_shared.features.identity import identity
from cellar_shared.features.wines import WINE, WineFacts, wine_record
from cellar_shared.store.memory_store import MemoryStore
from cellar_shared.store.opening import open_store
from cellar_shared.store.overlay import Kept, wishes_since
from cellar_shared.store.port import KEY_BYTES, Members, Store, StoreUnavailable, member_key
from cellar_shared.store.wine_index import WineIndex
from cellar_shared.store.wishes import NO_WISHES, Wish, Wishes, standing

ID_OF = ["m1", "", "a b\n", "Zoë", "会員", "🍷", "half \ud83c", "\udfff", "x" * 400, "x" * 401, "é" * 5000]
START = datetime(2021, 3, 1, tzinfo=UTC)
WINES = ["w0", "w1", "w2"]
prefixes = itertools.count()


def some_events(count: int, first: int = 0) -> Events:
    events = np.zeros(count, dtype=EVENT)
    events["moment"] = np.arange(first, first + count) * 10**12
    events["row"], events["vintage"], events["liked"], events["strength"] = -1, 2015, 1, 0.5
    return events


def rating(event_id: str, member_id: str = "m1", day: int = 0, rating: float = 4.5, wine_id: str = "w1") -> RatingEvent:
    return RatingEvent(
        event_id=event_id, member_id=member_id, occurred_at=START + timedelta(days=day), wine_id=wine_id, rating=rating, scale="1-5"
    )


def wish(
    event_id: str, member_id: str = "m1", day: int = 0, kind: str = "hide_wine", value: str = "w1", is_set: bool = True
) -> PreferenceEvent:
    at = START + timedelta(days=day)
    return PreferenceEvent(event_id=event_id, member_id=member_id, occurred_at=at, preference=kind, value=value, is_set=is_set)


class Place:
    """A store with its journal, and the shortest words for what is done to them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        if not folder.exists():
            with DataWriter(folder, "made", "1-5", "a test"):
                pass
        self.journal = Journal(folder)
        self.index = WineIndex.of(np.array([wine_record(wine_id, WineFacts()) for wine_id in WINES], dtype=WINE))
        self._runner = asyncio.Runner()

    def write(self, members: Mapping[str, Events], generation_id: str = "g1") -> None:
        with staged_folder(self.store.generations / generation_id) as staging:
            assert self.store.write_members(generation_id, staging, members.items()) == len(members)

    def members(self, generation_id: str = "g1", overlay_through: int = 0) -> Members:
        return Members(self.store.reader(generation_id), self.index, overlay_through)

    def read(self, member_id: str, members: Members | None = None) -> Events | None:
        return self._runner.run((members or self.members()).events_of(member_id))

    def kept(self, member_id: str, members: Members | None = None) -> Kept:
        return self._runner.run((members or self.members()).kept_of(member_id))

    def wishes(self, member_id: str = "m1", members: Members | None = None) -> Wishes:
        """What was pushed alone: generations' own wishes lie beside the store."""
        members = members or self.members()
        return standing(wishes_since(self.kept(member_id, members), members.overlay_through))

    def push(self, *events: RatingEvent | PreferenceEvent) -> list[str]:
        door = self.store.door(self.journal)
        try:
            return [receipt.status for receipt in door.accept(events, now_s=0)]
        finally:
            door.close()

    def settle(self) -> int:
        return self.store.settle(self.journal, now_s=0).overlay_through

    def close(self) -> None:
        self._runner.run(self.store.aclose())
        self._runner.close()
        self.store.close()
        self.journal.close()


@pytest.fixture(params=["memory", "lmdb", "redis"])
def place_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Place]]:
    """Makes new places; closed when the test is over."""
    opened: list[Place] = []

    def make() -> Place:
        folder = tmp_path_factory.mktemp("store")
        if request.param == "memory":
            store: Store = MemoryStore(folder)
        elif request.param == "lmdb":
            store = open_store(f"lmdb://{folder}")
        else:
            server = request.getfixturevalue("redis_server")
            store = open_store(server.url(folder, prefix=f"s{next(prefixes)}", timeout_ms=30_000))
        opened.append(Place(store, folder / "data"))
        return opened[-1]

    yield make
    for place in opened:
        place.close()


@pytest.fixture
def place(place_of: Callable[[], Place]) -> Place:
    return place_of()


# A generation's members


def test_a_member_who_is_not_known_is_none(place):
    place.write({"m1": some_events(2)})
    for unknown in ("m2", "", "M1", "m1 ", "x" * 5000):
        assert place.read(unknown) is None


def test_a_store_of_nobody_knows_nobody(place):
    place.write({})
    assert place.read("m1") is None
    assert list(place.members().each()) == []


def test_a_generation_that_is_not_there_cannot_be_read(place):
    place.write({"m1": some_events(1)})
    with pytest.raises(StoreUnavailable):
        place.read("m1", place.members("elsewhere"))
    assert (place.store.holds_members("g1"), place.store.holds_members("elsewhere")) == (True, False)


def test_a_member_without_ratings_is_known(place):
    place.write({"m1": some_events(0)})
    events = place.read("m1")
    assert events is not None
    assert (len(events), events.dtype) == (0, EVENT)


def test_any_text_can_be_an_id_and_each_has_its_own_ratings(place):
    place.write({member_id: some_events(at + 1, first=at) for at, member_id in enumerate(ID_OF)})
    for at, member_id in enumerate(ID_OF):
        np.testing.assert_array_equal(place.read(member_id), some_events(at + 1, first=at))
    assert sorted(map(len, place.members().each())) == list(range(1, len(ID_OF) + 1))


def test_what_was_read_stays_good_after_the_store_is_closed(place):
    place.write({"m1": some_events(3)})
    members = place.members()
    found = place.read("m1", members)
    members.reader.close()
    members.reader.close()
    np.testing.assert_array_equal(found, some_events(3))


@settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=8), st.integers(0, 5), max_size=12), st.text())
def test_a_store_is_the_dictionary_it_was_made_of(place_of, sizes, other):
    place = place_of()
    place.write({member_id: some_events(size) for member_id, size in sizes.items()})
    members = place.members()
    for member_id in {*sizes, other}:
        found = place.read(member_id, members)
        assert (None if found is None else len(found)) == sizes.get(member_id)


def test_two_generations_stand_side_by_side(place):
    place.write({"m1": some_events(1)}, "g1")
    place.write({"m1": some_events(2), "m2": some_events(1)}, "g2")
    old, new = place.members("g1"), place.members("g2")
    assert (len(place.read("m1", old)), len(place.read("m1", new))) == (1, 2)
    assert (place.read("m2", old), len(place.read("m2", new))) == (None, 1)


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
@settings(max_examples=50, derandomize=True)
def test_keys_are_of_one_length_and_differ_where_ids_do(one, other):
    longer = [one, other, one * 600, other * 600]
    assert {len(member_key(member_id)) for member_id in longer} == {KEY_BYTES}
    assert len({member_key(member_id) for member_id in longer}) == len(set(longer))


# What is pushed


def test_a_pushed_rating_counts_at_once_and_lies_where_it_belongs_in_time(place):
    place.write({"m1": some_events(2, first=1600)})
    members = place.members()
    assert place.push(rating("e1", day=5), rating("e2", day=-9000, wine_id="w2", rating=2.0)) == ["accepted", "accepted"]
    events = place.read("m1", members)
    assert events["row"].tolist() == [2, -1, -1, 1]
    assert (np.diff(events["moment"]) > 0).all()
    assert events["liked"].tolist() == [0, 1, 1, 1]
    assert events["strength"].tolist() == [-2.0, 0.5, 0.5, 0.5]


def test_a_member_whom_the_generation_lacks_is_known_by_what_is_pushed(place):
    place.write({})
    place.push(rating("e1", "new"))
    assert place.read("new")["row"].tolist() == [1]


def test_the_same_event_twice_is_one_and_other_content_under_its_id_a_conflict(place):
    place.write({})
    assert place.push(rating("e1"), rating("e1"), rating("e1", rating=1.0)) == ["accepted", "duplicate", "conflict"]
    assert place.push(rating("e1"), rating("e1", day=1), rating("e2")) == ["duplicate", "conflict", "accepted"]
    assert place.read("m1")["strength"].tolist() == [0.5, 0.5]
    place.settle()
    assert [each.event.event_id for each in place.journal.after(0)] == ["e1", "e2"]


def test_what_a_generation_holds_is_not_read_twice(place):
    place.write({})
    place.push(rating("e1"), rating("e2", day=1))
    reached = place.settle()
    place.push(rating("e3", day=2))
    place.write({"m1": some_events(2)}, "g2")
    assert len(place.read("m1", place.members("g2", reached))) == 3
    assert len(place.read("m1", place.members("g1", 0))) == 3
    assert place.store.trim(reached) == 2
    assert len(place.read("m1", place.members("g2", reached))) == 3
    assert place.settle() > reached


def test_settled_twice_is_settled_once(place):
    place.write({})
    place.push(rating("e1"))
    first = place.store.settle(place.journal, now_s=0)
    assert place.store.settle(place.journal, now_s=0) == first
    assert len(place.read("m1")) == 1


def test_trimming_what_is_not_there_is_nothing(place):
    place.write({})
    assert place.store.trim(10) == 0
    place.push(rating("e1"))
    assert place.store.trim(0) == 0
    assert len(place.read("m1")) == 1


def test_a_rating_of_a_faulty_bottle_and_a_wine_that_nobody_knows(place):
    place.write({})
    corked = RatingEvent(event_id="e1", member_id="m1", occurred_at=START, wine_id="w1", rating=1, scale="1-5", defective=True)
    place.push(corked, rating("e2", wine_id="elsewhere"))
    assert place.read("m1")["row"].tolist() == [-1]


# What is wished


def test_a_pushed_wish_counts_at_once_and_is_no_rating(place):
    place.write({"m1": some_events(2)})
    members = place.members()
    assert place.wishes("m1", members) == place.wishes("m2", members) == NO_WISHES
    assert place.push(wish("e1", value="w2"), wish("e2", kind="hide_producer", value="Zoë & fils"), rating("e3")) == ["accepted"] * 3
    assert place.push(wish("e4", kind="hide_region", value="Médoc"), wish("e5", "m2")) == ["accepted"] * 2
    assert place.wishes("m1", members) == Wishes(("w2",), ("Zoë & fils",), ("Médoc",))
    assert place.wishes("m2", members) == Wishes(("w1",))
    assert len(place.read("m1", members)) == 3
    assert place.read("m2", members) is None


def test_of_wishes_about_one_thing_the_newest_counts_in_whatever_order_they_come(place):
    place.write({})
    place.push(wish("e2", day=2, is_set=False), wish("e1", day=1))
    assert place.wishes() == NO_WISHES
    place.push(wish("e3", day=3))
    assert place.wishes() == Wishes(("w1",))
    place.push(wish("e5", day=4, is_set=False), wish("e4", day=4))  # at one moment the greater id counts
    assert place.wishes() == NO_WISHES


def test_the_same_wish_twice_is_one_and_other_content_under_its_id_a_conflict(place):
    place.write({})
    assert place.push(wish("e1"), wish("e1"), wish("e1", is_set=False), wish("e1", value="w2")) == [
        "accepted",
        "duplicate",
        *["conflict"] * 2,
    ]
    assert place.push(wish("e1"), rating("e1")) == ["duplicate", "conflict"]
    place.settle()
    assert (len(place.kept("m1").wishes), place.wishes()) == (1, Wishes(("w1",)))


@pytest.mark.parametrize("length", [1, 20, 30, 31, 32, 33, 34, 40, 512])
def test_a_wish_of_any_length_is_told_from_a_rating(place, length):
    place.write({})
    place.push(rating("r1"), wish("e1", value="x" * length), rating("r2", day=1))
    assert place.wishes() == Wishes(("x" * length,))
    assert len(place.read("m1")) == 2


def test_wishes_that_a_generation_holds_are_trimmed_and_forgotten_ones_are_gone(place):
    place.write({})
    place.push(wish("e1"), rating("e2"))
    reached = place.settle()
    place.push(wish("e3", value="w2"))
    place.write({}, "g2")
    assert place.wishes("m1", place.members("g2", reached)) == Wishes(("w2",))
    assert place.wishes("m1", place.members("g1", 0)) == Wishes(("w1", "w2"))
    assert place.store.trim(reached) == 2
    assert place.wishes("m1", place.members("g2", reached)) == Wishes(("w2",))
    place.store.hide("m1", place.journal, now_s=0)
    assert place.kept("m1", place.members("g2", reached)).wishes == ()
    place.push(wish("e4", value="w0"))
    assert place.wishes("m1", place.members("g2", reached)) == Wishes(("w0",))
    assert place.store.trim(place.settle()) == 2


# Forgetting


def test_a_forgotten_member_is_unknown_at_once_and_counts_again_from_what_comes_later(place):
    place.write({"m1": some_events(2), "m2": some_events(1)})
    place.push(rating("e1"), rating("e2", "m2"))
    assert place.store.hide("m1", place.journal, now_s=0) == 1
    assert place.read("m1") is None
    assert len(place.read("m2")) == 2
    place.settle()
    assert [each.event.event_id for each in place.journal.after(0) if each.event] == ["e2"]
    assert place.store.hide("m1", place.journal, now_s=0) == 0
    assert place.read("m1") is None
    assert place.push(rating("e3", day=9)) == ["accepted"]
    assert len(place.read("m1")) == 1


def test_a_forgotten_member_stays_forgotten_until_no_generation_holds_them(place):
    place.write({"m1": some_events(2)})
    place.store.hide("m1", place.journal, now_s=0)
    reached = place.settle()
    place.write({}, "g2")
    assert place.store.trim(reached - 1) == 0
    assert place.read("m1") is None
    assert place.read("m1", place.members("g2", reached)) is None
    assert place.store.trim(reached) == 1


@settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(["push", "wish", "show", "hide", "swap", "trim"]), st.integers(0, 2), st.integers(0, 9)), max_size=25
    )
)
def test_every_reader_sees_exactly_what_was_accepted_and_not_forgotten(place_of, steps):
    """Whatever is pushed, forgotten, materialised and trimmed in whatever order: the generation before reads like the current."""
    place = place_of()
    truth: dict[str, dict[str, RatingEvent]] = {f"m{member}": {} for member in range(3)}
    wished: dict[str, dict[str, Wish]] = {f"m{member}": {} for member in range(3)}
    generations: list[Members] = []
    held: dict[int, dict[str, list[Wish]]] = {}  # what each generation's own file of wishes has

    def swap() -> None:
        reached = place.settle()
        held[reached] = {member_id: list(own.values()) for member_id, own in wished.items()}
        written = {
            member_id: np.sort(np.array([_row(event) for event in events.values()], dtype=EVENT), order="moment")
            for member_id, events in truth.items()
            if events
        }
        place.write(written, f"g{len(generations)}")
        generations.append(place.members(f"g{len(generations)}", reached))

    swap()
    for what, member, number in steps:
        member_id = f"m{member}"
        if what == "push":
            event = rating(f"e{member}-{number}", member_id, day=number)
            assert place.push(event) == ["duplicate" if event.event_id in truth[member_id] else "accepted"]
            truth[member_id][event.event_id] = event
        elif what in ("wish", "show"):
            wishing = wish(f"{what}{member}-{number}", member_id, day=number % 7, value=f"w{number % 2}", is_set=what == "wish")
            assert place.push(wishing) == ["duplicate" if wishing.event_id in wished[member_id] else "accepted"]
            wished[member_id][wishing.event_id] = _wish(wishing)
        elif what == "hide":
            place.store.hide(member_id, place.journal, now_s=0)
            truth[member_id], wished[member_id] = {}, {}
        elif what == "swap":
            swap()
        else:
            place.store.trim(generations[-2:][0].overlay_through)
        for members in generations[-2:]:
            for each, events in truth.items():
                found = place.read(each, members)
                assert (set() if found is None else set(found["moment"].tolist())) == {_row(event)[0] for event in events.values()}
                assert found is None or len(found) == len(events)
                kept = place.kept(each, members)
                own = [] if kept.forgotten_at > members.overlay_through else held[members.overlay_through][each]
                assert standing([*own, *wishes_since(kept, members.overlay_through)]) == standing(wished[each].values())


def _wish(event: PreferenceEvent) -> Wish:
    moment = int(event.occurred_at.timestamp()) * 1_000_000
    return Wish(moment, event.event_id, event.preference, event.value, event.is_set)


def _row(event: RatingEvent) -> tuple[int, int, int, int, float]:
    return int(event.occurred_at.timestamp()) * 1_000_000, 1, -1, 1, 0.5


# LMDB alone


def test_another_process_reads_and_pushes_to_lmdb_while_this_one_does(tmp_path):
    place = Place(open_store(f"lmdb://{tmp_path}"), tmp_path / "data")
    place.write({"m1": some_events(4)})
    members = place.members()
    assert len(place.read("m1", members)) == 4
    program = (
        "import sys, pathlib\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import test_stores as t\n"
        "place = t.Place(t.open_store('lmdb://' + sys.argv[1]), pathlib.Path(sys.argv[1], 'data'))\n"
        "print(len(place.read('m1')), *place.push(t.rating('e1')), flush=True)\n"
        "input()\n"
        "print(len(place.read('m1')), flush=True)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == "4 accepted\n"
        assert len(place.read("m1", members)) == 5
        assert place.push(rating("e2")) == ["accepted"]
        rest, _ = other.communicate("\n", timeout=300)
        assert rest == "6\n"
    place.close()


def test_an_lmdb_store_that_was_deleted_and_written_anew_is_read_anew(tmp_path):
    """By an operator, while services read it; what they had open is nobody's any more."""
    serving, operator = (Place(open_store(f"lmdb://{tmp_path / 'store'}"), tmp_path / "data") for _ in range(2))
    try:
        operator.write({"m1": some_events(1)})
        members = serving.members()
        assert operator.push(rating("e1")) == ["accepted"]
        assert len(serving.read("m1", members)) == 2
        shutil.rmtree(tmp_path / "store" / "overlay")
        assert len(serving.read("m1", members)) == 1
        operator.store.close()
        operator.settle()
        assert len(serving.read("m1", members)) == 2
        assert operator.push(rating("e2", day=1)) == ["accepted"]
        assert serving.push(rating("e3", day=2)) == ["accepted"]
        assert [len(each.read("m1")) for each in (serving, operator)] == [4, 4]
    finally:
        serving.close()
        operator.close()


def test_the_same_events_again_leave_the_lmdb_store_byte_equal(tmp_path):
    place = Place(open_store(f"lmdb://{tmp_path}"), tmp_path / "data")
    events = [rating(f"e{number}", f"m{number % 3}", day=number) for number in range(20)]
    place.push(*events)
    before = (tmp_path / "overlay" / "data.mdb").read_bytes()
    assert set(place.push(*events)) == {"duplicate"}
    assert (tmp_path / "overlay" / "data.mdb").read_bytes() == before
    place.close()


@pytest.mark.parametrize(
    "url",
    ["redis://:se/cret@h:6379/0", "redis://:cret#x@h/0", "redis://u:12/cret@h:6379/0", "redis://u:cret@h:999999/0", "redis://[::1/cret"],
)
def test_a_redis_whose_host_cannot_be_read_is_refused_without_its_password(url):
    with pytest.raises(BadInput) as refused:
        open_store(f"{url}?generations=/x")
    assert "cret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("url", ["lmdb://", "run/store", "", "redis://here", "redis://u:secret@here?x=1", "http://u:secret@here"])
def test_a_store_that_is_none_is_refused_with_an_example_and_without_its_secrets(url):
    with pytest.raises(BadInput, match=r"lmdb://DIR|generations") as refusal:
        open_store(url)
    assert "secret" not in str(refusal.value)


def test_wines_are_found_by_identity_in_every_generation(place):
    place.write({})
    place.push(rating("e1", wine_id="w2"))
    turned = WineIndex(place.index.identities, (2 - place.index.rows).astype(np.int32))
    members = Members(place.store.reader("g1"), turned, 0)
    assert place.read("m1", members)["row"].tolist() == [0]
    assert identity("wine", "w2") in place.index.identities

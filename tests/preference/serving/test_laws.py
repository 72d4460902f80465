"""Laws that hold whatever happens in whatever order: pushes, generations, forgetting, restarts, questions about now and then.

A small model says what is true of each member; the service, on LMDB or on a real Redis, must say the same.
CELLAR_FUZZ_CASES says how many happenings and questions there are in all, in lives of at most 40: 2,000 where it says nothing,
always the same; 20,000 in the long run (`make fuzz`), each time others. The end of pytest's output says how many there were.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from cellar_preference.serving.service import PreferenceService
from cellar_shared.events.journal import Journal
from cellar_shared.events.pushed import RatingEvent
from cellar_shared.events.tables import DataFolder, DataWriter
from cellar_shared.forgetting.forget import forget as forget_member
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.timing import Stages
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

STEPS = 40
CASES = int(os.environ.get("CELLAR_FUZZ_CASES", "2000"))
LIVES = CASES // 32 + 1  # few have all their steps
MEMBERS = ("a", "b", "new")
START = datetime(2021, 11, 1, tzinfo=UTC)
DAYS = 60
NOW = START + timedelta(days=DAYS + 10)

prefixes = itertools.count()
days = st.integers(0, DAYS)
members = st.sampled_from(MEMBERS)


@dataclass
class Setting:
    """What every run begins with: a bundle, data to copy, a Redis, a predictor's wines."""

    bundle: Path
    data: Path
    server: Any
    wines: list[str]
    place: Path


@pytest.fixture(scope="module")
def setting(line, ratings, start_redis, tmp_path_factory) -> Iterator[Setting]:
    place = tmp_path_factory.mktemp("laws")
    world = DataFolder.open(line.data)
    wines = sorted(ratings["wine_id"].unique())[:4]
    own = ratings.filter(pl.col("wine_id").is_in(wines)).head(60)
    first = own.head(3).with_columns(member_id=pl.lit("a"))
    others = own.tail(57).with_columns(member_id="other " + pl.col("member_id"))
    with DataWriter(place / "data", world.manifest.namespace, world.manifest.scale, "a small part of a world") as writer:
        writer.add("wines", world.scan("wines").filter(pl.col("wine_id").is_in(wines)).collect())
        for rows in (first, others):
            writer.add("ratings", rows.drop("moment"))
    (place / "redis").mkdir()
    server = start_redis(place / "redis")
    yield Setting(line.bundle, place / "data", server, wines, place)
    server.kill()


@dataclass(frozen=True)
class Known:
    """A rating as the model of the truth has it: from just after `moment` on it counts."""

    moment: datetime
    wine: str
    rating: float
    vintage: int | str | None = None


@dataclass
class Truth:
    """Which ratings each member has, and up to when each generation reaches."""

    ratings: dict[str, dict[str, Known]] = field(default_factory=lambda: {member: {} for member in MEMBERS})
    through: dict[str, datetime] = field(default_factory=dict)

    def before(self, member: str, moment: datetime) -> list[Known]:
        return [known for known in self.ratings[member].values() if known.moment < moment]


class Life(RuleBasedStateMachine):
    """One store's life. `setting` is set before it runs."""

    setting: Setting
    generated: Counter[str]

    @initialize(is_redis=st.booleans())
    def begin(self, is_redis: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.setting.place))
        self.data = self.folder / "data"
        shutil.copytree(self.setting.data, self.data)
        self.url = f"lmdb://{self.folder / 'store'}"
        if is_redis:
            self.url = self.setting.server.url(self.folder / "store", prefix=f"l{next(prefixes)}", timeout_ms=30_000)
        self.runner = asyncio.Runner()
        self.truth = Truth()
        self.pushed: dict[str, RatingEvent] = {}
        for row in DataFolder.open(self.data).scan("ratings").collect().iter_rows(named=True):
            if row["member_id"] in MEMBERS:
                moment = row["rated_at"]
                if row["time_precision"] == "date":
                    moment = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1, microseconds=-1)
                self.truth.ratings[row["member_id"]][row["event_id"]] = Known(
                    moment, row["wine_id"], row["rating_raw"], "NV" if row["vintage"] == 0 else row["vintage"]
                )
        self.service: PreferenceService | None = None
        self.materialized()
        self.restarted()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.ended()
            self.runner.close()
            shutil.rmtree(self.folder)
            with self.setting.server.client() as commands:
                commands.flushall()

    # Happenings

    @rule(
        member=members,
        number=st.integers(0, 7),
        day=days,
        wine=st.integers(0, 4),
        is_date=st.booleans(),
        rating=st.sampled_from([2.0, 4.5]),
    )
    def push(self, member: str, number: int, day: int, wine: int, is_date: bool, rating: float) -> None:
        """An event, another under an id that stands, or the very same one again."""
        self.took("pushed events")
        wine_id = ([*self.setting.wines, "nobody knows"])[wine]
        event_id = f"{member}-{number}"
        when = START + timedelta(days=day, hours=10, seconds=number)
        event = RatingEvent(
            event_id=event_id, member_id=member, occurred_at=when, wine_id=wine_id, rating=rating, scale="1-5",
            time_precision="date" if is_date else "datetime",
        )  # fmt: skip
        moment = when.replace(hour=0, second=0) + timedelta(days=1, microseconds=-1) if is_date else when
        known = Known(moment, wine_id, rating)
        standing = self.truth.ratings[member].get(event_id)
        expected = "accepted" if standing is None else "duplicate" if self.pushed.get(event_id) == event else "conflict"
        before = None if standing is None else self.answered(member, NOW)
        statuses = self.accepted(event, event)
        assert statuses == [expected, "conflict" if expected == "conflict" else "duplicate"]
        if expected == "accepted":
            self.truth.ratings[member][event_id] = known
            self.pushed[event_id] = event
        else:
            assert self.answered(member, NOW) == before

    @rule(member=members)
    def forget(self, member: str) -> None:
        self.took("forgotten members")
        store = open_store(self.url)
        receipt = forget_member(member, self.data, store, say=lambda _: None)
        store.close()
        assert receipt.journal_events + receipt.table_rows.get("ratings", 0) >= len(self.truth.ratings[member])
        for event_id in self.truth.ratings[member]:
            self.pushed.pop(event_id, None)
        self.truth.ratings[member] = {}
        self.require_unknown(member)

    @rule(what=st.sampled_from(["materialize", "materialize", "materialize", "materialize twice", "restart"]))
    def maintain(self, what: str) -> None:
        self.took("restarts" if what == "restart" else "swaps")
        if what == "restart":
            self.ended()
            self.restarted()
            return
        current = self.materialized()
        if what == "materialize twice":
            assert self.materialized() == current
        self.served(current)

    # Questions

    @rule(member=members, day=days, seconds=st.integers(-1, 9))
    def ask_about_the_past(self, member: str, day: int, seconds: int) -> None:
        self.took("questions about the past")
        self.require_true(member, START + timedelta(days=day, hours=10, seconds=seconds))

    @rule(member=members, day=days, microseconds=st.integers(-2, 2))
    def ask_about_midnight(self, member: str, day: int, microseconds: int) -> None:
        self.took("questions about the past")
        self.require_true(member, START + timedelta(days=day, microseconds=microseconds))

    @rule(member=members)
    def ask_about_now(self, member: str) -> None:
        self.took("questions about now")
        self.require_true(member, NOW)

    @rule()
    def ask_about_everybody(self) -> None:
        self.took("questions about now")
        for member in MEMBERS:
            self.require_true(member, NOW)

    def require_true(self, member: str, moment: datetime) -> None:
        answer = self.answered(member, moment)
        known = self.truth.before(member, moment)
        assert {result["evidence"]["own_tastings"] for result in answer["results"]} == {len(known)}
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        through = self.truth.through[answer["model"]["generation"]]
        assert datetime.fromisoformat(answer["features_as_of"]) == min(midnight, through)
        history = [
            {"wine_id": each.wine, "vintage": each.vintage, "rating": each.rating, "rated_at": each.moment.isoformat()} for each in known
        ]
        given = self.asked(moment, history=history)
        chances = [[result.pop("probability") for result in each["results"]] for each in (answer, given)]
        assert chances[0] == pytest.approx(chances[1], abs=1e-5)
        assert answer["results"] == given["results"]
        if not known:
            assert chances[0] == [result["probability"] for result in self.answered("a stranger", moment)["results"]]

    def require_unknown(self, member: str) -> None:
        for moment in (NOW, START + timedelta(days=DAYS // 2)):
            assert self.answered(member, moment)["results"] == self.answered("a stranger", moment)["results"]

    def answered(self, member: str, moment: datetime) -> Any:
        return self.asked(moment, member_id=member)

    def asked(self, moment: datetime, **who: Any) -> Any:
        """The answer about all wines, as JSON has it; by the service alone, without HTTP around it."""
        assert self.service is not None
        request = {"wines": [{"wine_id": wine} for wine in (*self.setting.wines, "nobody knows")], "as_of": moment.isoformat(), **who}
        decoded = msgspec.json.decode(msgspec.json.encode(request), type=self.service.request_type)
        context = RequestContext(request_id="r", received_at=datetime.now(UTC), stages=Stages())
        answer = json.loads(msgspec.json.encode(self.runner.run(self.service.score(decoded, context))))
        assert set(answer["degraded"]) <= {"features_stale"}
        assert answer["model"]["generation"] in self.truth.through
        return answer

    # Hands

    def took(self, step: str) -> None:
        self.generated[f"steps of a store's life: {step}"] += 1

    def accepted(self, *events: RatingEvent) -> list[str]:
        store, journal = open_store(self.url), Journal(self.data)
        door = store.door(journal)
        try:
            return [receipt.status for receipt in door.accept(events, now_s=time.time())]
        finally:
            door.close()
            journal.close()
            store.close()

    def materialized(self) -> str:
        store = open_store(self.url)
        manifest = materialize(self.data, store, say=lambda _: None)
        store.close()
        self.truth.through[manifest.id] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=manifest.events_through)
        return manifest.id

    def restarted(self) -> None:
        self.service = PreferenceService(self.setting.bundle, open_store(self.url), look_every_s=0.005)
        self.service.load()

    def served(self, generation_id: str) -> None:
        end = time.monotonic() + 300
        while self.service._following.pinned.generation.manifest.id != generation_id:  # type: ignore[union-attr]
            assert time.monotonic() < end, "not swapped in time"
            time.sleep(0.002)

    def ended(self) -> None:
        if self.service is not None:
            self.runner.run(self.service.close())


def test_the_laws_hold_in_every_life(setting, generated):
    class Here(Life):
        pass

    Here.setting = setting
    Here.generated = Counter()
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="CELLAR_FUZZ_CASES" not in os.environ,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    generated += Here.generated
    assert Here.generated.total() >= CASES

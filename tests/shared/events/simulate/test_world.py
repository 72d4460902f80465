"""The made-up world: the same for the same arguments, obeys its laws, and its truth is the truth."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import end_of_day
from cellar_shared.events.simulate.families import FAMILIES
from cellar_shared.events.simulate.settings import WORLD_BEGINS, WORLD_ENDS, WorldSettings
from cellar_shared.events.simulate.world import MEMBERS_PER_RUN, Run, World, simulate_world, tables_of
from cellar_shared.events.tables import DataFolder, schema_of

BytesOf = Callable[[Path], dict[str, bytes]]
Made = Callable[[str], tuple[World, Run]]

families = pytest.mark.parametrize("family", FAMILIES)


def share_passed(run: Run) -> npt.NDArray[np.float64]:
    return (run.occasions.moment - WORLD_BEGINS) / (WORLD_ENDS - WORLD_BEGINS)


def auc_of_chances(chance: npt.NDArray[np.float64]) -> float:
    """The AUC that the chances themselves have in expectation: what no model can beat."""
    ordered = np.sort(chance)
    below = np.cumsum(1 - ordered) - (1 - ordered)
    return float((ordered * (below + (1 - ordered) / 2)).sum() / (ordered.sum() * (1 - ordered).sum()))


def test_equal_arguments_give_equal_bytes(tmp_path: Path, bytes_of: BytesOf) -> None:
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        simulate_world(WorldSettings(members=300, wines=80, seed=seed), tmp_path / name, progress=lambda _: None)
    one, two, other = (bytes_of(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert all(one[part] != other[part] for part in one)
    assert len(one) == 5  # wines, ratings, notes, truth, data.json


def test_runs_may_be_made_in_any_order() -> None:
    settings = WorldSettings(members=2 * MEMBERS_PER_RUN, wines=80, seed=5, ratings_per_member=2)
    forwards, backwards = World.make(settings), World.make(settings)
    one = [tables_of(forwards, forwards.run(number)) for number in (0, 1)]
    other = [tables_of(backwards, backwards.run(number)) for number in (1, 0)][::-1]
    for table in ("ratings", "notes", "truth"):
        assert one[0][table].equals(other[0][table])
        assert one[1][table].equals(other[1][table])
        assert not set(one[0][table]["event_id"]) & set(one[1][table]["event_id"])
    assert not one[0]["truth"]["probability"].head(100).equals(one[1]["truth"]["probability"].head(100))


def test_a_world_with_fewer_members_is_the_beginning_of_one_with_more() -> None:
    small, large = (World.make(WorldSettings(members, wines=80, seed=5)) for members in (50, 200))
    few, many = tables_of(small, small.run(0)), tables_of(large, large.run(0))
    for table, rows in few.items():
        assert 0 < rows.height < many[table].height
        assert rows.equals(many[table].head(rows.height))
    assert few["ratings"]["member_id"].n_unique() == 50


def test_the_written_world_passes_the_check_of_data_folders(small_world: Path) -> None:
    facts = check_folder(small_world)
    assert (facts["namespace"], facts["members"], facts["wines"]) == ("sim", 400, 120)
    assert (facts["ratings_of_unknown_wines"], facts["undated_ratings"]) == (0, 0)
    assert facts["truth"] == facts["ratings"]
    assert 0.1 < facts["notes"] / facts["ratings"] < 0.2
    notes = DataFolder.open(small_world).manifest.notes
    assert notes == {"family": "base", "members": 400, "wines": 120, "seed": 11, "ratings_per_member": 13.0}


def test_the_truth_stands_only_in_its_own_table(small_world: Path) -> None:
    folder = DataFolder.open(small_world)
    truth = folder.scan("truth").collect()
    assert truth.columns == ["event_id", "probability"]
    assert truth["event_id"].equals(folder.scan("ratings").collect()["event_id"])
    for table in ("wines", "ratings", "notes"):
        names = folder.scan(table).collect_schema().names()
        assert names == [name for name in schema_of(table)["properties"] if name in names]
        assert set(schema_of(table)["required"]) <= set(names)
        assert "probability" not in folder.scan(table).collect_schema().names()


@families
def test_likes_come_as_often_as_the_truth_says(family: str, made: Made) -> None:
    _, run = made(family)
    likes = run.stars >= 4.0
    bins = np.argsort(np.argsort(run.chance)) * 20 // len(likes)
    observed, expected = np.bincount(bins, likes), np.bincount(bins, run.chance)
    variance = np.bincount(bins, run.chance * (1 - run.chance))
    chi_squared = float(np.sum((observed - expected) ** 2 / variance))
    assert chi_squared < 45.3, f"chi² {chi_squared:.1f} with 20 degrees of freedom; .999 of such sums lie below 45.3"
    # And not by the draw alone: chances of the wrong sharpness would be found out.
    blunt = 0.5 + 0.9 * (run.chance - 0.5)
    assert np.sum((observed - np.bincount(bins, blunt)) ** 2 / variance) > 45.3


def test_the_written_truth_belongs_to_the_rating_of_the_same_event(small_world: Path) -> None:
    folder = DataFolder.open(small_world)
    rows = folder.scan("ratings").join(folder.scan("truth"), on="event_id").collect()
    chance, like = rows["probability"].to_numpy(), rows["like"].to_numpy()
    deviation = (like - chance).sum() / np.sqrt((chance * (1 - chance)).sum())
    assert rows.height == folder.manifest.tables["ratings"].rows
    assert abs(deviation) < 3
    assert chance[like].mean() - chance[~like].mean() > 0.3
    assert like.tolist() == (rows["rating_raw"] >= 4).to_list()


@families
def test_what_can_be_known_is_bounded(family: str, made: Made) -> None:
    _, run = made(family)
    attainable = auc_of_chances(run.chance)
    print(f"{family}: attainable AUC {attainable:.3f}, like rate {run.chance.mean():.3f}")  # noqa: T201
    low, high = (0.85, 0.88) if family == "base" else (0.80, 0.92)
    assert low < attainable < high
    assert run.chance.mean() == pytest.approx(0.59, abs=0.02)


@families
def test_nobody_rates_before_joining_nor_a_wine_before_it_appears(family: str, made: Made) -> None:
    world, run = made(family)
    occasions = run.occasions
    assert np.all(occasions.moment >= occasions.joined_at[occasions.member])
    assert np.all(occasions.moment >= world.catalogue.appears_at[run.wine])
    assert np.all((occasions.moment >= WORLD_BEGINS) & (occasions.moment < WORLD_ENDS))
    assert np.all(occasions.moment % 1_000_000 == 0)


def test_wines_go_on_appearing_and_are_found(made: Made) -> None:
    world, run = made("base")
    newer = world.catalogue.appears_at > WORLD_BEGINS
    assert 0.3 < newer.mean() < 0.5
    rated = np.unique(run.wine)
    assert newer[rated].sum() > 0.8 * newer.sum()


def test_the_written_dates_never_precede_the_wine_nor_the_member(made: Made) -> None:
    world, run = made("base")
    rows = tables_of(world, run)["ratings"]
    moments = rows["rated_at"].dt.epoch("us").to_numpy()
    by_day = (rows["time_precision"] == "date").to_numpy()
    effective = np.where(by_day, end_of_day(moments), moments)
    assert np.all(effective >= world.catalogue.appears_at[run.wine])
    assert np.all(effective >= run.occasions.joined_at[run.occasions.member])
    assert 0.01 < by_day.mean() < 0.03
    assert np.all(moments[by_day] % 86_400_000_000 == 0)


def test_a_member_rates_a_wine_once_and_in_times_order(made: Made) -> None:
    world, run = made("base")
    member, moment = run.occasions.member, run.occasions.moment
    assert len(np.unique(member * world.settings.wines + run.wine)) == len(member)
    same = np.diff(member) == 0
    assert np.all(np.diff(member) >= 0)
    assert np.all(np.diff(moment)[same] >= 0)


def test_vintages_are_older_than_their_rating_and_some_are_none_or_unknown(small_world: Path) -> None:
    rows = DataFolder.open(small_world).scan("ratings").collect()
    dated = rows.filter(pl.col("vintage") > 0)
    assert (dated["vintage"] < dated["rated_at"].dt.year()).all()
    assert 0.005 < rows["vintage"].is_null().mean() < 0.03
    assert 0.02 < (rows["vintage"] == 0).mean() < 0.25


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.drift != "wave"])
def test_likes_become_more_frequent_through_the_years(family: str, made: Made) -> None:
    _, run = made(family)
    passed = share_passed(run)
    early, late = run.stars[passed < 0.25], run.stars[passed > 0.75]
    assert late.mean() - early.mean() > 0.1
    assert (late >= 4).mean() - (early >= 4).mean() > 0.08


@families
def test_members_choose_what_they_are_likelier_to_like(family: str, made: Made) -> None:
    world, run = made(family)
    rng = np.random.default_rng(0)
    everything = np.arange(len(run.wine))
    appeared = world.catalogue.appeared_by(run.occasions.moment)
    anything = (rng.random(len(run.wine)) * appeared).astype(np.int64)
    popular = np.searchsorted(world.catalogue.reach, rng.random(len(run.wine)) * world.catalogue.reach[appeared - 1])
    chosen, random, drawn = (world.chances(run.occasions, everything, wine).mean() for wine in (run.wine, anything, popular))
    assert chosen > random + 0.03
    assert chosen > drawn + 0.1 * FAMILIES[family].selection


def test_what_nobody_looks_for_is_chosen_by_its_popularity(made: Made) -> None:
    world, run = made("eccentric")
    appeared = world.catalogue.appeared_by(run.occasions.moment)
    there = world.catalogue.reach[appeared - 1]
    popularity = np.diff(world.catalogue.reach, prepend=0.0)
    for wine in (*np.argsort(-popularity)[:3], world.settings.wines - 1):
        expected = np.where(wine < appeared, popularity[wine] / there, 0.0).sum()
        assert 0.6 * expected - 20 < (run.wine == wine).sum() < 1.4 * expected + 20


def test_histories_and_popularity_have_the_published_long_tails(made: Made) -> None:
    world, run = made("base")
    lengths = np.bincount(run.occasions.member)
    assert 10 <= np.median(lengths) <= 12
    assert 33 <= np.quantile(lengths, 0.99) <= 42
    assert 0.01 <= (lengths == 1).mean() <= 0.03
    assert lengths.mean() == pytest.approx(13, rel=0.03)
    ratings = np.sort(np.bincount(run.wine, minlength=world.settings.wines))[::-1]
    assert ratings[: len(ratings) // 10].sum() > 0.4 * ratings.sum()


@pytest.mark.parametrize("mean", [2.0, 30.0])
def test_the_mean_length_of_a_history_is_the_one_asked_for(mean: float) -> None:
    world = World.make(WorldSettings(members=1_000, wines=2_000, seed=1, ratings_per_member=mean))
    assert len(world.run(0).wine) / MEMBERS_PER_RUN == pytest.approx(mean, rel=0.08)


def test_a_member_with_more_to_drink_than_there_are_wines_rates_each_once() -> None:
    world = World.make(WorldSettings(members=100, wines=20, seed=1, ratings_per_member=25))
    rows = tables_of(world, world.run(0))["ratings"]
    assert not rows.select("member_id", "wine_id").is_duplicated().any()
    assert rows.group_by("member_id").len()["len"].max() <= 20


PEAK = """
import sys
from pathlib import Path
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
simulate_world(WorldSettings(int(sys.argv[1]), 1_000, 1), Path(sys.argv[2]), progress=lambda _: None)
# Not ru_maxrss: Linux hands a process's peak on to what it starts.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_members(tmp_path: Path) -> None:
    def peak_mib(members: int) -> int:
        words = [sys.executable, "-c", PEAK, str(members), str(tmp_path / str(members))]
        return int(subprocess.run(words, capture_output=True, text=True, check=True, timeout=3600).stdout)

    few, many = peak_mib(20_000), peak_mib(200_000)
    print(f"peak memory: {few} MiB for 20,000 members, {many} MiB for 200,000")  # noqa: T201
    # 200,000 members' ratings alone would be some 500 MiB; 100 MiB leave room for the allocator and the threads.
    assert many < few + 100
    assert many < 600

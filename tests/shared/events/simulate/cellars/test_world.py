"""A world with cellars: the same for the same arguments, true to its tables' rules, and what it adds changes nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.simulate.cellars.critics import KINDS, OF_TYPE, REVIEWER_SHARES
from cellar_shared.events.simulate.cellars.families import AGEING
from cellar_shared.events.simulate.cellars.lots import ROWS_PER_RUN, members_of_rows
from cellar_shared.events.simulate.cellars.places import MOST_TRACES, places_of, storage_tables, trace_of
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.cellars.writing import Cellars, steps_of
from cellar_shared.events.simulate.hierarchy import wine_facts
from cellar_shared.events.simulate.settings import WORLD_ENDS, WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.events.sources.windows import SIDES
from cellar_shared.events.tables import DataFolder, dtypes_of, schema_of

CellarsOf = Callable[[str], Cellars]
BytesOf = Callable[[Path], dict[str, bytes]]
families = pytest.mark.parametrize("ageing", AGEING)

SMALL = WorldSettings(members=40, wines=30, seed=7)
# Of the tables wines, ratings, notes and truth of that world, numbers rounded to four digits: worlds without cellars stay as they are.
WORLD_WITHOUT_CELLARS = "c878f4d7643b62b18a8ea5b1491c623b1f6918f04777f2cb5f9173e70e9acaef"


def written(settings: WorldSettings, out: Path, cellars: CellarSettings | None = None) -> DataFolder:
    simulate_world(settings, out, **({"cellars": cellars} if cellars else {}), progress=lambda _: None)
    return DataFolder.open(out)


def test_a_world_without_cellars_is_what_it_always_was(tmp_path: Path) -> None:
    data = written(SMALL, tmp_path / "data")
    assert list(data.manifest.tables) == ["wines", "ratings", "notes", "truth"]
    assert set(data.manifest.notes) == {"family", "members", "wines", "seed", "ratings_per_member"}
    digest = hashlib.sha256()
    for table in data.manifest.tables:
        digest.update(data.scan(table).collect().with_columns(pl.col(pl.Float64).round(4)).write_ndjson().encode())
    assert digest.hexdigest() == WORLD_WITHOUT_CELLARS


def test_cellars_add_tables_and_change_no_other_byte(tmp_path: Path, bytes_of: BytesOf) -> None:
    written(SMALL, tmp_path / "without")
    data = written(SMALL, tmp_path / "with", CellarSettings(500, 50))
    without, more = bytes_of(tmp_path / "without"), bytes_of(tmp_path / "with")
    assert {name: more[name] for name in without if name != "data.json"} == {n: b for n, b in without.items() if n != "data.json"}
    assert set(data.manifest.tables) == {"wines", "ratings", "notes", "truth", "storage", "bottles", "outcomes", "windows", "truth_ageing"}
    assert data.manifest.notes["bottles"] == 500 and data.manifest.notes["ageing"] == "classic"


def test_equal_arguments_give_equal_bytes_and_other_ones_others(tmp_path: Path, bytes_of: BytesOf) -> None:
    asked = CellarSettings(2_000, 200, "plateau")
    for name, seed, cellars in (("one", 7, asked), ("two", 7, asked), ("seed", 8, asked), ("ageing", 7, CellarSettings(2_000, 200))):
        written(WorldSettings(members=40, wines=30, seed=seed), tmp_path / name, cellars)
    one, two, seed, ageing = (bytes_of(tmp_path / name) for name in ("one", "two", "seed", "ageing"))
    assert one == two
    parts = [name for name in one if name.startswith(("bottles", "storage", "outcomes", "windows", "truth_ageing"))]
    assert len(parts) >= 5
    assert all(one[name] != seed.get(name) for name in parts)
    # How wines age says nothing of who keeps them where.
    assert {name for name in parts if one[name] == ageing.get(name)} == {name for name in parts if name.startswith("storage")}


@families
def test_a_world_with_cellars_keeps_the_rules_of_its_tables(ageing: str, tmp_path: Path) -> None:
    settings = WorldSettings(members=300, wines=200, seed=5)
    data = written(settings, tmp_path / "data", CellarSettings(20_000, 2_000, ageing))
    facts = check_folder(tmp_path / "data", WORLD_ENDS)
    assert (facts["bottles"], facts["windows"]) == (20_000, 2_000)
    for table in ("storage", "bottles", "outcomes", "windows", "truth_ageing"):
        found = dict(data.scan(table).collect_schema())
        assert found == {name: dtype for name, dtype in dtypes_of(table).items() if name in found}
        assert set(schema_of(table)["required"]) <= set(found)
    truth = data.scan("truth_ageing").select("wine_id", "vintage")
    for table in ("bottles", "windows"):
        known = data.scan(table).filter(pl.col("vintage").is_between(0, 2021), ~pl.col("wine_id").str.starts_with("x"))
        assert known.join(truth, on=["wine_id", "vintage"], how="anti").collect().height == 0


def test_bottles_are_as_odd_as_those_of_members(cellars_of: CellarsOf) -> None:
    bottles, _, _ = cellars_of("classic").run(0)
    catalogue = cellars_of("classic").catalogue
    assert bottles.height == 40_000 and bottles["bottle_id"].n_unique() == 40_000

    def share(condition: pl.Expr) -> float:
        return float(bottles.select(condition.fill_null(False).mean()).item())

    assert share(pl.col("size_ml") == 750) == pytest.approx(0.89, abs=0.03)
    assert all(share(pl.col("size_ml") == size) > 0.003 for size in (375, 1_500, 3_000))
    assert share(pl.col("vintage") == 0) > 0.02
    assert 0.005 < share(pl.col("vintage").is_null()) < 0.025
    assert 0 < share(pl.col("vintage") > 2021) < 0.002
    assert 0.003 < share(pl.col("size_ml").is_null()) < 0.02
    assert 0.02 < share(pl.col("acquired_at").is_null()) < 0.06
    assert 0.1 < share(pl.col("storage_id").is_null() & (pl.col("state") != "pending")) < 0.2
    assert 0.001 < share(~pl.col("wine_id").is_in(catalogue.table["wine_id"].implode())) < 0.01
    assert share(pl.col("state") == "pending") > 0.005
    assert 0.3 < share(pl.col("state") == "consumed") < 0.7
    assert 0.08 < share(pl.col("window_source").is_not_null()) < 0.16
    stated = bottles.filter(pl.col("window_source").is_not_null())
    assert set(stated["window_source"]) == {"personal", "community", "critic"}
    one_sided = stated.select((pl.col("window_from").is_null() | pl.col("window_to").is_null()).mean()).item()
    assert one_sided == pytest.approx(0.25, abs=0.03)
    assert (
        bottles.filter(pl.col("state") == "pending").select("storage_id", "location", "bin").null_count().row(0)
        == (bottles.filter(pl.col("state") == "pending").height,) * 3
    )
    lots = bottles.group_by("member_id", "wine_id", "vintage", "acquired_at", "size_ml").len()
    assert lots["len"].max() >= 12 and (lots["len"] == 1).any()


def test_bottles_belong_to_the_members_of_the_world_and_cellars_differ_in_size(cellars_of: CellarsOf) -> None:
    bottles, _, _ = cellars_of("classic").run(0)
    owned = bottles.group_by("member_id").len()
    numbers = owned["member_id"].str.slice(1).cast(pl.Int64)
    assert numbers.is_between(1, 900).all()
    assert owned["len"].max() > 5 * owned["len"].median()
    storage = pl.concat(storage_tables(cellars_of("classic").settings), how="diagonal_relaxed").select("storage_id", "member_id").unique()
    placed = bottles.filter(pl.col("storage_id").is_not_null()).join(storage, on="storage_id", how="left")
    assert (placed["member_id"] == placed["member_id_right"]).all()


@pytest.mark.parametrize(("members", "runs"), [(1, 3), (7, 3), (1_000, 1), (90_001, 4)])
def test_every_row_has_a_member_and_runs_share_none_but_where_members_are_few(members: int, runs: int) -> None:
    settings = WorldSettings(members=members, wines=20, seed=1)
    of_runs = [members_of_rows(settings, run, runs, 5_000) for run in range(runs)]
    assert [len(rows) for rows in of_runs] == [5_000] * runs
    together = np.concatenate(of_runs)
    assert np.all(np.diff(together) >= 0) and together[0] >= 0 and together[-1] < members
    if members >= runs:
        assert all(set(one).isdisjoint(two) for one, two in pairwise(of_runs))


@families
def test_outcomes_come_late_and_none_after_the_world_ends(ageing: str, cellars_of: CellarsOf) -> None:
    bottles, outcomes, _ = cellars_of(ageing).run(0)
    assert set(outcomes["kind"]) == {"opened", "too_young", "in_window", "too_old"}
    lag = (outcomes["recorded_at"] - outcomes["occurred_at"]).dt.total_days()
    assert lag.min() >= 0 and lag.median() < 5 and (lag > 60).mean() > 0.05
    assert outcomes["recorded_at"].dt.timestamp("us").max() < WORLD_ENDS
    gone = outcomes.join(bottles, on="bottle_id", how="inner")
    assert gone.height == outcomes.height and (gone["consumed_how"] == "drunk").all()
    assert (gone["occurred_at"].dt.date() == gone["consumed_at"]).all()
    opened = outcomes.filter(kind="opened")
    assert opened["bottle_id"].n_unique() == opened.height
    found = outcomes.filter(pl.col("kind") != "opened")
    assert found["bottle_id"].is_in(opened["bottle_id"].implode()).all()
    assert (outcomes["value"] == 1).all()


@families
def test_critics_state_what_is_true_in_their_own_manner(ageing: str, cellars_of: CellarsOf) -> None:
    cellars = cellars_of(ageing)
    (rows, wine, slot), *_ = cellars.statements()
    curves = cellars.lifetimes.curves(wine, slot)
    assert rows.height == 4_000
    for kind, (has_start, has_end) in SIDES.items():
        of_kind = rows.filter(pl.col("kind") == kind)
        assert of_kind.height or kind == "drink_until"
        assert of_kind["start"].is_not_null().all() == has_start and of_kind["end"].is_not_null().all() == has_end
    begun = np.log(np.maximum((rows["start"] - rows["vintage"]).to_numpy(), 0.5)) - np.log(curves.begin)
    over = np.log((rows["end"] + 1 - rows["vintage"]).to_numpy()) - np.log(curves.end)
    for error in (begun, over):
        stated = error[~np.isnan(error)]
        assert abs(np.median(stated)) < 0.12 and 0.08 < stated.std() < 0.35
    reviewer = rows["reviewer"].to_numpy()
    manners = [np.nanmean(begun[reviewer == f"r{number:02d}"]) for number in range(6)]
    assert np.std(manners) > 0.04
    assert rows["reviewer"].null_count() / rows.height == pytest.approx(626 / 3_940, abs=0.03)
    assert rows["reviewer"].n_unique() <= len(REVIEWER_SHARES) + 1
    # Kinds as in a published file, and years about as there: 6 and 16 after the vintage in the median.
    shares = {kind: rows.filter(kind=kind).height / rows.height for kind in KINDS}
    assert shares["start"] == pytest.approx(0.333, abs=0.05) and shares["now_to_end"] == pytest.approx(0.234, abs=0.05)
    ranges = rows.filter(kind="range")
    assert 4 <= (ranges["start"] - ranges["vintage"]).median() <= 7
    assert 11 <= (ranges["end"] - ranges["vintage"]).median() <= 18
    assert (ranges["end"] >= ranges["start"]).all()
    assert (rows["stated_at"].dt.year() >= rows["vintage"]).all()
    assert set(OF_TYPE) == set(wine_facts()["types"])


def test_places_are_as_the_table_says_and_traces_stay_few() -> None:
    settings = WorldSettings(members=30_000, wines=20, seed=2)
    storage = pl.concat(storage_tables(settings), how="diagonal_relaxed")
    assert set(storage["kind"]) == {"constant", "seasonal", "trace"}
    described = storage.filter(pl.col("kind") != "trace")
    number = np.arange(0, 30_000, 7)
    places = places_of(settings, number, np.zeros(len(number), np.bool_))
    shown = pl.DataFrame({"storage_id": places.ids(), "mean": places.mean_c, "amplitude": places.amplitude_c}).drop_nulls("storage_id")
    both = shown.join(described, on="storage_id", how="inner")
    assert (both["mean"] == both["mean_c"]).all() and (both["amplitude"] == both["amplitude_c"].fill_null(0)).all()
    assert 0.1 < 1 - shown.height / len(number) < 0.2  # nobody knows of
    traces = storage.filter(kind="trace")
    assert 0 < traces["storage_id"].n_unique() < 1.5 * MOST_TRACES
    assert traces["temperature_c"].is_between(-20, 60).all()
    steps = traces.group_by("storage_id").agg(pl.col("at").diff().dt.total_hours().max())["at"]
    assert set(steps) == {1, 24}
    assert traces["at"].dt.timestamp("us").max() < WORLD_ENDS
    one = traces["storage_id"][0]
    days, warm = trace_of(settings, int(one[1:]) - 1)
    rows = traces.filter(pl.col("storage_id") == one)
    assert rows["temperature_c"].to_numpy() == pytest.approx(warm)
    assert rows["at"].dt.timestamp("us").to_numpy() / MICROSECONDS_PER_DAY == pytest.approx(days)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((-1, 0), "--bottles -1 is out of range; give 0 to 100,000,000"), ((0, 10_000_001), "--windows 10,000,001 is out of range; give 0")],
)
def test_what_cannot_be_made_is_refused(arguments: tuple[int, int], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        CellarSettings(*arguments)


@pytest.mark.slow
def test_more_than_a_million_bottles_are_written_in_parts_of_slices(tmp_path: Path) -> None:
    asked = CellarSettings(1_000_000 + ROWS_PER_RUN + 1)
    data = written(WorldSettings(members=5_000, wines=300, seed=3, ratings_per_member=1), tmp_path / "data", asked)
    assert steps_of(asked) == len(data.parts("bottles")) == 2
    counted = [pl.scan_parquet(part).select(pl.len()).collect().item() for part in data.parts("bottles").values()]
    assert counted == [1_000_000, ROWS_PER_RUN + 1]
    ids = data.scan("bottles").select(pl.col("bottle_id").str.slice(1).cast(pl.Int64)).collect().to_series()
    assert ids.to_list() == list(range(1, asked.bottles + 1))

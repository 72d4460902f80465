"""Pace is what CellarTracker's exports say, row by row, and says of itself where nobody can know."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_drinkability.scoring.pace import LOT, SCHEMA, pace_of
from cellar_drinkability.scoring.pace_styles import MOST_OFF, PARTS, PERCENTS, STYLES, Style, day_of_export, paces, share_due
from cellar_shared.errors import BadInput

PRINTED = 2e-14  # exports print fifteen significant digits
COLUMNS: dict[Style, str] = {
    "linear": "Linear",
    "bell": "Bell",
    "early": "Early",
    "late": "Late",
    "fast": "Fast",
    "twin_peak": "TwinPeak",
    "simple": "Simple",
}
AUGUST = date(2023, 8, 3)
# The second export (August 2023, the public test data of a display app): begin, end, bottles, consumed, then the styles in their order.
SECOND_EXPORT = [
    (
        2017,
        2024,
        1,
        0,
        0.823348168435467,
        0.901735537190083,
        0.930867768595041,
        0.814504132231405,
        0.982933884297521,
        0.901735537190083,
        0.5,
    ),
    (
        2021,
        2023,
        1,
        0,
        0.862888482632541,
        0.928333333333333,
        0.947833333333333,
        0.877666666666667,
        0.988666666666667,
        0.928333333333333,
        1.0,
    ),
    (
        2022,
        2024,
        1,
        0,
        0.528767123287671,
        0.542666666666667,
        0.735222222222222,
        0.332333333333333,
        0.859555555555556,
        0.522666666666667,
        0.5,
    ),
    (
        2021,
        2025,
        1,
        0,
        0.517260273972603,
        0.524635761589404,
        0.722450331125828,
        0.316556291390728,
        0.851291390728477,
        0.504635761589404,
        1 / 3,
    ),
    (
        2020,
        2024,
        1,
        0,
        0.717415115005477,
        0.79158940397351,
        0.877715231788079,
        0.622384105960265,
        0.953476821192053,
        0.787748344370861,
        0.5,
    ),
    (
        2023,
        2024,
        5,
        2,
        -0.534246575342466,
        -0.870338983050847,
        0.0194915254237289,
        -1.34915254237288,
        1.15762711864407,
        -0.566101694915254,
        1.5,
    ),
]


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def one(style: Style, as_of: date, first: int, last: int, bottles: int = 1, consumed: int = 0) -> tuple[float, float]:
    pace, error = paces(style, as_of, array(first), array(last), array(bottles), array(consumed))
    return float(pace[0]), float(error[0])


@pytest.mark.parametrize("row", SECOND_EXPORT)
def test_every_style_gives_what_the_second_export_says(row: tuple[float, ...]) -> None:
    first, last, bottles, consumed = map(int, row[:4])
    for style, said in zip(STYLES, row[4:], strict=True):
        pace, error = one(style, AUGUST, first, last, bottles, consumed)
        assert pace == pytest.approx(said, abs=PRINTED * 10), style
        assert error == pytest.approx(0, abs=1e-12)


def test_the_day_of_the_second_export_is_solved() -> None:
    first, last, bottles, consumed = (np.array([row[i] for row in SECOND_EXPORT], np.int64) for i in range(4))
    assert day_of_export(np.array([row[4] for row in SECOND_EXPORT]), first, last, bottles, consumed) == AUGUST


@pytest.mark.real_data
def test_every_style_gives_what_the_genuine_export_says(real_data: Path) -> None:
    with (real_data / "cellartracker" / "availability.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 3
    first, last = (np.array([datetime.strptime(row[name], "%m/%d/%Y").year for row in rows]) for name in ("BeginConsume", "EndConsume"))
    bottles = np.array([int(row["Purchases"]) + int(row["Pending"]) for row in rows])
    consumed = np.array([int(row["Consumed"]) for row in rows])
    as_of = day_of_export(np.array([float(row["Linear"]) for row in rows]), first, last, bottles, consumed)
    assert as_of == date(2020, 5, 26)
    for style, column in COLUMNS.items():
        pace, error = paces(style, as_of, first, last, bottles, consumed)
        np.testing.assert_allclose(pace, [float(row[column]) for row in rows], rtol=0, atol=PRINTED * 10, err_msg=style)
        np.testing.assert_allclose(error, 0, atol=1e-12)


def test_lots_of_two_exports_have_no_day() -> None:
    with pytest.raises(BadInput, match=r"most lots say 2023-08-03, 1 others, among them 2020-05-2\d \(lot 4\)"):
        day_of_export(
            np.array([0.823348168435467, 0.862888482632541, 0.528767123287671, 0.248135209139836]),
            array(2017, 2021, 2022, 2018),
            array(2024, 2023, 2024, 2046),
            array(1, 1, 1, 3),
            array(0, 0, 0, 0),
        )
    with pytest.raises(BadInput, match="no lot with bottles"):
        day_of_export(np.array([0.5]), array(2017), array(2024), array(0), array(0))


def test_the_shares_of_a_style_are_a_whole_lot() -> None:
    for style, percents in PERCENTS.items():
        assert len(percents) == PARTS, style
        assert sum(percents) == pytest.approx(100), style
    assert PERCENTS["late"] == PERCENTS["early"][::-1]
    assert PERCENTS["bell"] == PERCENTS["bell"][::-1]


@given(st.sampled_from([style for style in STYLES if style != "simple"]), st.integers(364, 20000), st.data())
def test_more_is_due_every_day_from_nothing_to_all(style: Style, window_days: int, data: st.DataObject) -> None:
    days = np.array([0, *sorted(data.draw(st.lists(st.integers(0, window_days), max_size=30))), window_days])
    share, off = share_due(style, days, np.full(len(days), window_days))
    assert share[0] == 0
    assert share[-1] == pytest.approx(1)
    assert (np.diff(share) >= -1e-12).all()
    assert (off <= MOST_OFF.get(style, 0)).all()


def test_only_the_second_and_third_twelfth_of_fast_and_twin_peak_are_uncertain() -> None:
    window = 3600
    corner = np.array([300, 301, 600, 750, 901, 2000])
    for style, most in MOST_OFF.items():
        _, off = share_due(style, corner, np.full(6, window))
        np.testing.assert_allclose(off[[0, 1, 4, 5]], 0, atol=1e-12)
        assert off[2] == pytest.approx(most)
        assert 0 < off[3] < most
        # The bounds are where the percentages go down as the other parts' do.
        _, second, third, fourth, *_ = PERCENTS[style]
        assert second - 100 * most == pytest.approx((second + third) / 2)
        assert third - 100 * most == pytest.approx(fourth)


def test_before_its_window_a_lot_comes_up_to_nothing_and_after_it_is_charged_a_hundred() -> None:
    early = [one("linear", date(year, 1, 1), 2030, 2039, 6)[0] for year in (2026, 2028, 2030)]
    assert early == sorted(early)
    assert early[-1] == 0
    assert one("linear", date(2026, 1, 1), 2030, 2039, 6)[1] == 0
    late = [one("bell", date(year, 1, 1), 2010, 2019, 6, 2) for year in (2020, 2025)]
    assert 104 < late[0][0] < late[1][0]
    assert all(np.isnan(error) for _, error in late)


def test_simple_counts_the_years_left_inclusive() -> None:
    assert one("simple", date(2026, 5, 1), 2020, 2028, 7, 1) == (2.0, 0.0)
    assert one("simple", date(2026, 5, 1), 2020, 2026, 7, 1) == (6.0, 0.0)
    pace, error = one("simple", date(2026, 5, 1), 2010, 2020, 7, 1)
    assert pace == 6.0
    assert np.isnan(error)


def bottle(number: int, **columns: object) -> dict[str, object]:
    usual = {"bottle_id": str(number), "member_id": "m", "wine_id": "w", "vintage": 2015, "state": "stored"}
    return usual | {"window_from": 2020, "window_to": 2029, "window_source": "community"} | columns


def table(*bottles: dict[str, object]) -> pl.DataFrame:
    kinds = {"vintage": pl.Int16, "window_from": pl.Int16, "window_to": pl.Int16, "window_source": pl.String}
    return pl.DataFrame(list(bottles), schema_overrides=kinds, infer_schema_length=None)


def test_a_lot_is_all_bottles_of_a_members_wine_and_vintage() -> None:
    found = pace_of(
        table(
            bottle(1),
            bottle(2, state="pending"),
            bottle(3, state="consumed", window_from=None, window_to=None, window_source=None),
            bottle(4, vintage=2016),
            bottle(5, vintage=None),
            bottle(6, member_id="n"),
        ),
        date(2025, 1, 1),
    )
    assert found.schema == SCHEMA
    assert found.height == 4 * len(STYLES)
    mine = found.filter(member_id="m", vintage=2015, style="linear")
    assert mine["pace"].to_list() == [pytest.approx(3 * 1827 / 3652 - 1)]
    assert found.filter(style="simple", member_id="m", vintage=2015)["pace"].to_list() == [pytest.approx(2 / 5)]
    assert found.filter(pl.col("vintage").is_null()).height == len(STYLES)
    assert found.equals(found.sort(*LOT, "style"))


def test_the_owners_window_stands_before_the_communitys() -> None:
    rows = table(bottle(1), bottle(2, window_from=2024, window_to=2025, window_source="personal"))
    expected, _ = one("bell", date(2025, 1, 1), 2024, 2025, 2)
    for some in (rows, rows.reverse()):
        assert pace_of(some, date(2025, 1, 1)).filter(style="bell")["pace"].to_list() == [pytest.approx(expected)]


@pytest.mark.parametrize(
    "columns", [{"window_to": None}, {"window_from": None}, {"state": "consumed"}, {"window_from": 2030, "window_to": 2020}]
)
def test_a_lot_without_bottles_left_or_without_a_window_has_no_pace(columns: dict[str, object]) -> None:
    assert pace_of(table(bottle(1, **columns)), date(2025, 1, 1)).is_empty()


def test_a_members_pace_is_the_same_alone_and_among_others() -> None:
    draws = np.random.default_rng(4)
    many = table(
        *(
            bottle(i, member_id=f"m{draws.integers(20)}", wine_id=f"w{draws.integers(9)}", state=str(draws.choice(["stored", "consumed"])))
            for i in range(2000)
        )
    )
    together = pace_of(many, AUGUST)
    alone = pl.concat([pace_of(many.filter(member_id=member), AUGUST) for member in sorted(set(many["member_id"]))])
    assert together.equals(alone)

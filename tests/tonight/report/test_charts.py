"""Charts show what they are given: heights and places in proportion, curves that rise and fall only where their points do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_tonight.evening import Evening
from cellar_tonight.report.charts import PLOT, Column, Part, columns, compared, spark
from cellar_tonight.report.charts_windows import Axis, _smooth, journey, window_map


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  our own


def shares(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name].removesuffix("%")) / 100 for name in names]


@pytest.fixture(scope="module")
def evening(sample: ModuleType) -> Evening:
    made: Evening = sample.sample_evening()
    return made


def test_columns_of_nothing_are_not_drawn() -> None:
    assert columns("x", "t", "d", []) == columns("x", "t", "d", [Column((Part("p", 0, ""),), year=2026, mark=0.0)]) == ""


@given(amounts=st.lists(st.lists(st.integers(0, 500), min_size=2, max_size=2), min_size=1, max_size=14))
def test_columns_are_as_high_as_their_amounts(amounts: list[list[int]]) -> None:
    drawn = [Column(tuple(Part(f"p{i}", amount, "") for i, amount in enumerate(pair)), year=2026) for pair in amounts]
    picture = columns("x", "t", "d", drawn)
    bars = parsed(picture).findall("rect") if picture else []
    highest = max(map(sum, amounts)) or 1
    expected = [PLOT * amount / highest for pair in amounts for amount in pair if amount]
    assert [float(bar.attrib["height"]) for bar in bars] == pytest.approx(expected, abs=0.06)
    for bar in bars:
        left, width = shares(bar, "x", "width")
        assert 0 <= left < left + width <= 1.0001


def test_what_stands_beside_or_across_is_on_the_columns_scale() -> None:
    part = Part("p", 10, "ten")
    picture = parsed(columns("x", "t", "d", [Column((part,), year=2026, mark=5, beside=20, extra_says="twenty")]))
    bar, beside = picture.findall("rect")
    assert float(beside.attrib["height"]) == 2 * float(bar.attrib["height"]) == PLOT
    line = picture.find("g/line")
    assert line is not None
    assert float(line.attrib["y1"]) == float(bar.attrib["y"]) + float(bar.attrib["height"]) / 2
    assert [title.text for title in picture.iter("title")] == ["t", "ten", "twenty", "twenty"]


def test_a_number_that_the_mark_would_cross_is_left_away() -> None:
    def numbers(mark: float) -> list[str | None]:
        picture = parsed(columns("x", "t", "d", [Column((Part("p", 10, "ten", "10"),), year=2026, mark=mark)]))
        return [each.text for each in picture.findall("text") if each.attrib["class"].startswith("in ")]

    assert (numbers(5), numbers(9)) == ([], ["10"])


def test_compared_bars_share_a_scale() -> None:
    picture = parsed(compared("x", "t", "d", [("a", "one", 4.0, "4"), ("b", "two", 3.0, "3"), ("c", "none", 0.0, "0")]))
    bars = [bar for bar in picture.findall("rect") if bar.attrib["class"] != "track"]
    assert [shares(bar, "width") for bar in bars] == [[1.0], [0.75], [0.0]]


def test_a_spark_needs_two_years() -> None:
    assert spark(()) == spark((0.5,)) == ""
    assert parsed(spark((0.0, 1.0, 2.0)))[1].attrib["points"] == "0,21 50,1 100,1"


heights = st.lists(st.floats(0, 100), min_size=2, max_size=12)


@given(ys=heights)
def test_a_smooth_curve_stays_between_its_points(ys: list[float]) -> None:
    path = _smooth([(80.0 * i, y) for i, y in enumerate(ys)])
    begin, *rest = re.findall(r"[-\d.]+,[-\d.]+", path)
    points = [tuple(map(float, each.split(","))) for each in rest]
    at: Any = tuple(map(float, begin.split(",")))
    # A cubic stays within the hull of its control points, so it is enough that these do (to the decimal that is written).
    for number in range(0, len(points), 3):
        low, high = sorted((at[1], points[number + 2][1]))
        assert all(low - 0.11 <= y <= high + 0.11 for _, y in points[number : number + 2])
        at = points[number + 2]


def test_a_row_of_the_map_lies_where_its_dates_do(evening: Evening) -> None:
    line = evening.lines[1]
    dates = {"ready_from": date(2024, 1, 1), "peak_from": date(2026, 1, 1), "peak_to": date(2028, 1, 1), "drink_by": date(2030, 1, 1)}
    line = replace(line, standing=replace(line.standing, **dates, drink_by_lo=date(2029, 1, 1), drink_by_hi=date(2031, 6, 1)))  # type: ignore[arg-type]
    (row,) = window_map(0, [(7, line)], evening.as_of).spans
    axis = Axis(date(2024, 1, 1), date(2031, 12, 31))
    bars = parsed(row.picture.replace("&nbsp;", " ")).findall("rect")
    assert row.number == 7
    assert [bar.attrib["class"] for bar in bars] == ["p-early", "p-peak", "p-late"]
    lefts = [shares(bar, "x")[0] for bar in bars]
    assert lefts == pytest.approx([axis.share_of(each) for each in list(dates.values())[:3]], abs=1e-4)
    title = parsed(row.picture).find("title")
    assert title is not None
    assert title.text == "Ready from Jan 2024, at its best Jan 2026 to Jan 2028, drink by Jan 2030 (Jan 2029 \u2013 Jun 2031)"


def test_an_axis_goes_no_further_than_it_can_be_read(evening: Evening) -> None:
    line = evening.lines[1]
    far = replace(line.standing, ready_from=date(1900, 1, 1), drink_by=date(9999, 12, 31), drink_by_hi=date(9999, 12, 31))
    (row,) = window_map(0, [(0, replace(line, standing=far))], evening.as_of).spans
    for bar in parsed(row.picture).findall("rect"):
        left, width = shares(bar, "x", "width")
        assert 0 <= left <= left + width <= 1.0001


@given(first=st.integers(1, 9990), years=st.integers(0, 400))
def test_an_axis_has_few_years_and_each_within(first: int, years: int) -> None:
    axis = Axis(date(first, 1, 1), date(min(first + years, 9999), 12, 31))
    ticks = axis.years()
    assert len(ticks) <= max(11, years // 20 + 1)
    assert all(0 <= share <= 1 for _, share in ticks)


def test_a_wine_without_a_curve_has_no_journey(evening: Evening, sample: ModuleType) -> None:
    line = replace(evening.lines[1], standing=sample.NOTHING_KNOWN)
    assert journey("x", line, evening.as_of, evening.years) is None
    odd = replace(evening.lines[1].standing, drinkability=float("nan"), by_year=(float("nan"),) * 12)
    assert journey("x", replace(line, standing=odd), evening.as_of, evening.years) is None


def test_a_journey_ends_where_the_wine_is_gone(evening: Evening) -> None:
    line = evening.lines[evening.picks[0].line]
    short = replace(line.standing, drinkability=0.9, by_year=(0.95, 0.5, 0.1, 0.02, *[0.001] * 8))
    drawn = journey("x", replace(line, standing=short), evening.as_of, evening.years)
    assert drawn
    assert "2\u202f% in 2029" in drawn.picture


def test_a_journey_begins_tonight_and_names_the_phases_that_it_shows(evening: Evening) -> None:
    line = evening.lines[evening.picks[0].line]
    drawn = journey("x", line, evening.as_of, evening.years)
    assert drawn
    desc = parsed(drawn.picture).find("desc")
    assert desc is not None
    assert f"{100 * (line.standing.drinkability or 0):.0f} % on 25 Nov 2026" in (desc.text or "").replace("\u202f", " ")
    assert drawn.phases[0] == line.standing.phase

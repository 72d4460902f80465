"""Bottles as a request gives them and as an answer tells them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from cellar_recommender.serving.bottles import FIRST_DAY, Bottles, dates_given
from cellar_recommender.serving.contract import BOTTLES_TOLD_MOST, BottleGiven, BottleTold
from cellar_shared.ageing.curve import LAST_DAY
from cellar_shared.features.histories import UNKNOWN_VINTAGE
from cellar_shared.features.identity import identity
from cellar_shared.store.cellars import UNKNOWN

EPOCH = date(1970, 1, 1)


def day(year: int, month: int = 1, of_month: int = 1) -> int:
    return (date(year, month, of_month) - EPOCH).days


@pytest.mark.parametrize(
    ("said", "dates"),
    [
        ({}, (UNKNOWN,) * 4),
        ({"window_from": 2020, "window_to": 2024}, (day(2020), day(2020), day(2024, 12, 31), day(2024, 12, 31))),
        ({"window_to": 2024}, (FIRST_DAY, FIRST_DAY, day(2024, 12, 31), day(2024, 12, 31))),
        ({"ready_from": date(2021, 5, 1)}, (day(2021, 5), day(2021, 5), LAST_DAY, LAST_DAY)),
        ({"window_from": 2020, "ready_from": date(2021, 5, 1)}, (day(2021, 5), day(2021, 5), LAST_DAY, LAST_DAY)),
        (
            {"ready_from": date(2020, 1, 1), "peak_from": date(2022, 1, 1), "peak_to": date(2023, 1, 1), "drink_by": date(2030, 1, 1)},
            (day(2020), day(2022), day(2023), day(2030)),
        ),
        ({"window_from": 2024, "window_to": 2020}, (UNKNOWN,) * 4),
        ({"ready_from": date(2020, 1, 1), "peak_from": date(2019, 1, 1)}, (UNKNOWN,) * 4),
    ],
)
def test_the_dates_of_a_bottle_in_a_request(said, dates):
    assert dates_given(BottleGiven("b", "w", **said)) == dates


def test_bottles_are_told_with_what_must_be_drunk_soonest_first():
    bottles = Bottles.given(
        [
            BottleGiven("whenever", "w", size_ml=750),
            BottleGiven("later", "w", location="rack", window_from=2020, window_to=2030),
            BottleGiven("soon", "w", bin="7", window_from=2010, window_to=2024),
            BottleGiven("no end", "w", window_from=2030),
            BottleGiven("hidden", "w"),
        ]
    )
    shown = np.array([True, True, True, True, False])
    assert bottles.told(np.array([identity("wine", "w")]), np.array([-1]), shown, day(2024, 6)) == [
        [
            BottleTold("soon", None, "7", None, "peak", "2024-12-31"),
            BottleTold("later", "rack", None, None, "peak", "2030-12-31"),
            BottleTold("no end", None, None, None, "hold", None),
            BottleTold("whenever", None, None, 750, None, None),
        ]
    ]


def test_a_vintage_has_its_own_bottles_and_those_of_no_known_vintage():
    bottles = Bottles.given(
        [BottleGiven("a", "w", 2015), BottleGiven("b", "w", 2016), BottleGiven("c", "w"), BottleGiven("d", "other", 2015)]
    ).with_more(Bottles.given([BottleGiven("e", "w", "NV")]))
    wine = identity("wine", "w")

    def held(vintage, **asked):
        (told,) = bottles.told(np.array([wine]), np.array([vintage]), np.ones(5, dtype=bool), 0, **asked)
        return [bottle.bottle_id for bottle in told]

    assert held(2015) == ["a", "c"]
    assert held(0) == ["c", "e"]
    assert held(-1) == ["a", "b", "c", "e"]
    assert [held(vintage, is_of_bottles=True) for vintage in (2015, 0, -1)] == [["a"], ["e"], ["c"]]


def test_an_item_tells_no_more_bottles_than_anybody_reads():
    many = Bottles.given([BottleGiven(f"b{number}", "w", drink_by=date(2030, 1, 1) + timedelta(number)) for number in range(300, 0, -1)])
    told = many.told(many.wines[:1], np.array([UNKNOWN_VINTAGE]), np.ones(300, dtype=bool), 20_000)
    assert [bottle.bottle_id for bottle in told[0]] == [f"b{number}" for number in range(1, BOTTLES_TOLD_MOST + 1)]

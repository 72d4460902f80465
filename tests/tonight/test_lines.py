"""Bottles become lines, each in its section; nothing that is there is lost on the way."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_tonight.evening import SECTIONS, Place, Standing, Taste
from cellar_tonight.lines import lines_of, section_of
from cellar_tonight.lines import wines_of as known_wines
from cellar_tonight.standings import Home, standings

TODAY = date(2026, 11, 25)


def made(bottles, wines, tastes=None):
    stands = standings(bottles, wines, TODAY, range(2026, 2030), Home(), None)
    return lines_of(bottles, stands, known_wines(wines), tastes or {}, TODAY)


def standing(phase, drink_by=None):
    return Standing(phase, None, None, None, None, drink_by, None, None)


@pytest.mark.parametrize(
    ("phase", "drink_by", "section"),
    [
        ("hold", date(2040, 1, 1), "leave"),
        ("hold", None, "leave"),
        ("early", date(2040, 1, 1), "open"),
        ("peak", date(2027, 11, 26), "open"),
        ("peak", date(2027, 11, 25), "at_risk"),
        ("late", date(2040, 1, 1), "at_risk"),
        ("past", date(2020, 1, 1), "at_risk"),
        (None, None, "unknown"),
        (None, date(2026, 12, 1), "at_risk"),
        (None, date(2040, 1, 1), "unknown"),
    ],
)
def test_sections(phase, drink_by, section):
    assert section_of(standing(phase, drink_by), TODAY) == section


def test_a_line_is_a_wine_in_a_size_with_its_places_the_fullest_first(bottles_of, wines_of):
    bottles = bottles_of(
        {"location": "Cellar", "bin": "A1"},
        {"location": "Kitchen", "bin": None},
        {"location": "Cellar", "bin": "A1"},
        {"state": "pending", "location": "(pending)"},
        {"size_ml": 1500, "location": "Cellar"},
        {"state": "consumed", "consumed_at": date(2020, 1, 1)},
    )
    line, magnum = made(bottles, wines_of())
    assert (line.bottles, line.awaited, line.size_ml) == (3, 1, 750)
    assert line.places == (Place("Cellar", "A1", 2), Place("Kitchen", None, 1))
    assert line.bottle_ids == ("ct:b0", "ct:b1", "ct:b2", "ct:b3")
    assert (magnum.bottles, magnum.size_ml) == (1, 1500)
    assert magnum.standing.drink_by > line.standing.drink_by  # what others state is meant for 750 ml


def test_value_is_what_a_bottle_is_worth_else_what_it_cost(bottles_of, wines_of):
    bottles = bottles_of({"price": 20.0, "currency": "EUR"}, {"wine_id": "ct:2", "value": 35.0, "price": 20.0, "currency": "USD"})
    lines = made(bottles, wines_of({}, {"wine_id": "ct:2", "full_name": "Weingut B Lage"}))
    assert [(line.value, line.currency) for line in lines] == [(20.0, "EUR"), (35.0, "USD")]


def test_a_wine_is_called_as_the_export_calls_it(bottles_of, wines_of):
    bottles = bottles_of({"wine_id": "ct:7"}, {"wine_id": "ct:x12ab", "vintage": 0})
    wines = wines_of({"wine_id": "ct:7"}, {"wine_id": "ct:x12ab", "vintage": 0, "full_name": None})
    one, other = made(bottles, wines, {"ct:7": Taste(0.7, "own", 93.0)})
    assert (one.wine.key, one.wine.label, one.taste.chance) == ("7", "2010 Weingut A Lage A", 0.7)
    assert (other.wine.key, other.wine.label, other.taste.chance) == (None, "NV Lage A", None)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "wine_id": st.sampled_from(["ct:1", "ct:2", "ct:3"]),
                "size_ml": st.sampled_from([375, 750, 1500, None]),
                "state": st.sampled_from(["stored", "pending", "consumed"]),
                "vintage": st.sampled_from([2010, 0, None, 2030]),
                "window_from": st.sampled_from([None, 2015, 2025, 2035]),
                "window_to": st.sampled_from([None, 2012, 2027, 2045]),
            }
        ),
        max_size=12,
    )
)
def test_every_bottle_that_is_there_or_awaited_is_in_exactly_one_line(bottles_of, wines_of, rows):
    bottles = bottles_of(*rows) if rows else bottles_of({}).clear()
    lines = made(bottles, wines_of({}, {"wine_id": "ct:2"}, {"wine_id": "ct:3"}))
    told = [bottle for line in lines for bottle in line.bottle_ids]
    assert sorted(told) == sorted(bottles.filter(bottles["state"] != "consumed")["bottle_id"].to_list())
    assert sum(line.bottles + line.awaited for line in lines) == len(told)
    assert all(line.section in SECTIONS for line in lines)
    assert all(sum(place.bottles for place in line.places) == line.bottles for line in lines)

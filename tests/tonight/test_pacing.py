"""The genuine export's day and indices are found again; exports that do not tell their day say why."""

from __future__ import annotations

from datetime import date

import pytest

from cellar_tonight.lines import wines_of as known_wines
from cellar_tonight.pacing import export_day, paces_of

PRINTED_DIGITS = 1e-13  # fifteen significant digits of values below 1


@pytest.mark.real_data
def test_the_genuine_export_was_made_on_a_day_that_its_linear_column_tells(genuine):
    found = export_day(genuine.bottles, genuine.indices)
    assert found.day == date(2020, 5, 26)
    assert "26 May 2020" in found.says
    assert "All 21 indices of pace that it states come out to their printed digits" in found.says


@pytest.mark.real_data
def test_the_genuine_exports_paces_are_its_columns_to_the_printed_digits(genuine):
    paces = paces_of(genuine.bottles, known_wines(genuine.wines), date(2020, 5, 26))
    assert len(paces) == 3
    for lot in paces:
        assert lot.by_style == pytest.approx(genuine.indices[lot.wine.wine_id], abs=PRINTED_DIGITS)
    assert [lot.bottles - lot.consumed for lot in paces] == [3, 1, 5]


@pytest.mark.real_data
def test_an_index_that_does_not_fit_is_told(genuine):
    bent = {wine: dict(stated) for wine, stated in genuine.indices.items()}
    next(iter(bent.values()))["bell"] += 0.01
    assert "Of its 21 indices of pace 1 differ" in export_day(genuine.bottles, bent).says


def test_lots_that_say_different_days_tell_none(bottles_of):
    bottles = bottles_of({}, {"wine_id": "ct:2"})
    found = export_day(bottles, {"ct:1": {"linear": 0.5}, "ct:2": {"linear": 0.25}})
    assert found.day is None
    assert "does not tell its day" in found.says


def test_an_export_without_availability_says_nothing_of_its_day(bottles_of):
    assert export_day(bottles_of({}), {}).says is None
    no_window = bottles_of({"window_to": None})
    assert "no lot with a window" in export_day(no_window, {"ct:1": {"linear": 0.5}}).says


def test_the_lot_that_is_furthest_behind_comes_first(bottles_of, wines_of):
    bottles = bottles_of({"window_to": 2060}, {"wine_id": "ct:2", "window_to": 2028}, {"wine_id": "ct:3", "window_from": None})
    wines = known_wines(wines_of({}, {"wine_id": "ct:2"}, {"wine_id": "ct:3"}))
    assert [lot.wine.wine_id for lot in paces_of(bottles, wines, date(2026, 11, 25))] == ["ct:2", "ct:1"]

"""What a night says of a bottle is what the physics says of that bottle by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from night_model import ArithmeticModel

from cellar_shared.ageing.curve import DATES, PHASES, Curves, days_of, phase_of
from cellar_shared.ageing.evidence import curves_of_bottles
from cellar_shared.ageing.storage import place_of_trace, place_of_wave
from cellar_shared.ageing.trajectory import Trajectories, day_of_year

# A row is computed among many, a bottle by itself: the order of sums may differ by a few units in the last place.
SAME = 1e-9
EPOCH = date(1970, 1, 1)
TRACE = [(datetime(2021, month, 1, tzinfo=UTC), 10.0 + month) for month in range(1, 13)]


def days(day):
    return float((day - EPOCH).days)


def by_itself(bundle, bottle, as_of):
    """Drinkability, phase, dates and effective age, straight from the physics."""
    places = {
        "cool": place_of_wave(12.0),
        "wave": place_of_wave(15.0, 5.0),
        "trace": place_of_trace([at.timestamp() / 86_400 for at, _ in TRACE], [warm for _, warm in TRACE]),
    }
    facts = pl.DataFrame({"type": ["Sparkling" if bottle["wine_id"] == "fizz" else "Red"], "vintage": [bottle["vintage"]]})
    windows = ArithmeticModel.open(bundle).windows(facts)
    one = Trajectories.of(
        [places[bottle["storage_id"]]],
        np.zeros(1, np.int64),
        day_of_year([bottle["vintage"]]),
        [days(bottle["acquired_at"])],
        bottle["size_ml"],
        bottle["wine_id"] == "fizz",
    )
    stated = [np.array([np.nan if bottle[name] is None else bottle[name]], np.float64) for name in ("window_from", "window_to")]
    curve = curves_of_bottles(windows, one, *stated, np.array([bottle["window_source"] == "personal"]))
    assert isinstance(curve, Curves)
    dates = days_of(curve.landmarks()[0], one)
    age = np.maximum(one.age_on(days(as_of)), 0)
    return curve.drinkability(age)[0], PHASES[phase_of(int(days(as_of)), dates)[0]], dates[:, 0].tolist(), age[0]


CASES = [
    {},
    {"storage_id": "wave", "size_ml": 375},
    {"storage_id": "trace", "size_ml": 1500},
    {"storage_id": "trace", "acquired_at": date(2021, 5, 17)},
    {"wine_id": "fizz", "size_ml": 3000, "vintage": 2010},
    {"acquired_at": date(2027, 1, 1), "state": "pending", "storage_id": "wave"},
    {"acquired_at": date(2027, 1, 1), "state": "pending", "storage_id": "trace", "size_ml": 1500},
    {"window_from": 2020, "window_to": 2024, "window_source": "personal", "storage_id": "wave"},
    {"window_to": 2021, "window_source": "community"},
    {"vintage": 1961, "acquired_at": date(1964, 2, 2)},
    {"vintage": 2025, "acquired_at": date(2026, 2, 2)},
]


@pytest.mark.parametrize("as_of", [date(2022, 3, 1), date(2025, 6, 1), date(2041, 12, 31)])
def test_a_row_says_what_the_physics_says_of_that_bottle_by_itself(make_data, night, rows_of_night, bundle, bottle, place, as_of, tmp_path):
    places = [place, place | {"storage_id": "wave", "kind": "seasonal", "mean_c": 15.0, "amplitude_c": 5.0}]
    places += [place | {"storage_id": "trace", "kind": "trace", "mean_c": None, "at": at, "temperature_c": warm} for at, warm in TRACE]
    bottles = [bottle | changed | {"bottle_id": str(number)} for number, changed in enumerate(CASES)]
    night(make_data([bottles], places=places), as_of=as_of)
    for bottle_, row in zip(bottles, rows_of_night(tmp_path / "out").to_dicts(), strict=True):
        if bottle_["vintage"] > as_of.year:
            assert (row["reason"], row["drinkability"], row["ready_from"]) == ("future_vintage", None, None)
            continue
        chance, phase, dates, age = by_itself(bundle, bottle_, as_of)
        assert row["reason"] is None
        assert row["drinkability"] == pytest.approx(chance, abs=SAME)
        assert row["effective_age_years"] == pytest.approx(age, abs=SAME)
        assert [days(row[name]) for name in DATES] == dates
        assert row["phase"] == phase

"""The cells of an export: every way of writing a number, a day and a size, and every way of saying nothing."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.events.sources.cellartracker.texts import (
    Manner,
    Unreadable,
    count_of,
    day_of,
    manner_of,
    number_of,
    size_of,
    text_of,
    truth_of,
    vintage_of,
    window_year_of,
)

HERE, THERE = Manner(), Manner(decimal_comma=True, day_first=True)
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("text", "ml"),
    [
        ("375ml", 375), ("750 ml", 750), ("1.5L", 1500), ("3.0L", 3000), ("1,5 l", 1500), ("75cl", 750), ("0.75", 750), ("750", 750),
        ("Magnum", 1500), ("Half", 375), ("15.0L", 15000), ("Unknown", None), ("", None),
    ],
)  # fmt: skip
def test_a_size_is_read_whatever_its_unit(text: str, ml: int | None) -> None:
    assert size_of(text) == ml


@given(st.integers(50, 30_000))
def test_any_size_is_read_back_from_ml_and_from_litres(ml: int) -> None:
    assert (
        size_of(f"{ml}ml") == size_of(f"{ml / 1000!r}L") == size_of(f"{ml / 1000!r}L".replace(".", ",")) == size_of(f"{ml / 10!r} cl") == ml
    )


@given(DAYS)
def test_a_day_is_read_in_every_form_of_the_file(day: date) -> None:
    assert day_of(f"{day.month}/{day.day}/{day.year}", HERE) == day
    assert day_of(f"{day.day}/{day.month}/{day.year}", THERE) == day
    assert day_of(f"{day.day}.{day.month}.{day.year}", HERE) == day
    assert day_of(day.isoformat(), HERE) == day_of(f"{day.isoformat()}T00:00:00", THERE) == day
    assert day_of(f"{day.month:02}/{day.day:02}/{day.year} 12:00:00 AM", HERE) == day


@given(st.floats(0, 1e6), st.booleans())
def test_a_number_is_read_with_either_mark_and_with_groups(value: float, groups: bool) -> None:
    american = f"{value:,.2f}" if groups else f"{value:.2f}"
    european = american.translate(str.maketrans({",": ".", ".": ","}))
    assert number_of(american, HERE) == number_of(european, THERE) == number_of(f"€ {european}", THERE) == round(value, 2)


def test_a_comma_that_can_be_either_is_read_as_the_file_writes_commas_or_as_the_column_allows() -> None:
    assert (number_of("1,234", HERE), number_of("1,234", THERE)) == (1234.0, 1.234)
    assert number_of("94,412", HERE, 100) == 94.412
    assert number_of("96.625", THERE, 100) == 96.625
    assert number_of("21001,2291", HERE) == 21001.2291
    assert number_of("8.9E-02", HERE) == 0.089


def test_the_manner_follows_from_what_can_be_read_one_way_only() -> None:
    assert manner_of(["1,234"], ["5/6/2020"]) == HERE
    assert manner_of(["12,5"], ["25/6/2020", "5/6/2020"]) == THERE
    assert manner_of([], ["25/6/2020", "6/25/2020"]) == HERE  # no form fits: the site's own, and the other is refused
    with pytest.raises(Unreadable, match="a day as 5/25/2020"):
        day_of("25/6/2020", HERE)


SAYS_NOTHING = ["", "Unknown", " ", "(n/a)"]


@pytest.mark.parametrize("text", [*SAYS_NOTHING, "9999", "0"])
def test_a_vintage_that_is_not_known_is_none(text: str) -> None:
    assert vintage_of(text) is None


def test_a_wine_without_a_vintage_is_non_vintage() -> None:
    assert [vintage_of(text) for text in ("1001", "NV", "N.V.", "2015")] == [0, 0, 0, 2015]


def test_a_size_that_is_none_of_the_usual_ones_is_not_known() -> None:
    assert [size_of(text) for text in ("Other", "other ", "N/A", "")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "year"), [("2018", 2018), ("1/1/2018", 2018), ("12/31/2046", 2046), ("9999", None), ("0", None), ("1001", None)]
)
def test_a_windows_end_is_a_year_or_a_day_of_it(text: str, year: int | None) -> None:
    assert window_year_of(text, HERE) == year


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (size_of, "huge"), (size_of, "0ml"), (size_of, "99L"), (vintage_of, "20x5"), (vintage_of, "1200"), (truth_of, "perhaps"),
        (lambda text: window_year_of(text, HERE), "20"), (lambda text: day_of(text, HERE), "5/25/20"),
        (lambda text: day_of(text, HERE), "2/30/2020"),
        (lambda text: number_of(text, HERE), "ninety"), (lambda text: number_of(text, HERE, 100), "101"),
        (lambda text: number_of(text, HERE), "-5"), (lambda text: number_of(text, HERE), "nan"), (lambda text: count_of(text, HERE), "1.5"),
        (lambda text: count_of(text, HERE), "1000000"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(reader: object, text: str) -> None:
    with pytest.raises(Unreadable):
        reader(text)  # type: ignore[operator]


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in (size_of, vintage_of, truth_of, lambda cell: number_of(cell, THERE), lambda cell: day_of(cell, HERE)):
        try:
            reader(text)
        except Unreadable as refused:
            assert str(refused)


def test_a_text_is_decoded_once_or_twice_and_holds_no_control_character() -> None:
    assert text_of("Cram&#259; Oprişor &amp; Fiul\x00\x1b[31m") == "Cramă Oprişor & Fiul[31m"
    assert text_of("Rh&amp;ocirc;ne") == "Rhône"
    assert text_of("none") is None

"""Numbers, dates and sizes read as people write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_tonight.evening import Standing, Taste, Wine, Wish
from cellar_tonight.report.wording import (
    count,
    decimal,
    interval,
    kind,
    long_day,
    money,
    month,
    percent,
    sentence,
    short,
    signed,
    size,
    taste,
    wished,
)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (percent(0.874), "87 %"), (percent(None), "\u2013"), (percent(float("nan")), "\u2013"),
        (percent(0.0), "0 %"), (percent(1.0), "100 %"), (percent(0.002), "< 1 %"), (percent(0.998), "> 99 %"),
        (count(0, "bottle"), "no bottles"), (count(1, "bottle"), "1 bottle"), (count(2000, "bottle"), "2,000 bottles"),
        (decimal(-1.25), "\u22121.2"), (decimal(-0.01), "0.0"), (signed(0.04), "0.0"), (signed(2.34), "+2.3"), (signed(-1), "\u22121.0"),
        (size(750), "75 cl"), (size(375), "half bottle, 37.5 cl"), (size(1500), "magnum, 1.5 l"), (size(620), "62 cl"),
        (size(None), "size not said"), (money(1240.4, "EUR"), "EUR 1,240"), (money(7, None), "7 (no currency said)"),
        (short(940), "940"), (short(999.7), "1.0k"), (short(1240), "1.2k"), (short(34_200), "34k"), (short(2_500_000), "2.5M"),
        (long_day(date(2026, 11, 25)), "Wednesday, 25 November 2026"), (month(date(2031, 3, 9)), "Mar 2031"),
        (month(date(9999, 12, 31)), "no end in sight"), (month(None), "\u2013"),
    ],
)  # fmt: skip
def test_it_reads_as_people_write_it(said: str, expected: str) -> None:
    assert plain(said) == expected


@given(chance=st.floats(0, 1))
def test_a_percentage_is_nothing_or_all_only_where_it_is(chance: float) -> None:
    said = plain(percent(chance))
    assert (said == "0 %") == (chance == 0)
    assert (said == "100 %") == (chance == 1)


def test_an_interval_needs_both_ends() -> None:
    def within(low: date | None, high: date | None) -> str:
        return plain(interval(Standing(None, None, None, None, None, None, low, high)))

    assert within(date(2027, 2, 1), date(2031, 9, 1)) == "Feb 2027 \u2013 Sep 2031"
    assert within(date(2027, 2, 1), date(2027, 2, 9)) == "Feb 2027"
    assert within(None, date(2031, 9, 1)) == within(date(2027, 2, 1), None) == ""


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (Taste(0.82, "preference", 91, 88), ("82 %", "that you like it")),
        (Taste(None, "own", 91.0, 88.0), ("91", "your score")),
        (Taste(None, "community", None, 88.0), ("88", "community")),
        (Taste(None, "community", None, 89.7), ("89.7", "community")),
        (Taste(0.5, None), ("\u2013", "no score")),
        (Taste(None, None), ("\u2013", "no score")),
    ],
)
def test_a_taste_says_what_it_is_a_figure_of(of: Taste, expected: tuple[str, str]) -> None:
    figure, words = taste(of)
    assert (plain(figure), words) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("at its best", "At its best."), ("Done.", "Done."), ("why?", "Why?"), ("5 are left (all)", "5 are left (all)."), ("", "")],
)
def test_a_sentence_begins_with_a_capital_and_ends(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_a_wish_is_said_in_parts() -> None:
    assert wished(Wish("lamb", "the cellar", 2)) == ["to go with lamb", "from the cellar", "for three"]
    assert wished(Wish(guests=30)) == ["for 31"]
    assert wished(Wish()) == []


@pytest.mark.parametrize(
    ("type_", "colour", "expected"),
    [
        ("Red", "Red", "red"), ("White - Sparkling", "White", "sparkling"), ("Ros\u00e9 - Sparkling", "Ros\u00e9", "sparkling"),
        ("White - Sweet/Dessert", "White", "sweet"), ("Red - Fortified", "Red", "sweet"), ("Dessert/Port", None, "sweet"),
        ("Ros\u00e9", None, "rose"), (None, "White", "white"), ("Imported red", None, "red"), ("Sake", None, "other"),
        (None, None, "other"),
    ],
)  # fmt: skip
def test_a_wine_has_a_kind_by_its_type_and_then_its_colour(type_: str | None, colour: str | None, expected: str) -> None:
    assert kind(Wine("w", None, "A wine", None, None, type_, colour, None, None)) == expected

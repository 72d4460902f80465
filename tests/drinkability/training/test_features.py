import json

import numpy as np
import polars as pl
import pytest

from cellar_drinkability.scoring.features import FIELDS, UNKNOWN, Vocabulary


def wines(**columns):
    return pl.DataFrame(columns)


@pytest.fixture(scope="module")
def vocabulary():
    table = wines(
        type=["Red", "Red", "Red", "White", "Sparkling", "Red", "Red"],
        country=["France", "France", "Italy", "France", "France", "Italy", "Italy"],
        province=["Bordeaux", "Bordeaux", "Piedmont", "Burgundy", "Champagne", "Piedmont", "Tuscany"],
        region=["Pauillac", "Pauillac", "Barolo", "Chablis", "Champagne", "Barolo", "Tuscany"],
        grapes=[
            ["Cabernet Sauvignon", "Merlot", "Cabernet Franc"], ["Cabernet Sauvignon", "Merlot", "Cabernet Franc"], ["Nebbiolo"],
            ["Chardonnay"], ["Pinot Noir", "Chardonnay", "Pinot Meunier"], ["Nebbiolo"], None,
        ],
        vintage=[2010, 2011, 2012, 2013, 2014, 2015, 2010],
    )  # fmt: skip
    return Vocabulary.of(table)


def codes(vocabulary, field, **columns):
    return vocabulary.encode(wines(**columns)).codes[:, FIELDS.index(field)].tolist()


def named(vocabulary, field, name):
    return list(vocabulary.names[field]).index(name) + 1


def test_a_catalogues_spelling_meets_the_critics(vocabulary):
    assert codes(vocabulary, "province", region=["Piemonte", "Bourgogne", "Toscana"]) == [
        named(vocabulary, "province", name) for name in ("Piedmont", "Burgundy", "Tuscany")
    ]


def test_blends_of_a_family_in_any_order_are_one_style(vocabulary):
    bordeaux = codes(vocabulary, "style", type=["Red"], grapes=[["Cabernet Sauvignon", "Merlot", "Cabernet Franc"]])
    others = [
        ["Merlot", "Cabernet Franc"],
        ["Cabernet Sauvignon", "Petit Verdot", "Merlot"],
        ["Cabernet Franc", "Cabernet Sauvignon", "Merlot"],
    ]
    assert codes(vocabulary, "style", type=["Red"] * 3, grapes=others) == bordeaux * 3
    assert bordeaux != [UNKNOWN]
    assert codes(vocabulary, "style", type=["Sparkling"], grapes=[["Chardonnay"]]) == [
        named(vocabulary, "style", "Sparkling:Chardonnay+Pinot Meunier+Pinot Noir")
    ]


def test_a_region_tells_its_province_and_its_country(vocabulary):
    facts = vocabulary.encode(wines(region=["Barolo", "Nowhere"]))
    assert facts.codes[:, FIELDS.index("country")].tolist() == [named(vocabulary, "country", "Italy"), UNKNOWN]
    assert facts.codes[:, FIELDS.index("province")].tolist() == [named(vocabulary, "province", "Piedmont"), UNKNOWN]


def test_a_region_that_one_statement_named_has_no_code_of_its_own(vocabulary):
    assert "Chablis" not in vocabulary.names["region"] and "Barolo" in vocabulary.names["region"]


def test_a_vintage_later_than_any_that_was_judged_is_unknown_and_an_old_one_the_oldest(vocabulary):
    numbers = vocabulary.encode(wines(vintage=[2030, 2012, 1960, 0, None])).numbers[:, 2]
    np.testing.assert_array_equal(numbers, [np.nan, 2012, 2010, np.nan, np.nan])


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"vintage": [2015]}),
        pl.DataFrame({"type": [None], "grapes": [None], "vintage": [None]}),
        pl.DataFrame({"type": [None], "country": [None], "grapes": [[]]}, schema_overrides={"grapes": pl.List(pl.String())}),
        pl.DataFrame({"grapes": [None], "price": [0.0]}, schema_overrides={"grapes": pl.List(pl.String())}),
    ],
)
def test_missing_columns_and_nulls_are_unknown(vocabulary, frame):
    facts = vocabulary.encode(frame)
    assert facts.codes.shape == (1, 6) and not facts.codes.any()
    assert np.isnan(facts.numbers[:, :2]).all()


def test_the_vocabulary_survives_json(vocabulary):
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    frame = wines(region=["Barolo", None], type=["Red", "White"], grapes=[["Nebbiolo"], ["Chardonnay"]])
    np.testing.assert_array_equal(again.encode(frame).codes, vocabulary.encode(frame).codes)

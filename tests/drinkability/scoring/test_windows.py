"""The model's answers: the same whoever asks beside them, computed once, kept by wine facts and vintage."""

from __future__ import annotations

import polars as pl
import pytest
from night_model import ArithmeticModel

from cellar_drinkability.scoring.windows import BATCH, Answers, answers, digested
from cellar_shared.ageing.curve import Curves


class Counting:
    """Answers with the row's vintage, and knows how many rows each call had."""

    manifest = None

    def __init__(self):
        self.calls = []

    def windows(self, facts):
        self.calls.append(facts.height)
        year = facts["vintage"].cast(pl.Float64).to_numpy()
        return Curves(year, year + 1, year + 2, year + 3)


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_every_call_has_the_same_number_of_rows_and_every_row_its_answer(rows):
    model = Counting()
    found = answers(model, pl.DataFrame({"vintage": pl.Series(range(rows), dtype=pl.Int32)}))
    assert set(model.calls) <= {BATCH}
    assert found.m1.tolist() == list(range(rows))
    assert found.s2.tolist() == [row + 3 for row in range(rows)]


@pytest.fixture
def catalogue():
    kinds = [
        ("w1", "Red", ["Nebbiolo"]),
        ("w2", "Red", ["Nebbiolo"]),
        ("w3", "Sparkling", []),
        ("w4", None, None),
        ("w5", "Red", ["Nebbiolo", "x"]),
    ]
    return pl.DataFrame(
        {
            "wine_id": [each[0] for each in kinds],
            "name": [each[0] for each in kinds],
            "type": [each[1] for each in kinds],
            "country": ["Italy", "Italy", "France", None, "Italy"],
            "region": pl.Series([None] * 5, dtype=pl.String),
            "producer": pl.Series([None] * 5, dtype=pl.String),
            "grapes": pl.Series([each[2] for each in kinds], dtype=pl.List(pl.String)),
        }
    )


def test_wines_with_equal_facts_share_a_digest_whatever_their_names(catalogue):
    (known,) = digested(catalogue.lazy())
    facts = known["facts"].to_list()
    assert facts[0] == facts[1]
    assert len(set(facts)) == 4
    assert known["is_sparkling"].to_list() == [False, False, True, False, False]
    assert known["has_facts"].to_list() == [True, True, True, False, True]


def test_an_answer_is_computed_once_and_then_read(catalogue, bundle, tmp_path):
    (known,) = digested(catalogue.lazy())
    file = tmp_path / "facts.parquet"
    known.write_parquet(file)
    model = ArithmeticModel.open(bundle)
    pairs = (
        known.select("facts").unique(maintain_order=True).join(pl.DataFrame({"year": [2010, 2011]}, schema={"year": pl.Int32}), how="cross")
    )
    pairs = pl.concat([pairs, pl.DataFrame({"facts": [0, 0], "year": [2010, None]}, schema=pairs.schema)])
    first = Answers.of(model, catalogue.lazy(), file, pairs.head(4), tmp_path / "cache", "one")
    assert first.computed == 4
    second = Answers.of(model, catalogue.lazy(), file, pairs, tmp_path / "cache", "two")
    assert second.computed == pairs.height - 4
    assert second.table.join(first.table, on=second.table.columns, how="semi").height == 4
    third = Answers.of(model, catalogue.lazy(), file, pairs, tmp_path / "cache", "three")
    assert third.computed == 0
    assert third.table.sort("facts", "year").equals(second.table.sort("facts", "year"))
    unknown = third.table.filter(pl.col("facts") == 0, pl.col("year") == 2010)
    blank = third.table.filter(pl.col("facts") == known["facts"][3], pl.col("year") == 2010)
    assert unknown.drop("facts").equals(blank.drop("facts"))

"""Writes what can be read of a made-up wine: names, and facts that follow its hidden style and quality, some missing."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from cellar_shared.events.simulate.hierarchy import Floats, Origins, wine_facts

# Share of wines that do not state a fact (judgement; X-Wines states all but price, other catalogues do not).
MISSING: Final = {"producer": 0.005, "region": 0.02, "grapes": 0.03, "abv": 0.05, "body": 0.08, "acidity": 0.08, "price": 0.2}


def label_wines(origins: Origins, style: Floats, quality: Floats, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of the table `wines`; ids are shuffled, so they tell neither age nor popularity."""
    facts = wine_facts()
    wines = len(quality)
    types, grapes, regions = list(facts["types"]), list(facts["grapes"]), facts["regions"]
    factor = {name: style[:, index] for index, name in enumerate(facts["factors"])}
    varieties = _varieties(origins, grapes)
    usual_abv = np.array([entry["abv"] for entry in facts["types"].values()])[origins.type]
    dishes = pl.Series([entry["pairings"][start : start + 3] for entry in facts["types"].values() for start in (0, 1)])
    producers = _producer_names(origins, rng)
    digits = len(str(wines))
    table = pl.DataFrame(
        {
            "wine_id": pl.Series([f"w{number:0{digits}d}" for number in rng.permutation(wines) + 1]),
            "name": pl.Series(_wine_names(varieties.list.first(), rng)),
            "producer": pl.Series(producers).gather(origins.producer),
            "type": pl.Series(types).gather(origins.type),
            "country": pl.Series([entry["country"] for entry in regions]).gather(origins.region),
            "region": pl.Series([entry["region"] for entry in regions]).gather(origins.region),
            "grapes": varieties,
            "abv": np.round(usual_abv + 0.7 * factor["body"] - 0.3 * factor["sweetness"] + rng.normal(0, 0.4, wines), 1).clip(4, 24),
            "body": np.rint(3.4 + 0.95 * factor["body"] + rng.normal(0, 0.35, wines)).clip(1, 5),
            "acidity": np.rint(2.4 + 0.6 * factor["acidity"] + rng.normal(0, 0.3, wines)).clip(1, 3),
            "price": np.round(np.exp(2.9 + 0.6 * quality + 0.15 * factor["oak"] + rng.normal(0, 0.45, wines)), 2),
            "currency": pl.repeat("EUR", wines, eager=True),
            "source": pl.repeat("sim", wines, eager=True),
            "elaborate": pl.Series(["Assemblage/Blend", "Varietal/100%"]).gather((origins.grapes >= 0).sum(axis=1) == 1),
            "pairings": dishes.gather(2 * origins.type + rng.integers(0, 2, wines)),
        }
    )
    kept = {name: pl.Series(rng.random(wines) >= share) for name, share in MISSING.items()}
    kept["currency"] = kept["price"]
    return table.with_columns(pl.when(keep).then(pl.col(name)).alias(name) for name, keep in kept.items())


def _varieties(origins: Origins, grapes: list[str]) -> pl.Series:
    """The names of each wine's grapes. As columns, since a list for each of a million wines would take most of a world's memory."""
    nth = pl.DataFrame(origins.grapes, schema=["0", "1", "2"], orient="row")
    names = pl.Series(grapes)
    named = [names.gather(pl.select(pl.when(column >= 0).then(column)).to_series()) for column in nth]
    return pl.select(pl.concat_list(named).list.drop_nulls()).to_series()


def _producer_names(origins: Origins, rng: np.random.Generator) -> list[str]:
    facts = wine_facts()
    names = _made_up_words(len(origins.producer_region), rng)
    words = [facts["producer_words"][facts["regions"][region]["country"]] for region in origins.producer_region]
    drawn = rng.random(len(names))
    return [f"{word[int(draw * len(word))]} {name}".strip() for word, draw, name in zip(words, drawn, names, strict=True)]


def _wine_names(first_grapes: pl.Series, rng: np.random.Generator) -> list[str]:
    cuvees = wine_facts()["cuvees"]
    places = _made_up_words(len(first_grapes), rng)
    drawn = rng.integers(len(cuvees), size=len(first_grapes))
    shown = rng.random(len(first_grapes)) < 0.4
    return [
        " ".join(part for part in (cuvees[index], place if show else "", grape) if part)
        for index, place, show, grape in zip(drawn, places, shown, first_grapes, strict=True)
    ]


def _made_up_words(count: int, rng: np.random.Generator) -> list[str]:
    syllables = wine_facts()["syllables"]
    parts = [rng.choice(np.array(syllables[place], dtype=object), count) for place in ("first", "middle", "last")]
    return ["".join(word).capitalize() for word in zip(*parts, strict=True)]

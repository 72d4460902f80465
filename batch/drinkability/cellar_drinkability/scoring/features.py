"""What a model reads of a wine: its style, grape, type and places as codes, points, price and vintage as numbers; learning and scoring.

Written once for the critics' statements and for any catalogue. A fact that is missing, or that no critic ever named, is unknown, and the
model has learnt to answer without it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.vocabulary.wine_words import country_named, grape_named

FIELDS: Final = ("style", "grape", "type", "country", "province", "region")
NUMBERS: Final = ("points", "log_price", "vintage")
UNKNOWN: Final = 0
REGION_FEWEST: Final = 2  # statements about a region before it has a code of its own; with one it would be learnt by heart

_TEXTS: Final = ("type", "country", "region", "province")

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WineFacts:
    """Wines as a model reads them: `codes` (rows, FIELDS), 0 is unknown; `numbers` (rows, NUMBERS), NaN is unknown."""

    codes: Codes
    numbers: Floats

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, places: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> WineFacts:
        """Only those rows."""
        return WineFacts(self.codes[places], self.numbers[places])


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that have codes (from 1, in their order), where a region and a province lie, and the vintages known."""

    names: Mapping[str, Sequence[str]]
    province_of: Mapping[str, str]
    country_of: Mapping[str, str]
    vintages: tuple[int, int]

    @classmethod
    def of(cls, wines: pl.DataFrame) -> Self:
        """The names in `wines`, a frame with the wine's columns of table windows."""
        facts = _spelled(wines)
        regions = facts.filter(pl.col("region") != pl.col("province").fill_null(""))
        province_of = _most_often(regions.filter(pl.col("province").is_not_null()).select("region", "province").iter_rows())
        country_of = _most_often(facts.drop_nulls(["province", "country"]).select("province", "country").iter_rows())
        often = Counter(regions["region"].to_list())
        names = {
            "style": _in_order(style for _, style, _ in _styles(facts)),
            "grape": _in_order(grape for *_, grape in _styles(facts)),
            "type": _in_order(facts["type"]),
            "country": _in_order(facts["country"]),
            "province": _in_order(facts["province"]),
            "region": _in_order(name for name, count in often.items() if count >= REGION_FEWEST),
        }
        known = facts.filter(pl.col("vintage") > 0)["vintage"]
        # The very oldest are few and far between: they are read as the oldest of the bulk.
        vintages = (int(known.quantile(0.005) or 0), int(known.max() or 0)) if len(known) else (0, 0)  # type: ignore[arg-type]
        return cls(names, province_of, country_of, vintages)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """The vocabulary that `to_json` wrote; KeyError or ValueError for anything else."""
        first, last = given["vintages"]
        return cls({field: tuple(given["names"][field]) for field in FIELDS}, given["province_of"], given["country_of"], (first, last))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "names": {field: list(names) for field, names in self.names.items()},
            "province_of": dict(self.province_of),
            "country_of": dict(self.country_of),
            "vintages": list(self.vintages),
        }

    def sizes(self) -> tuple[int, ...]:
        """How many codes each of FIELDS has, unknown among them."""
        return tuple(len(self.names[field]) + 1 for field in FIELDS)

    def encode(self, wines: pl.DataFrame) -> WineFacts:
        """Wines (any of the wine's columns, and vintage) as codes and numbers.

        A region that is a province's name is that province; a province follows from its region and a country from its province.
        A vintage after the last known one is unknown: critics had judged only its early drinkers.
        """
        facts = _spelled(wines)
        rows = facts.select(**self._coded(facts))
        first, last = self.vintages
        vintage = pl.col("vintage")
        numbers = facts.select(
            points=pl.col("points"),
            log_price=pl.when(pl.col("price") > 0).then(pl.col("price")).log(),
            vintage=pl.when(vintage.is_between(1, last)).then(vintage.clip(first, last)),
        ).cast(pl.Float64)
        return WineFacts(
            np.ascontiguousarray(rows.select(FIELDS).to_numpy().astype(np.int64).reshape(-1, len(FIELDS))),
            np.ascontiguousarray(numbers.fill_null(float("nan")).to_numpy().reshape(-1, len(NUMBERS))),
        )

    def _coded(self, facts: pl.DataFrame) -> dict[str, pl.Expr]:
        code = {field: {name: number for number, name in enumerate(self.names[field], 1)} for field in FIELDS}
        styles, grapes = self._codes_of_grapes(facts, code)
        place, province = pl.col("region"), pl.col("province")
        known = pl.coalesce(
            pl.when(province.is_in(list(code["province"]))).then(province),
            place.replace_strict(dict(self.province_of), default=None, return_dtype=pl.String),
            pl.when(place.is_in(list(code["province"]))).then(place),
        )
        country = pl.coalesce(
            pl.when(pl.col("country").is_in(list(code["country"]))).then(pl.col("country")),
            pl.when(pl.col("country").is_null()).then(known.replace_strict(dict(self.country_of), default=None, return_dtype=pl.String)),
        )
        return {
            "style": pl.lit(styles),
            "grape": pl.lit(grapes),
            "type": _code(pl.col("type"), code["type"]),
            "country": _code(country, code["country"]),
            "province": _code(known, code["province"]),
            "region": _code(place, code["region"]),
        }

    def _codes_of_grapes(self, facts: pl.DataFrame, code: Mapping[str, Mapping[str, int]]) -> tuple[pl.Series, pl.Series]:
        found = {key: (_style_code(candidates, code["style"]), code["grape"].get(grape or "", UNKNOWN)) for key, candidates, grape in
                 ((key, _candidates(key), _first_grape(key)) for key in facts["kind"].unique().to_list() if key)}  # fmt: skip
        pairs = [found.get(key, (UNKNOWN, UNKNOWN)) for key in facts["kind"].to_list()]
        return (
            pl.Series("style", [style for style, _ in pairs], dtype=pl.Int64),
            pl.Series("grape", [grape for _, grape in pairs], dtype=pl.Int64),
        )


def _spelled(wines: pl.DataFrame) -> pl.DataFrame:
    """The columns that matter in one spelling, null where missing; `kind` is type and grapes as one text, null without either."""
    have = set(wines.columns)
    text = [pl.col(name).cast(pl.String) if name in have else pl.lit(None, pl.String).alias(name) for name in _TEXTS]
    number = [(pl.col(name) if name in have else pl.lit(None).alias(name)).cast(pl.Float64) for name in ("points", "price", "vintage")]
    if "grapes" in have and isinstance(wines.schema["grapes"], pl.List):
        grapes = pl.col("grapes").cast(pl.List(pl.String)).list.join("+").fill_null("")
    else:
        grapes = pl.lit("")
    facts = wines.select(*text, *number, grapes=grapes) if wines.width else pl.DataFrame()
    places: dict[str, str] = _words()["names"]
    countries = {name: country_named(name) for name in facts["country"].drop_nulls().unique().to_list()}
    return facts.with_columns(
        pl.col("country").replace(countries),
        pl.col("region").replace(places),
        pl.col("province").replace(places),
        kind=pl.when(pl.col("type").is_not_null() | (pl.col("grapes") != "")).then(
            pl.format("{}:{}", pl.col("type").fill_null(""), pl.col("grapes"))
        ),
    )


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(resources.files(__package__).joinpath("places.json").read_text("utf-8"))
    return words


@cache
def _grapes_of(kind: str) -> tuple[str, ...]:
    named = kind.partition(":")[2]
    return tuple(dict.fromkeys(grape_named(grape) or grape for grape in named.split("+"))) if named else ()


def _first_grape(kind: str) -> str | None:
    return next(iter(_grapes_of(kind)), None)


def _style(kind: str, grapes: Iterable[str]) -> str:
    return f"{kind}:{'+'.join(sorted(grapes))}"


@cache
def _candidates(key: str) -> tuple[str, ...]:
    """The styles that may stand for a wine, nearest first: its very blend, the blend's family, its first grape alone."""
    kind, grapes = key.partition(":")[0], _grapes_of(key)
    families = [
        _style(kind, family["stands_for"])
        for family in _words()["families"]
        if family["type"] == kind and len(grapes) >= family["least"] and set(grapes) <= set(family["grapes"])
    ]
    return _style(kind, grapes), *families[:1], _style(kind, grapes[:1])


def _style_code(candidates: Sequence[str], codes: Mapping[str, int]) -> int:
    return next((codes[style] for style in candidates if style in codes), UNKNOWN)


def _styles(facts: pl.DataFrame) -> list[tuple[str, str, str | None]]:
    return [(key, _candidates(key)[0], _first_grape(key)) for key in facts["kind"].to_list() if key]


def _code(name: pl.Expr, codes: Mapping[str, int]) -> pl.Expr:
    return name.replace_strict(dict(codes), default=UNKNOWN, return_dtype=pl.Int64)


def _in_order(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


def _most_often(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    counts = Counter(pairs)
    found: dict[str, str] = {}
    for (of, name), _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        found.setdefault(of, name)
    return found

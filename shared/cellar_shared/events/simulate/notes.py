"""Writes tasting notes by a small grammar: the wine's most marked traits, its grape's aroma, and what its taster made of it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cellar_shared.events.simulate.catalogue import Catalogue, Floats32
from cellar_shared.events.simulate.hierarchy import Ints

NOTED: Final = 0.15  # share of exactly dated ratings that come with a note (judgement)

# Per factor, in the order of wine_facts.json: words for little and for much of it.
_TRAITS: Final = (
    (("light-bodied", "slender", "delicate"), ("full-bodied", "dense", "weighty")),
    (("soft", "round", "mellow"), ("crisp", "racy", "mouth-watering")),
    (("bone dry", "dry", "austere"), ("sweet", "honeyed", "luscious")),
    (("unoaked", "steely", "pure"), ("oaky", "toasty", "vanilla-scented")),
    (("silky", "supple", "smooth"), ("tannic", "grippy", "firm")),
)
_NAMES: Final = ("body", "acidity", "sweetness", "oak", "grip")
_OPENINGS: Final = ("", "Shows", "Nose of", "Lots of", "Hints of", "With dinner:")
_PRAISE: Final = ("love the {}", "the {} is just right for me", "exactly my kind of {}")
_BLAME: Final = ("the {} is not for me", "could not get past the {}", "wrong sort of {} for my taste")
_VERDICTS: Final = pl.Series([form.format(name) for forms in (_BLAME, _PRAISE) for name in _NAMES for form in forms])
_WORDS: Final = pl.Series([word for little_and_much in _TRAITS for words in little_and_much for word in words])
_FACTORS: Final = len(_TRAITS)
_CHOICES: Final = 3


def write_notes(catalogue: Catalogue, wine: Ints, taste: Floats32, liked: npt.NDArray[np.bool_], rng: np.random.Generator) -> pl.Series:
    """One text per row: terms follow the wine's named factors, the verdict what the taster's own taste says to them."""
    rows = len(wine)
    style = catalogue.style[wine, :_FACTORS]  # (rows, named factors) float32
    marked = np.abs(style) + rng.gumbel(0.0, 0.3, style.shape)
    order = np.argsort(-marked, axis=1)
    traits = [_WORDS.gather(_trait(style, order[:, place], rng.integers(_CHOICES, size=rows))) for place in (0, 1)]
    aroma = catalogue.aromas.gather(2 * wine + rng.integers(2, size=rows))
    match = taste[:, :_FACTORS] * style
    told = np.where(liked, np.argmax(match, axis=1), np.argmin(match, axis=1))
    verdict = _VERDICTS.gather((liked * _FACTORS + told) * _CHOICES + rng.integers(_CHOICES, size=rows))
    opening = pl.Series(_OPENINGS).gather(rng.integers(len(_OPENINGS), size=rows))
    parts = pl.DataFrame({"opening": opening, "aroma": aroma, "one": traits[0], "two": traits[1], "verdict": verdict})
    text = pl.format("{} {}, {} and {}; {}.", "opening", "aroma", "one", "two", "verdict").str.strip_chars()
    return parts.select(text=text)["text"]


def _trait(style: Floats32, factor: npt.NDArray[np.intp], choice: Ints) -> Ints:
    """Index into the words: factor, then little or much, then the choice."""
    much = style[np.arange(len(factor)), factor] > 0
    return (factor * 2 + much) * _CHOICES + choice

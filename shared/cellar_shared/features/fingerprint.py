"""One digest over everything that decides what a network is shown; a bundle and a generation with another do not fit."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np

from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.events.scales import SCALES
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.counting import count_ratings
from cellar_shared.features.counts import GROUPS, TOTALS, RunningCounts
from cellar_shared.features.encoder import CODED, Encoder
from cellar_shared.features.histories import EVENT, Histories, Questions
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.features.wines import WINE, WineFacts, wine_record

# Outputs are compared to three decimals: other machines' logarithms may differ in the last bit, definitions differ more.
DECIMALS: Final = 3


@cache
def feature_fingerprint() -> str:
    """Hex digest of the definitions' names, the packing, the scales and the encoder's output on a built-in history."""
    digest = hashlib.sha256()
    for part in (
        WINE.descr,
        EVENT.descr,
        TOTALS,
        GROUPS,
        CODED,
        list(WINE_FEATURES),
        list(ITEM_FEATURES),
        list(MATCHES),
        list(SCALES.items()),
    ):
        digest.update(repr(part).encode())
    questions, counts = built_in()
    vocabulary = Vocabulary.of(questions.wines["wine"], fewest=1)
    for name, values in Encoder(vocabulary).encode(questions, counts).inputs().items():
        digest.update(name.encode())
        digest.update((np.round(values, DECIMALS) + 0.0).astype("<f4").tobytes())
    return digest.hexdigest()


def built_in() -> tuple[Questions, RunningCounts]:
    """Four wines, five tastings, three questions: a history that every definition has something to say about."""
    wines = np.array(
        [
            wine_record(
                "a",
                WineFacts("Ca' One", "Red", "Italy", "Barolo", ["Nebbiolo"], 14.0, 4.0, 3.0, 45.0, "Varietal", ["Beef"]),
            ),
            wine_record("b", WineFacts("Ca' One", "Red", "Italy", "Barolo", ["Nebbiolo", "Barbera"], 13.5, 4.0, 3.0)),
            wine_record(
                "c",
                WineFacts("Two", "White", "Germany", "Mosel", ["Riesling"], 8.5, 2.0, 3.0, 12.0, None, ["Fish", "Cheese"]),
            ),
            wine_record("d", WineFacts(None, "Sparkling", "France", "Champagne", ["Chardonnay", "Pinot Noir"])),
        ],
        dtype=WINE,
    )
    start = 17_000 * MICROSECONDS_PER_DAY
    moments = np.array([0, 40, 41, 300, 410], dtype=np.int64) * MICROSECONDS_PER_DAY + start + 1
    rows, liked = np.array([0, 1, 2, 3, 0], dtype=np.int32), np.array([True, True, False, True, False])
    vintages, strengths = (
        np.array([2008, 2010, -1, 0, 2009], dtype=np.int16),
        np.array([0.5, 0.0, -1.0, 1.0, -0.5], dtype=np.float32),
    )
    events = np.empty(len(rows), dtype=EVENT)
    for name, column in (("moment", moments), ("row", rows), ("vintage", vintages), ("liked", liked), ("strength", strengths)):
        events[name] = column
    counts = count_ratings(wines, events, np.array([0, 0, 1, 1, 0], dtype=np.int32))
    histories = Histories(np.array([0, 0, 3, 5]), wines[rows], moments, vintages, liked, strengths)
    as_of = np.array([0, 200, 500], dtype=np.int64) * MICROSECONDS_PER_DAY + start
    asked = np.array([0, 1, 2, 1, 2])
    questions = Questions(
        histories,
        as_of,
        np.array([0, 1, 1, 2, 2]),
        wines[asked],
        np.array([2008, 2011, 2015, 2010, -1], dtype=np.int16),
        as_of,
    )
    return questions, counts

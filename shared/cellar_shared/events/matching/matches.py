"""Joins the wines of one data folder to those of another, with the evidence for each; `cellar data match` calls it.

The score is a weighted mean of the evidence. A match needs THRESHOLD, a producer and a name that mostly agree, and nothing against it:
another country or another colour ends it, however alike the names. Where two wines fit equally well neither is taken. The weights and
the threshold are judgement; what they cost and gain on a catalogue with its names bent is in the tests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.matching.evidence import Evidence, Weights, WineWords, evidence_of
from cellar_shared.events.tables import DataFolder, conformed, dtypes_of

THRESHOLD: Final = 0.8
WEIGHTS: Final = {"producer": 0.4, "name": 0.3, "region": 0.12, "grape": 0.1, "colour": 0.08}
NOT_SAID: Final = 0.6  # what evidence counts that one of the wines does not give
PRODUCER_LEAST, NAME_LEAST = 0.6, 0.7
TIE: Final = 0.005
MOST_CANDIDATES: Final = 100  # wines that are compared in full (judgement)
TABLE: Final = "matches"
_COLUMNS: Final = ("wine_id", "name", "producer", "type", "country", "region", "grapes", "province", "variety")


@dataclass(frozen=True, slots=True)
class Match:
    """The best that was found for a wine: `other` is set where it is a match, `reason` says why or why not."""

    wine_id: str
    reason: str
    other: str | None = None
    score: float | None = None
    runner_up: float | None = None
    evidence: Evidence | None = None


class Catalogue:
    """The wines that are matched to, found by words of producers and names that begin alike."""

    def __init__(self, wines: Sequence[WineWords]) -> None:
        self.wines = wines
        self.weights = Weights.of(wines)
        places: dict[str, list[int]] = {}
        for place, wine in enumerate(wines):
            for key in _keys(wine):
                places.setdefault(key, []).append(place)
        self._by_key = {key: np.array(found, np.int64) for key, found in places.items()}

    def candidates(self, wine: WineWords) -> list[WineWords]:
        """The wines that share the most, and the rarest, beginnings of words with the wine; at most MOST_CANDIDATES."""
        shared = np.zeros(len(self.wines))
        for key in sorted(_keys(wine)):
            found = self._by_key.get(key)
            if found is not None:
                shared[found] += math.log(1 + len(self.wines) / len(found))
        best = np.argsort(-shared, kind="stable")[:MOST_CANDIDATES]
        return [self.wines[place] for place in best.tolist() if shared[place] > 0]

    def match(self, wine: WineWords) -> Match:
        """The wine's match, or why it has none."""
        judged = [(other, evidence_of(wine, other, self.weights)) for other in self.candidates(wine)]
        likely = [(score_of(evidence), other, evidence) for other, evidence in judged if (evidence.producer or 0.0) >= PRODUCER_LEAST]
        if not likely:
            return Match(wine.wine_id, "no_such_producer")
        likely.sort(key=lambda each: (-each[0], each[1].wine_id))
        possible = [each for each in likely if not contradicts(each[2])]
        score, other, evidence = likely[0]
        if possible and (score == possible[0][0] or possible[0][0] >= THRESHOLD):
            score, other, evidence = possible[0]
        runner_up = possible[1][0] if len(possible) > 1 else None
        if contradicts(evidence):
            reason = "contradicted"
        elif score < THRESHOLD or evidence.name < NAME_LEAST:
            reason = "not_alike_enough"
        elif runner_up is not None and score - runner_up < TIE:
            reason = "ambiguous"
        else:
            reason = "matched"
        return Match(wine.wine_id, reason, other.wine_id if reason == "matched" else None, score, runner_up, evidence)


def _keys(wine: WineWords) -> set[str]:
    return {word[:4] for word in wine.producer | wine.name}


def score_of(evidence: Evidence) -> float:
    """The weighted mean of the evidence, 0 to 1."""
    given = {name: getattr(evidence, name) for name in WEIGHTS}
    return sum(weight * (NOT_SAID if given[name] is None else given[name]) for name, weight in WEIGHTS.items())


def contradicts(evidence: Evidence) -> bool:
    """Does a fact speak against the match, whatever the rest says: another country, another colour?"""
    return 0.0 in (evidence.region, evidence.colour)


def match_folders(data: Path, to: Path, *, step: Callable[[int], None] = lambda done: None) -> pl.DataFrame:
    """A row of table matches for every wine of `data` against the wines of `to`, in the order of table wines.

    BadInput where either has no wines, or both are of one namespace: then their ids are the same ids.
    """
    folders = [DataFolder.open(path) for path in (data, to)]
    for folder in folders:
        folder.parts("wines")
    one, two = (folder.manifest.namespace for folder in folders)
    if one == two:
        raise BadInput(f"{data} and {to} both have the namespace {one!r}: their ids are the same ids, there is nothing to match")
    catalogue = Catalogue([WineWords.of(row) for row in _wines(folders[1])])
    rows = []
    for done, row in enumerate(_wines(folders[0]), start=1):
        rows.append(_row(catalogue.match(WineWords.of(row)), two))
        step(done)
    return conformed(TABLE, pl.DataFrame(rows, schema=dtypes_of(TABLE)))


def _wines(folder: DataFolder) -> Iterator[dict[str, Any]]:
    frame = folder.scan("wines")
    have = frame.collect_schema().names()
    yield from frame.select(name for name in _COLUMNS if name in have).collect().iter_rows(named=True)


def _row(match: Match, namespace: str) -> dict[str, Any]:
    evidence = {name: getattr(match.evidence, name) if match.evidence else None for name in WEIGHTS}
    return {
        "wine_id": match.wine_id, "namespace": namespace, "other_id": match.other, "reason": match.reason, "score": match.score,
        "runner_up": match.runner_up, **evidence,
    }  # fmt: skip


def keep(data: Path, matches: pl.DataFrame) -> None:
    """Write table matches into the data folder, in place of what was matched to that namespace before."""
    with DataAppender(data) as appender:
        if TABLE in appender.folder.manifest.tables:
            parts = appender.folder.parts(TABLE)
            others = pl.col("namespace") != matches["namespace"][0]
            appender.replace(TABLE, ((name, pl.read_parquet(part, glob=False).filter(others)) for name, part in parts.items()))
        appender.add(TABLE, matches)


def counts_of(matches: pl.DataFrame) -> dict[str, int]:
    """How many wines were matched, and how many were not for each reason."""
    return dict(sorted(Counter(matches["reason"].to_list()).items(), key=lambda item: (item[0] != "matched", item[0])))

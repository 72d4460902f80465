"""The one encoder: questions in, the arrays a network reads out; used by training, evaluation, batch and every service.

One request is a batch of one. Nothing here knows a member's id, and no clock is read: the moment is in the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import counted_before, day_of
from cellar_shared.features.candidates import WINE_FEATURES, Candidates
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.expectation import Expectation, expect
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES, Tastings, years_between
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.features.wines import Wines, no_wines

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

# The names of a wine that a network may embed; "wine" is the wine itself.
CODED: Final = ("type", "country", "region", "producer", "style", "wine")


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a network reads, for P pairs of M members with at most L items each (L at least 1), newest item first.

    `wine` (P, wine features) float32; `wine_codes` (P, codes) int64; `item` (M, L, item features) float32, zero past a
    history's end; `years_ago` (M, L) float32; `item_codes` (M, L, codes) int64; `mask` (M, L) float32, 1 for an item;
    `match` (P, L, matches) float32; `member` (P,) int64, the member of each pair.
    """

    wine: Float32s
    wine_codes: Int64s
    item: Float32s
    years_ago: Float32s
    item_codes: Int64s
    mask: Float32s
    match: Float32s
    member: Int64s

    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the name of the network's input."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """Features of every row of some histories, made once and cut many ways: (rows, features) and (rows, codes)."""

    values: Float32s
    codes: Int64s


@dataclass(frozen=True, slots=True)
class Encoder:
    """Encodes questions with one bundle's vocabulary."""

    vocabulary: Vocabulary

    def encode(self, questions: Questions, counts: RunningCounts, is_hidden: npt.NDArray[np.bool_] | None = None) -> Encoded:
        """The arrays for `questions`, wine features read from `counts` before each question's own day.

        Where `is_hidden` (pairs,), the wine is shown as one that nobody has rated and no vocabulary knows (training only).
        """
        histories = questions.histories
        pairs = len(questions.wines)
        # Asked and tasted wines in one look-up: for a request of a few wines, calls cost more than work.
        expected = expect(
            counts,
            np.concatenate([questions.wines, histories.wines]),
            np.concatenate([questions.vintages, histories.vintages]),
            np.concatenate([_days_asked(questions), day_of(histories.moments)]),
            None if is_hidden is None else np.concatenate([is_hidden, np.zeros(len(histories.wines), dtype=bool)]),
        )
        wine, wine_codes = self._wines(questions, expected.rows(slice(pairs)), is_hidden)
        items = self._items(histories, expected.rows(slice(pairs, None)))
        longest = max(1, int(histories.lengths.max(initial=0)))
        owner, place = _places(histories)
        shape = (len(histories.lengths), longest)
        mask = np.zeros(shape, dtype=np.float32)
        mask[owner, place] = 1.0
        item = np.zeros((*shape, items.values.shape[1]), dtype=np.float32)
        item[owner, place] = items.values
        years_ago = np.zeros(shape, dtype=np.float32)
        years_ago[owner, place] = years_between(histories.moments, questions.as_of[owner])
        item_codes = np.zeros((*shape, items.codes.shape[1]), dtype=np.int64)
        item_codes[owner, place] = items.codes
        tasted = no_wines(shape[0] * shape[1]).reshape(shape)
        tasted[owner, place] = histories.wines
        match = match_wines(questions.wines, tasted, questions.member)
        return Encoded(wine, wine_codes, item, years_ago, item_codes, mask, match, questions.member)

    def encode_wines(
        self, questions: Questions, counts: RunningCounts, is_hidden: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Float32s, Int64s]:
        """Features (pairs, wine features) and codes (pairs, codes) of the wines asked about."""
        expected = expect(counts, questions.wines, questions.vintages, _days_asked(questions), is_hidden)
        return self._wines(questions, expected, is_hidden)

    def encode_items(self, histories: Histories, counts: RunningCounts) -> ItemFeatures:
        """Features and codes of every history row; what everyone made of a wine is taken as of the row's own day.

        They do not depend on when they are looked back at, so training makes them once per event.
        """
        return self._items(histories, expect(counts, histories.wines, histories.vintages, day_of(histories.moments)))

    def _wines(self, questions: Questions, expected: Expectation, is_hidden: npt.NDArray[np.bool_] | None) -> tuple[Float32s, Int64s]:
        asked = Candidates(questions.wines, questions.vintages, questions.as_of[questions.member], expected)
        codes = self.codes_of(questions.wines)
        if is_hidden is not None:
            codes[is_hidden, CODED.index("wine")] = 0
        return _columns([definition(asked) for definition in WINE_FEATURES.values()], len(questions.wines)), codes

    def _items(self, histories: Histories, expected: Expectation) -> ItemFeatures:
        rows = Tastings(histories, expected)
        values = _columns([definition(rows) for definition in ITEM_FEATURES.values()], len(histories.moments))
        return ItemFeatures(values, self.codes_of(histories.wines))

    def codes_of(self, wines: Wines) -> Int64s:
        """Vocabulary codes of wines' names, in `names_of`'s order; (wines, codes) int64."""
        return self.vocabulary.codes(self.names_of(wines))

    @staticmethod
    def names_of(wines: Wines) -> Int64s:
        """Identities of wines' names: CODED fields, then grapes, then pairings; (wines, codes) int64."""
        columns = [
            *(wines[name] for name in CODED),
            *np.moveaxis(wines["grapes"], -1, 0),
            *np.moveaxis(wines["pairings"], -1, 0),
        ]
        return np.stack(columns, axis=-1)


def match_wines(asked: Wines, tasted: Wines, member: Int64s) -> Float32s:
    """Matches of `asked` (pairs,) with each pair's member's `tasted` (members, items); (pairs, items, matches) float32."""
    own = tasted if len(tasted) == 1 else tasted[member]
    shape = (len(asked), tasted.shape[1])
    match = np.empty((*shape, len(MATCHES)), dtype=np.float32)
    for place, definition in enumerate(MATCHES.values()):
        match[..., place] = definition(asked[:, None], own)
    # A member's padding has no facts, so it matches nothing, whatever it is asked against.
    return match


def _days_asked(questions: Questions) -> Int64s:
    return counted_before(questions.features_as_of)[questions.member]


def _places(histories: Histories) -> tuple[Int64s, Int64s]:
    owner = histories.owners
    return owner, histories.offsets[owner + 1] - 1 - np.arange(len(owner))


def _columns(columns: list[npt.NDArray[np.float64]], rows: int) -> Float32s:
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((rows, 0), dtype=np.float32)

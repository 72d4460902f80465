"""What the two towers read, and the towers as they are served: members and wines in, vectors out whose dot product is the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.network import Network
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, Moments, day_of
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.counts import LIKED, RunningCounts
from cellar_shared.features.encoder import Encoded, Encoder
from cellar_shared.features.histories import UNKNOWN_VINTAGE, Histories, Questions
from cellar_shared.features.note_counts import NOTES
from cellar_shared.features.terms import TERMS
from cellar_shared.features.wines import Wines

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAYS_PER_YEAR: Final = 365.25
WINDOWS_DAYS: Final = (30, 90, 365)  # recent likes; beside them those of all time
WINDOWS: Final = (*(f"{days}d" for days in WINDOWS_DAYS), "ever")
FACTS: Final = ("body", "acidity", "log_price")
WINE_INPUTS: Final = len(WINE_FEATURES) + len(WINDOWS) + 2 * len(FACTS)
NOTE_INPUTS: Final = TERMS + 1  # behind the others, where a bundle reads notes
NOTES_BELIEF: Final = 2.0  # notes' worth of belief that a wine's notes do not hold a term (judgement)


@dataclass(frozen=True, slots=True)
class MemberInputs:
    """What the member tower reads of M members with at most L items each, newest first.

    `item` (M, L, item features) float32, `years_ago` (M, L) float32, `item_codes` (M, L, codes) int64, `mask` (M, L) float32:
    as the encoder gives them; `season` (M, 2) float32: the moment's place in the year.
    """

    item: Float32s
    years_ago: Float32s
    item_codes: Int64s
    mask: Float32s
    season: Float32s

    @classmethod
    def of(cls, encoded: Encoded, as_of: Moments) -> MemberInputs:
        """The inputs of encoded members, asked about as of (M,) moments."""
        return cls(encoded.item, encoded.years_ago, encoded.item_codes, encoded.mask, seasons(as_of))

    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the name of the network's input."""
        return {name: getattr(self, name) for name in self.__slots__}

    def some(self, rows: slice | Int64s) -> MemberInputs:
        """Some of the members."""
        return MemberInputs(**{name: values[rows] for name, values in self.inputs().items()})


@dataclass(frozen=True, slots=True)
class WineInputs:
    """What the wine tower reads of W wines: `wine` (W, WINE_INPUTS, with notes NOTE_INPUTS more) float32 as of a day, and `wine_codes`
    (W, codes) int64.
    """

    wine: Float32s
    wine_codes: Int64s

    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the name of the network's input."""
        return {name: getattr(self, name) for name in self.__slots__}


class Towers(Protocol):
    """Both towers, whatever runs them."""

    def members(self, inputs: MemberInputs) -> Float32s:
        """A vector for each member; (M, dimensions)."""
        ...

    def wines(self, inputs: WineInputs) -> Float32s:
        """A vector for each wine; (W, dimensions)."""
        ...


class OnnxTowers:
    """Both towers from their ONNX bytes; Incompatible when ONNX Runtime cannot load them."""

    def __init__(self, member_tower: bytes, wine_tower: bytes) -> None:
        self._member, self._wine = Network(member_tower), Network(wine_tower)

    def members(self, inputs: MemberInputs) -> Float32s:
        """A vector for each member; (M, dimensions)."""
        return self._member.run(inputs.inputs()).astype(np.float32)

    def wines(self, inputs: WineInputs) -> Float32s:
        """A vector for each wine; (W, dimensions)."""
        return self._wine.run(inputs.inputs()).astype(np.float32)


def seasons(as_of: Moments) -> Float32s:
    """Where in the year each moment's day lies, as a point on the circle; (moments, 2)."""
    angle = 2 * np.pi * (day_of(as_of) % DAYS_PER_YEAR) / DAYS_PER_YEAR
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def recent_likes(counts: RunningCounts, wines: Wines, day: int) -> Float32s:
    """Likes of each wine in each of WINDOWS before 00:00 UTC of `day`; (wines, windows)."""
    until = day - np.array([0, *WINDOWS_DAYS])
    ever, *before = counts.before(wines["wine"][None, :], until[:, None])[..., LIKED]
    return np.stack([*(ever - earlier for earlier in before), ever], axis=1).astype(np.float32)


def everyones_likes(counts: RunningCounts, day: int) -> Float32s:
    """Likes of all wines together in each of WINDOWS before 00:00 UTC of `day`; (windows,)."""
    until = day - np.array([0, *WINDOWS_DAYS])
    padded = np.concatenate([[0.0], counts.everyone[:, LIKED]])
    ever, *before = padded[np.searchsorted(counts.days, until)]
    return np.array([*(ever - earlier for earlier in before), ever], dtype=np.float32)


def wine_inputs(
    encoder: Encoder, wines: Wines, counts: RunningCounts, day: int, is_hidden: Bools | None = None, *, with_notes: bool
) -> tuple[WineInputs, Float32s]:
    """What the wine tower reads of `wines` as of 00:00 UTC of `day`, and their recent likes (wines, windows).

    Where `is_hidden` (wines,), the wine is shown as one that nobody has rated or noted anything of, and no vocabulary knows (training
    only). `with_notes`: what tasting notes say is among the inputs, zeros where the counts hold none.
    """
    features, codes = encoder.encode_wines(_questions(wines, day), counts, is_hidden)
    likes = recent_likes(counts, wines, day)
    if is_hidden is not None:
        likes = likes * ~is_hidden[:, None]
    facts = np.stack([wines[name] for name in FACTS], axis=1)
    columns = [features, np.log1p(likes), np.nan_to_num(facts), np.isnan(facts)]
    if with_notes:
        columns.append(_noted(wines, counts, day, is_hidden))
    return WineInputs(np.concatenate(columns, axis=1).astype(np.float32), codes), likes


def _noted(wines: Wines, counts: RunningCounts, day: int, is_hidden: Bools | None) -> Float32s:
    """In which share of each wine's notes each term stands, and the log of 1 + their number; (wines, NOTE_INPUTS)."""
    if counts.notes is None:
        return np.zeros((len(wines), NOTE_INPUTS), dtype=np.float32)
    counted = counts.notes.before(wines["wine"], day).astype(np.float32)
    if is_hidden is not None:
        counted[is_hidden] = 0.0
    notes = counted[:, NOTES, None]
    return np.concatenate([counted[:, :TERMS] / (notes + NOTES_BELIEF), np.log1p(notes)], axis=1)


def _questions(wines: Wines, day: int) -> Questions:
    """Questions about wines of unknown vintage by somebody without a history."""
    none = np.zeros(0, dtype=np.int64)
    nobody = Histories(np.zeros(2, dtype=np.int64), wines[:0], none, none.astype(np.int16), none.astype(bool), none.astype(np.float32))
    as_of = np.array([day * MICROSECONDS_PER_DAY])
    vintages = np.full(len(wines), UNKNOWN_VINTAGE, dtype=np.int16)
    return Questions(nobody, as_of, np.zeros(len(wines), dtype=np.int64), wines, vintages, as_of)

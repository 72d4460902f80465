"""One member's precomputed list as bytes: read back exactly, some 13 bytes a wine.

Scores fall from one wine to the next, and a few sources propose: so a wine's score is how far it falls below the one before in
float32's own order, and shares one word of as few bits as the list needs with its source.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.store.packing import Garbled, checked, read_words, split, summed, write_words

DIGEST_BYTES: Final = 16
MOST_WINES: Final = 255

_HEAD: Final = struct.Struct(f"<q{DIGEST_BYTES}sBBBI")  # precomputed_at, made_of, wines, bits of a score and _FALLS, of a source, base
_FALLS: Final = 0x80
_SIGN: Final = np.uint32(1 << 31)


@dataclass(frozen=True, slots=True)
class MemberList:
    """A member's list, best first: `wines` (wines,) int64 identities, `scores` (wines,) float32, `sources` (wines,) uint8.

    `precomputed_at`: microseconds since 1970 UTC, when it was made; `made_of`: 16 bytes, the digest of all that it was made of.
    """

    wines: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    sources: npt.NDArray[np.uint8]
    precomputed_at: int
    made_of: bytes


def pack(made: MemberList, key: bytes) -> bytes:
    """The bytes of the list of the member with `key`; ValueError for more than 255 wines, arrays that do not go together, or a digest
    of another length than 16.
    """
    if len(made.made_of) != DIGEST_BYTES or len(made.wines) > MOST_WINES or not len(made.wines) == len(made.scores) == len(made.sources):
        raise ValueError(f"{len(made.wines)} wines, {len(made.scores)} scores, {len(made.sources)} sources, made of {made.made_of!r}")
    ranks = _ranks(made.scores)
    falls = -np.diff(ranks, prepend=ranks[:1])
    is_falling = bool((falls >= 0).all())
    base = int(ranks[0] if is_falling else ranks.min()) if len(ranks) else 0
    columns = [falls if is_falling else ranks - base, made.sources.astype(np.int64)]
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    words = columns[0].astype(np.uint64) | columns[1].astype(np.uint64) << np.uint64(bits[0])
    head = _HEAD.pack(made.precomputed_at, made.made_of, len(made.wines), bits[0] | (_FALLS if is_falling else 0), bits[1], base)
    return summed(head + made.wines.astype("<i8").tobytes() + write_words(words, sum(bits)), key)


def unpack(value: bytes, key: bytes) -> MemberList:
    """The list that was packed; Garbled when `value` is not whole, or not that of the member with `key`."""
    body = checked(value, key)
    try:
        precomputed_at, made_of, count, score, source_bits, base = _HEAD.unpack_from(body)
        wines = np.frombuffer(body, "<i8", count, _HEAD.size).astype(np.int64)
        words = read_words(body, _HEAD.size + 8 * count, count, (score & ~_FALLS) + source_bits)
    except (struct.error, ValueError) as error:
        raise Garbled(f"a list's value of {len(value)} bytes is not whole ({error})") from error
    ranks, sources = split(words, [score & ~_FALLS, source_bits])
    ranks = base - np.cumsum(ranks) if score & _FALLS else base + ranks
    return MemberList(wines, _scores(ranks), sources.astype(np.uint8), precomputed_at, made_of)


def _ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Where each float32 stands among all of them, from 0: what is greater stands higher, and no two of other bits together."""
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(np.int64)


def _scores(ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    bits = ranks.astype(np.uint32)
    return np.where(bits & _SIGN, bits ^ _SIGN, ~bits).astype(np.uint32).view(np.float32)

"""How a member's ratings are kept: a few bytes a row, read back exactly; every store keeps the same bytes.

Memory is what a store of millions of members costs. So each value says which widths its own columns need: the moments'
coarsest unit and the widest gap between two of them, the rows', vintages' and strengths' ranges. All columns of a row then
share one word of at most 64 bits, and the words follow each other bit by bit. What does not fit (a strength between the
steps, a range too wide, moments out of order) is kept as plain EVENT rows.
"""

from __future__ import annotations

import binascii
import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.events.moments import MICROSECONDS_PER_DAY, NEVER
from cellar_shared.features.histories import EVENT, Events

PACKING: Final = 2  # part of what a generation was written with

# Units a member's moments may all be whole numbers of, coarsest first; a date counts from its day's last microsecond.
_UNITS: Final = (MICROSECONDS_PER_DAY, 60_000_000, 1_000_000, 1_000, 1)
# Steps of strength: half stars, a fifth of five points, and what is left when ratings have one decimal.
_STEPS: Final = (0.5, 0.2, 0.1, 0.02)
_PLAIN: Final = 0xFF

_HEAD: Final = struct.Struct("<HBBHH")  # checksum, unit or _PLAIN, step and flags, dated rows, undated rows
_RANGES: Final = struct.Struct("<q4Bhb")  # first moment in units; bits of a gap, row, vintage, strength; least vintage and strength
_LIKED_FOLLOWS: Final = 0x80
_AT_DAYS_END: Final = 0x40
_STEP: Final = 0x0F

UInt64s = npt.NDArray[np.uint64]


class Garbled(ValueError):
    """Bytes that are no packed value: damaged, or somebody else's."""


def pack_events(events: Events, key: bytes = b"") -> bytes:
    """The bytes of one member's `events` (EVENT, oldest first, undated last); `unpack_events` gives exactly them back.

    `key` is the member's: under another one the bytes are no value.
    """
    packed = _packed(events)
    if packed is None:
        packed = _HEAD.pack(0, _PLAIN, 0, 0, 0)[2:] + events.tobytes()
    return summed(packed, key)


def unpack_events(value: bytes, key: bytes = b"") -> Events:
    """The EVENT rows that were packed; Garbled when `value` is not whole, or not that of the member with `key`."""
    body = checked(value, key)
    if len(value) < _HEAD.size:
        raise Garbled(f"{len(value)} bytes are too few for a member")
    _, unit, flags, dated, undated = _HEAD.unpack_from(value)
    if unit == _PLAIN:
        rows = body[_HEAD.size - 2 :]
        if len(rows) % EVENT.itemsize:
            raise Garbled(f"{len(rows)} bytes are no whole number of ratings")
        return np.frombuffer(rows, dtype=EVENT)
    if unit >= len(_UNITS) or flags & _STEP >= len(_STEPS):
        raise Garbled(f"a member's value has unit {unit} and flags {flags}, which mean nothing")
    try:
        first, *bits, least_vintage, least_strength = _RANGES.unpack_from(value, _HEAD.size)
        words = read_words(value, _HEAD.size + _RANGES.size, dated + undated, sum(bits) + (not flags & _LIKED_FOLLOWS))
    except (struct.error, ValueError) as error:
        raise Garbled(f"a member's value of {len(value)} bytes is not whole ({error})") from error
    columns = split(words, bits)
    events = np.empty(dated + undated, dtype=EVENT)
    shift = 1 if flags & _AT_DAYS_END else 0
    events["moment"] = (np.cumsum(columns[0]) + first) * _UNITS[unit] - shift
    events["moment"][dated:] = NEVER
    events["row"] = columns[1] - 1
    events["vintage"] = columns[2] + least_vintage
    events["strength"] = (columns[3] + least_strength) * _STEPS[flags & _STEP]
    events["liked"] = events["strength"] >= 0 if flags & _LIKED_FOLLOWS else words >> np.uint64(sum(bits))
    return events


def _packed(events: Events) -> bytes | None:
    """The compact form without its checksum; None where the rows do not fit it."""
    dated = int(np.searchsorted(events["moment"], NEVER))
    undated = len(events) - dated
    step = _step_of(events["strength"])
    if step is None or max(dated, undated) > 0xFFFF:
        return None
    unit, is_at_days_end, moments = _in_units(events["moment"][:dated])
    first = int(moments[0]) if dated else 0
    gaps = np.diff(moments, prepend=first)
    strengths = np.rint(events["strength"].astype(np.float64) / _STEPS[step]).astype(np.int64)
    vintages = events["vintage"].astype(np.int64)
    least_strength = int(strengths.min(initial=127))
    least_vintage = int(vintages.min(initial=32767))
    if least_strength < -128 or (gaps < 0).any():
        return None
    columns = [
        np.concatenate([gaps, np.zeros(undated, dtype=np.int64)]),
        events["row"].astype(np.int64) + 1,
        vintages - least_vintage,
        strengths - least_strength,
    ]
    follows = bool((events["liked"] == (events["strength"] >= 0)).all())
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    if int(columns[1].min(initial=0)) < 0 or sum(bits) + (not follows) > 64:
        return None
    words = np.zeros(len(events), dtype=np.uint64)
    place = 0
    for column, width in zip(columns, bits, strict=True):
        words |= column.astype(np.uint64) << np.uint64(place)
        place += width
    if not follows:
        if (events["liked"] > 1).any():
            return None
        words |= events["liked"].astype(np.uint64) << np.uint64(place)
        place += 1
    flags = step | (_LIKED_FOLLOWS if follows else 0) | (_AT_DAYS_END if is_at_days_end else 0)
    head = _HEAD.pack(0, unit, flags, dated, undated)[2:]
    return head + _RANGES.pack(first, *bits, least_vintage, least_strength) + write_words(words, place)


def _step_of(strengths: npt.NDArray[np.float32]) -> int | None:
    """The coarsest step that gives every strength back to the bit; None without one."""
    if not np.isfinite(strengths).all():
        return None
    for place, step in enumerate(_STEPS):
        steps = np.rint(strengths.astype(np.float64) / step).astype(np.int64)
        if np.array_equal((steps * step).astype(np.float32).view(np.uint32), strengths.view(np.uint32)):
            return place
    return None


def _in_units(moments: npt.NDArray[np.int64]) -> tuple[int, bool, npt.NDArray[np.int64]]:
    """The moments as whole numbers of the coarsest unit that all of them are; whether each was one microsecond before it."""
    for place, unit in enumerate(_UNITS):
        if not (moments % unit).any():
            return place, False, moments // unit
        if place == 0 and not ((moments + 1) % unit).any():
            return place, True, (moments + 1) // unit
    raise AssertionError("every moment is a whole number of microseconds")


def write_words(words: UInt64s, bits: int) -> bytes:
    """The lowest `bits` of each word (rows,) one behind the other."""
    each = np.unpackbits(words.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, count=bits, bitorder="little")
    return np.packbits(each, bitorder="little").tobytes()


def read_words(value: bytes, start: int, rows: int, bits: int) -> UInt64s:
    """The words of `bits` that lie in `value` from `start` to its end; Garbled where these are not `rows`."""
    if len(value) - start != (rows * bits + 7) // 8 or bits > 64:
        raise Garbled(f"{len(value) - start} bytes, expected {rows} rows of {bits} bits")
    each = np.unpackbits(np.frombuffer(value, np.uint8, offset=start), count=rows * bits, bitorder="little")
    words = np.zeros((rows, 64), dtype=np.uint8)
    words[:, :bits] = each.reshape(rows, bits)
    return np.packbits(words, axis=1, bitorder="little").view("<u8").ravel()


def split(words: UInt64s, bits: list[int]) -> list[npt.NDArray[np.int64]]:
    """The columns that share the words, the first in the lowest of as many bits as `bits` says."""
    columns, place = [], 0
    for width in bits:
        columns.append(((words >> np.uint64(place)) & np.uint64((1 << width) - 1)).astype(np.int64))
        place += width
    return columns


def summed(body: bytes, key: bytes) -> bytes:
    """`body` behind its checksum (CRC-16/XMODEM) with its member's key: neither damage nor another member's bytes may look right."""
    return _checksum(body, key).to_bytes(2, "little") + body


def checked(value: bytes, key: bytes) -> bytes:
    """What `summed` was given; Garbled when the bytes or the key are others."""
    body = value[2:]
    if len(value) < 3 or _checksum(body, key) != int.from_bytes(value[:2], "little"):
        raise Garbled(f"the checksum of {len(value)} bytes is wrong")
    return body


def _checksum(body: bytes, key: bytes) -> int:
    return binascii.crc_hqx(body, binascii.crc_hqx(key, PACKING))

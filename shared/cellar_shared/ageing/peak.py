"""Where a curve is highest and where it is near that: the roots that `Curves` reads its landmarks off, by Newton's method.

With a = exp((m1 - u) / s1) and b = exp((u - m2) / s2), drinkability is 1 / ((1 + a) (1 + b)). Its log is concave in u, which gives
every search below a start on the right side and keeps it there; 1,000,000 curves take about half a second.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.ageing.arrhenius import Floats

# The top lies at most this many scales outside of m1..m2: the largest x log(2 / x), at x = 2 / e.
_OUTSIDE: Final = 2 / np.e
# A step this small, in scales, is the last one: Newton doubles the digits, so what is left is rounding.
_SMALL_STEP: Final = 1e-7
_MOST_STEPS: Final = 60  # never seen above 10; the law's tests would show it


def peaks(m1: Floats, s1: Floats, m2: Floats, s2: Floats, near: float) -> tuple[Floats, Floats, Floats]:
    """The log age of the highest drinkability, and the two where it is `near` (a share) of that, clamped to m1..m2. All (curves,)."""
    top = _top(m1, s1, m2, s2)
    odds = _odds_against(np.exp((m1 - top) / s1), np.exp((top - m2) / s2))
    allowed = (1 + odds) / near - 1  # odds against, where it is near enough
    # Alone, either factor is near enough there: the product is not yet, or just.
    reach = np.log(1 / allowed)
    peak_from = _side(np.minimum(np.maximum(m1, m1 + s1 * reach), m2), allowed, m1, s1, m2, s2)
    peak_to = _side(np.maximum(np.minimum(m2, m2 - s2 * reach), m1), allowed, m1, s1, m2, s2)
    return top, np.minimum(peak_from, np.clip(top, m1, m2)), np.maximum(peak_to, np.clip(top, m1, m2))


def _top(m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    """Where both factors' logs change equally fast. The difference of those rates' logs is nearly a line that falls."""
    low, high = m1 - _OUTSIDE * s1, m2 + _OUTSIDE * s2
    line = np.log(s2 / s1)
    u = np.clip((m1 / s1 + m2 / s2 + line) / (1 / s1 + 1 / s2), low, high)
    moves = np.ones(u.shape, np.bool_)
    for _ in range(_MOST_STEPS):
        a, b = np.exp((m1 - u) / s1), np.exp((u - m2) / s2)
        rises = (m1 - u) / s1 - (u - m2) / s2 + line + np.log1p((b - a) / (1 + a))
        low, high = np.where(rises > 0, u, low), np.where(rises > 0, high, u)
        step = rises / (1 / (s1 * (1 + a)) + 1 / (s2 * (1 + b)))
        after = u + step
        # A step out of what is known to hold the top is halved into it.
        after = np.where((after < low) | (after > high), (low + high) / 2, after)
        u, moves = _moved(u, after, moves, s1, s2)
        if not moves.any():
            break
    return u


def _side(u: Floats, allowed: Floats, m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    """From `u`, outside of what is near the peak: the next point that is near. A concave function's tangents never step over it.

    Where m1 or m2 is near the peak itself, `u` is that point and the step from it leads out: it is clamped back.
    """
    moves = np.ones(u.shape, np.bool_)
    for _ in range(_MOST_STEPS):
        a, b = np.exp((m1 - u) / s1), np.exp((u - m2) / s2)
        short = np.log1p((_odds_against(a, b) - allowed) / (1 + allowed))
        slope = a / ((1 + a) * s1) - b / ((1 + b) * s2)
        with np.errstate(divide="ignore", invalid="ignore"):
            after = np.clip(u + np.where(short > 0, short / slope, 0.0), m1, m2)
        u, moves = _moved(u, after, moves, s1, s2)
        if not moves.any():
            break
    return u


def _moved(before: Floats, after: Floats, moves: npt.NDArray[np.bool_], s1: Floats, s2: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The points after a step, and which go on. One that has arrived stays: it is the same whatever others it is sought with."""
    return np.where(moves, after, before), moves & (np.abs(after - before) > _SMALL_STEP * np.minimum(s1, s2))


def _odds_against(a: Floats, b: Floats) -> Floats:
    return np.asarray(a + b + a * b)

"""Numbers as a page shows them, and round values along an axis; evaluation reports call it."""

from __future__ import annotations

import math
from typing import Any

import msgspec


def number(value: float | None, digits: int = 4, signed: bool = False) -> str:
    """A fixed number of decimals with a true minus sign; a dash for what is undefined."""
    if value is None:
        return "\u2013"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if not text.strip("+-0."):  # nothing is left of it but a sign
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def fact(value: Any) -> str:
    """A data fact as text: whole numbers are counts with thousands apart, mappings and lists are joined by commas."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(fact(inner) for inner in value)
    return msgspec.json.encode(value).decode()


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def ticks(start: float, end: float, wanted: int = 5) -> list[tuple[float, str]]:
    """At most `wanted` round values within [start, end], zero among them if inside, with equally long labels."""
    rough = (end - start) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(start / step), math.floor(end / step)
    return [(i * step, f"{i * step:.{digits}f}".replace("-", "\u2212")) for i in range(first, last + 1)]

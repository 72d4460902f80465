"""Reads a span of days as people write it on a command line: 30d, 6w."""

from __future__ import annotations

import re
from typing import Final

from cellar_shared.errors import BadInput

_UNITS: Final = {"d": 1, "w": 7}


def days_of(text: str) -> int:
    """The days that `text` (a whole number and d or w) stands for; BadInput for anything else."""
    found = re.fullmatch(r"(\d{1,5})([dw])", text.strip())
    if found is None:
        raise BadInput(f"{text!r} is no span of days; write a number and d or w, for example 30d")
    return int(found[1]) * _UNITS[found[2]]

"""Takes out of an evening's texts what no page may hold or what would change how its neighbours read; `page` calls it first."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final, TypeVar

T = TypeVar("T")

INSTEAD: Final = "\ufffd"
SPACES: Final = re.compile("[\t\n\r\f\u2028\u2029]+")
# What HTML and XML forbid: controls, halves of surrogate pairs, code points that are no characters. What turns the direction of
# the text around it: marks of embedding, override and isolation (Unicode's annex 9; the page isolates every name by itself).
FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\u202a-\u202e\u2066-\u2069"
    + "".join(chr(plane * 0x10000 + end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)


def cleaned(value: T) -> T:
    """The same value with every text in it cleaned; goes into dataclasses, tuples and dictionaries."""
    return _cleaned(value)  # type: ignore[no-any-return]


def clean_text(text: str) -> str:
    """The text with a space for each line's end, and U+FFFD for each character that no page may hold."""
    return FORBIDDEN.sub(INSTEAD, SPACES.sub(" ", text))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, tuple):
        return tuple(_cleaned(each) for each in value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{field.name: _cleaned(getattr(value, field.name)) for field in dataclasses.fields(value)})
    return value

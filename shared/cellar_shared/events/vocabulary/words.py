"""Texts as the vocabularies compare them: without accents, case, punctuation and what a label adds to a name."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

# What does not fall apart into a letter and an accent.
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i", "\u2019": "'", "`": "'", "\u00b4": "'"}
)
_SHORT: Final = {"st": "saint", "ste": "sainte", "mt": "mount", "1er": "premier"}
_NOT_LETTERS: Final = re.compile(r"[^\w/]+")
# What a label adds to the name of a place: its rank, its register, a wine's colour.
_ADDED: Final = (
    "grand cru", "premier cru", "grand cru classe", "classico superiore", "classico", "superiore", "riserva", "reserva", "superior",
    "docg", "doc", "doca", "do", "dop", "aoc", "aop", "ac", "igt", "igp", "dac", "ava", "vqa", "wo", "gi", "wa", "or", "ca", "cl", "mi",
    "rive", "blanc", "rouge", "rosso", "bianco", "rose", "villages", "zone", "region", "valley",
)  # fmt: skip
_BEFORE: Final = (
    "vin de pays des",
    "vin de pays de",
    "vin de pays du",
    "vino de la tierra",
    "vi de la terra",
    "igp",
    "do",
    "aoc",
    "provincia di",
)
_BRACKETED: Final = re.compile(r"\s*\([^)]*\)|\s*['\"\u2018\u201c][^'\"\u2019\u201d]*['\"\u2019\u201d]\s*$")


@cache
def folded(text: str) -> str:
    """The text in plain lower-case words, one blank between them; empty for one without a letter."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("'", " ")
    return " ".join(_SHORT.get(word, word) for word in _NOT_LETTERS.sub(" ", plain).split())


def shorter(text: str) -> list[str]:
    """The folded text, then what is left of it without brackets, climats and ranks, longest first."""
    found = [folded(text)]
    bare = folded(_BRACKETED.sub("", text))
    for named in (found[0], bare):
        if named and named not in found:
            found.append(named)
    while (less := _without_added(bare)) != bare:
        bare = less
        if bare:
            found.append(bare)
    return found


def _without_added(name: str) -> str:
    for added in _ADDED:
        if name.endswith(f" {added}"):
            return name.removesuffix(f" {added}")
    for before in _BEFORE:
        if name.startswith(f"{before} "):
            return name.removeprefix(f"{before} ")
    return name

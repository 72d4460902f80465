"""The words of a tasting note as a bag of hashed terms: which of TERMS buckets they fall into; pure, and the same on every machine.

A note becomes one number of 64 bits and nothing else of it is kept. Words share buckets: a bag tells wines apart, not what was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_shared.features.identity import identity

TERMS: Final = 64  # buckets: a note's bag is one uint64, bit by bit
# Words that are in every note and say nothing of a wine (judgement). "not" and "no" do say something.
STOP_WORDS: Final = frozenset({
    "a", "an", "and", "are", "as", "at", "but", "by", "for", "from", "i", "in", "is", "it", "its", "my", "of", "on", "or", "s", "t",
    "that", "the", "this", "to", "was", "were", "with",
})  # fmt: skip

_ASCII_WORDS: Final = re.compile("[a-z]+")
# Texts that every rule above has something to say about: the fingerprint covers what becomes of them.
_BUILT_IN: Final = (
    "Lots of CHERRY, bone dry and grippy; love the body!",
    "Rosé d'été; mûre, 2015 (14,5 %), straße",
    "черешня и ваниль; κεράσι",
    "黒い果実 सेब",
)


def words_of(text: str) -> list[str]:
    """The words of a text in its order, without regard to case and Unicode form; digits, signs and STOP_WORDS are none.

    A word is a run of letters with their marks. Where a script has no spaces that is a whole clause.
    """
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    if folded.isascii():
        words = _ASCII_WORDS.findall(folded)
    else:
        words = "".join(char if unicodedata.category(char)[0] in "LM" else " " for char in folded).split()
    return [word for word in words if word not in STOP_WORDS]


def terms_of(text: str) -> int:
    """The buckets that the words of a text fall into, as bits of a number below 2**TERMS; a word said twice counts once."""
    terms = 0
    for word in words_of(text):
        terms |= 1 << (identity("term", word) % TERMS)
    return terms


def bags_of(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """`terms_of` each text; (texts,)."""
    return np.fromiter(map(terms_of, texts), dtype=np.uint64)


@cache
def terms_fingerprint() -> str:
    """A digest of what becomes of texts: bags made under another one are of other terms."""
    digest = sha256(repr((TERMS, sorted(STOP_WORDS))).encode())
    for text in _BUILT_IN:
        digest.update(repr([(word, identity("term", word) % TERMS) for word in words_of(text)]).encode())
    return digest.hexdigest()

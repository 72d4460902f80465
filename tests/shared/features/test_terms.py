"""Words of a note become the same terms everywhere, whatever their case, form and order."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.features import terms
from cellar_shared.features.terms import STOP_WORDS, TERMS, bags_of, terms_fingerprint, terms_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("The 2015 is 14.5 %!", []),
        ("Full-bodied, FULL of it", ["full", "bodied", "full"]),
        ("Straße", ["strasse"]),
        ("черешня, и дуб", ["черешня", "и", "дуб"]),
        ("हिन्दी शराब", ["हिन्दी", "शराब"]),
        ("黒い果実、酸味", ["黒い果実", "酸味"]),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_are_runs_of_letters_with_their_marks(text, words):
    assert words_of(text) == [unicodedata.normalize("NFD", word) for word in words]


def test_an_accent_tells_words_apart_and_its_form_does_not():
    assert words_of("ros\u00e9") == words_of("ROSE\u0301") != words_of("rose")


@given(st.text(max_size=60))
def test_terms_regard_neither_form_nor_order_nor_how_often(text):
    found = terms_of(text)
    assert 0 <= found < 2**TERMS
    assert found == terms_of(unicodedata.normalize("NFC", text)) == terms_of(f"{text} {text}")
    assert found == terms_of(" ".join(reversed(words_of(text))))
    assert found.bit_count() <= len(set(words_of(text)))
    assert not STOP_WORDS & set(words_of(text))
    assert bags_of([text, ""]).tolist() == [found, 0]


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_texts_together_hold_the_terms_of_both(one, other):
    assert terms_of(f"{one} {other}") == terms_of(one) | terms_of(other)


def test_terms_are_the_same_on_every_machine():
    """Figures that were seen once: whoever changes them must write generations and bundles again."""
    assert terms_of("cherry") == 1 << 54
    program = "from cellar_shared.features.terms import *; print(terms_of('rosé mûre'), terms_fingerprint())"
    environment = os.environ | {"PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONUTF8": "1"}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, timeout=300).stdout
    assert said.split() == [str(terms_of("rosé mûre")), terms_fingerprint()]


def test_other_stop_words_are_another_fingerprint(monkeypatch):
    before = terms_fingerprint()
    terms_fingerprint.cache_clear()
    monkeypatch.setattr(terms, "STOP_WORDS", frozenset({"cherry"}))
    try:
        assert terms_fingerprint() != before
    finally:
        terms_fingerprint.cache_clear()

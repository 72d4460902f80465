"""When two names are one: case, outer space and Unicode form aside for names, to the letter for wine ids."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.features.identity import UNKNOWN, identity, mixed
from cellar_shared.features.wines import GRAPES_KEPT, WINE, WineFacts, no_wines, wine_record

LAW = settings(max_examples=200, deadline=None, derandomize=True)
letters = st.characters(max_codepoint=0x2FFF, exclude_characters="\u0345")  # a mark that case folding makes a letter, in place
numbers = st.integers(-(2**63), 2**63 - 1)


@LAW
@given(st.text(letters, min_size=1), st.sampled_from(["NFC", "NFD"]), st.sampled_from(["", " ", "\t", "\u00a0 "]))
def test_case_outer_space_and_unicode_form_do_not_tell_names_apart(text, form, space):
    one = identity("producer", text)
    assert identity("producer", unicodedata.normalize(form, text)) == one
    assert identity("producer", text.casefold()) == one
    assert identity("producer", space + text + space) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [("Château Ñ", "CHÂTEAU ñ"), ("Weiß", "WEISS"), ("\u0390", "\u03aa\u0301"), ("Ca\u0300", "CÀ"), ("ﬁ", "FI")],
)
def test_names_that_differ_in_case_and_form_at_once_are_one(one, other):
    assert identity("region", one) == identity("region", other) != UNKNOWN


@pytest.mark.parametrize("other", ["A1", "a1 ", " a1", "a\u03001", "á1"])
def test_wine_ids_are_compared_to_the_letter(other):
    assert identity("wine", "a1") != identity("wine", other)
    assert identity("wine", "\u00e1") != identity("wine", "a\u0301")


@LAW
@given(st.text(min_size=1), st.text(min_size=1))
def test_different_wine_ids_have_different_identities_that_are_never_unknown(one, other):
    assert identity("wine", one) != UNKNOWN
    assert (identity("wine", one) == identity("wine", other)) == (one == other)


def test_one_word_is_another_thing_as_a_country_than_as_a_producer():
    assert identity("country", "Georgia") != identity("producer", "Georgia")


@pytest.mark.parametrize("text", [None, "", " ", "\u00a0\t"])
def test_nothing_is_unknown(text):
    assert identity("producer", text) == UNKNOWN


def test_half_a_surrogate_pair_has_an_identity_too():
    assert len({identity("wine", "\ud800"), identity("wine", "\udfff"), UNKNOWN}) == 3


def test_identities_are_the_same_on_every_machine():
    assert identity("country", " ITALY") == 3_495_408_095_552_195_032


@LAW
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_several_together_are_unknown_exactly_where_one_of_them_is(pairs):
    one, other = np.array(pairs, dtype=np.int64).T
    together = mixed(np.ascontiguousarray(one), np.ascontiguousarray(other))
    np.testing.assert_array_equal(together[(one == UNKNOWN) | (other == UNKNOWN)], UNKNOWN)
    known = (one != UNKNOWN) & (other != UNKNOWN)
    assert len(set(together[known].tolist())) == len({pair for pair, is_known in zip(pairs, known, strict=True) if is_known})


def test_neighbours_mixed_spread_over_all_64_bits_and_order_matters():
    one, other = (grid.ravel().astype(np.int64) for grid in np.meshgrid(np.arange(1, 201), np.arange(1, 201)))
    together = mixed(one, other)
    assert len(np.unique(together)) == together.size  # (1, 2) is not (2, 1) either
    bits = together.view(np.uint64)[:, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    assert (np.abs(bits.mean(axis=0) - 0.5) < 0.02).all()


def test_a_record_keeps_the_first_few_distinct_names_and_says_what_is_unknown():
    grapes = ["Merlot", "", "merlot", "Gamay", "Syrah", "Malbec", "Cinsault"]
    record = np.array([wine_record("a", WineFacts(grapes=grapes, price=np.e))], dtype=WINE)[0]
    assert record["grapes"].tolist() == [identity("grape", name) for name in ("Merlot", "Gamay", "Syrah", "Malbec")]
    assert len(record["grapes"]) == GRAPES_KEPT
    assert record["log_price"] == 1
    assert np.isnan(record["abv"])
    assert record["producer"] == UNKNOWN
    assert no_wines(2)["wine"].tolist() == [UNKNOWN, UNKNOWN]

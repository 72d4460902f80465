"""Laws of the encoder: a batch is its questions one by one, padding is nothing, a hidden wine is a new one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.features.candidates import OLDEST_YEARS, WINE_FEATURES, ages_years
from cellar_shared.features.encoder import CODED, Encoded, match_wines
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES, LONGEST_YEARS
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.features.wines import WINE, WineFacts, no_wines, wine_record

LAW = settings(max_examples=50, deadline=None, derandomize=True)


def some_questions(worlds, data, world):
    asked = data.draw(worlds.asked(world))
    return world.asks(data.draw(st.integers(0, worlds.MEMBERS - 1)), data.draw(worlds.moments), *asked)


def cut_out(encoded: Encoded, pairs: np.ndarray, member: int, items: int) -> Encoded:
    """One member's part of a batch, without the padding that longer histories brought."""
    return Encoded(
        wine=encoded.wine[pairs],
        wine_codes=encoded.wine_codes[pairs],
        item=encoded.item[member, None, :items],
        years_ago=encoded.years_ago[member, None, :items],
        item_codes=encoded.item_codes[member, None, :items],
        mask=encoded.mask[member, None, :items],
        match=encoded.match[pairs, :items],
        member=encoded.member[pairs] - member,
    )


@LAW
@given(data=st.data())
def test_a_batch_is_its_questions_one_by_one(worlds, data):
    world = data.draw(worlds.worlds())
    parts = [some_questions(worlds, data, world) for _ in range(data.draw(st.integers(1, 4)))]
    counts, encoder = world.counts(), world.encoder
    batch = encoder.encode(worlds.together(parts), counts)
    for place, part in enumerate(parts):
        alone = encoder.encode(part, counts)
        worlds.require_same(cut_out(batch, batch.member == place, place, alone.mask.shape[1]), alone)


@LAW
@given(data=st.data())
def test_past_a_historys_end_everything_is_zero_and_before_it_nothing_is_masked(worlds, data):
    world = data.draw(worlds.worlds())
    questions = worlds.together([some_questions(worlds, data, world) for _ in range(3)])
    encoded = world.encoder.encode(questions, world.counts())
    lengths = questions.histories.lengths
    past = np.arange(encoded.mask.shape[1]) >= lengths[:, None]
    np.testing.assert_array_equal(encoded.mask, ~past)
    for values in (encoded.item, encoded.years_ago, encoded.item_codes):
        assert not values[past].any()
    assert not encoded.match[past[encoded.member]].any()


@LAW
@given(data=st.data())
def test_arrays_have_the_shapes_and_ranges_that_are_promised(worlds, data):
    world = data.draw(worlds.worlds())
    questions = some_questions(worlds, data, world)
    encoded = world.encoder.encode(questions, world.counts())
    pairs, items = len(questions.wines), max(1, len(questions.histories.moments))
    assert encoded.wine.shape == (pairs, len(WINE_FEATURES))
    assert encoded.item.shape == (1, items, len(ITEM_FEATURES))
    assert encoded.match.shape == (pairs, items, len(MATCHES))
    assert ((encoded.years_ago >= 0) & (encoded.years_ago <= LONGEST_YEARS)).all()
    assert encoded.wine_codes.max(initial=0) < len(world.encoder.vocabulary)
    assert (np.diff(encoded.years_ago[encoded.mask == 1]) >= 0).all()  # newest first


@LAW
@given(data=st.data())
def test_a_hidden_wine_shows_no_rating_and_no_code_and_leaves_the_others_and_the_history_alone(worlds, data):
    world = data.draw(worlds.worlds())
    questions = some_questions(worlds, data, world)
    counts, encoder = world.counts(), world.encoder
    hidden = np.array([data.draw(st.booleans()) for _ in questions.wines])
    shown, given_hidden = encoder.encode(questions, counts), encoder.encode(questions, counts, hidden)
    own = [name for name in WINE_FEATURES if name in ("is_rated", "wine_ratings", "wine_year_ratings", "wine_vintage_ratings")]
    assert len(own) == 4
    for name in own:
        assert not given_hidden.wine[hidden, list(WINE_FEATURES).index(name)].any()
    assert not given_hidden.wine_codes[hidden, CODED.index("wine")].any()
    np.testing.assert_array_equal(given_hidden.wine[~hidden], shown.wine[~hidden])
    np.testing.assert_array_equal(given_hidden.wine_codes[~hidden], shown.wine_codes[~hidden])
    for name in ("item", "item_codes", "match", "mask", "years_ago"):
        np.testing.assert_array_equal(getattr(given_hidden, name), getattr(shown, name))


@LAW
@given(data=st.data())
def test_hiding_a_wine_that_nobody_has_rated_changes_its_code_alone(worlds, data):
    world = data.draw(worlds.worlds())
    world = world.having(rating for rating in world.ratings if rating.wine != 0)
    questions = world.asks(0, data.draw(worlds.moments), [0], [2015])
    shown, codes = world.encoder.encode_wines(questions, world.counts())
    hidden, hidden_codes = world.encoder.encode_wines(questions, world.counts(), np.array([True]))
    np.testing.assert_array_equal(hidden, shown)
    codes[:, CODED.index("wine")] = 0
    np.testing.assert_array_equal(hidden_codes, codes)


@LAW
@given(data=st.data())
def test_matches_are_symmetric_from_0_to_1_and_nothing_unknown_matches(worlds, data):
    one, other = (np.array([wine_record(name, data.draw(worlds.facts))], dtype=WINE) for name in "ab")
    for name, match in MATCHES.items():
        there, back = match(one[:, None], other[None]), match(other[:, None], one[None])
        assert there == back, name
        assert 0 <= there <= 1, name
        assert match(one[:, None], no_wines(1)[None]) == 0, name
        assert match(no_wines(1)[:, None], no_wines(1)[None]) == 0, name


def test_a_wine_matches_itself_in_all_that_is_known_of_it():
    facts = WineFacts("P", "Red", "Italy", "Barolo", ["Nebbiolo", "Barbera"], body=3.0, pairings=["Beef"])
    wine = np.array([wine_record("a", facts)], dtype=WINE)
    assert match_wines(wine, wine[None], np.array([0])).tolist() == [[[1.0] * len(MATCHES)]]


def test_shared_grapes_are_those_in_both_over_those_in_either_each_counted_once():
    one = np.array([wine_record("a", WineFacts(grapes=["Merlot", "merlot", "Syrah"]))], dtype=WINE)
    other = np.array([wine_record("b", WineFacts(grapes=["", "Gamay", "MERLOT"]))], dtype=WINE)
    assert MATCHES["shared_grapes"](one, other).tolist() == [np.float32(1 / 3)]


def test_ages_run_from_nought_to_the_oldest_and_a_wine_without_a_year_has_none():
    moments = np.full(6, 16_800 * 86_400_000_000, dtype=np.int64)  # in 2015
    years, is_ageless = ages_years(np.array([2015, 2010, 1900, 0, -1, 2030], dtype=np.int16), moments)
    assert years.tolist() == [0.0, 5.0, OLDEST_YEARS, 0.0, 0.0, 0.0]
    assert is_ageless.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]


# Vocabulary


@LAW
@given(st.lists(st.integers(-5, 5)), st.integers(1, 4), st.lists(st.integers(-9, 9)))
def test_each_name_that_occurs_often_enough_has_a_code_of_its_own_and_all_else_has_code_nought(seen, fewest, asked):
    vocabulary = Vocabulary.of(np.array(seen, dtype=np.int64), fewest)
    often = sorted(name for name in set(seen) if name != 0 and seen.count(name) >= fewest)
    codes = vocabulary.codes(np.array([asked], dtype=np.int64))
    assert codes.tolist() == [[often.index(name) + 1 if name in often else 0 for name in asked]]
    assert len(vocabulary) == len(often) + 1

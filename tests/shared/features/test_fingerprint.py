"""The fingerprint: the same in every process, another as soon as any definition answers otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cellar_shared.events.scales import SCALES
from cellar_shared.features import fingerprint
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.encoder import Encoder
from cellar_shared.features.fingerprint import built_in, feature_fingerprint
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.vocabulary import Vocabulary

DEFINITIONS = [(table, name) for table in (WINE_FEATURES, ITEM_FEATURES, MATCHES) for name in table]


@pytest.fixture
def fresh() -> Iterator[None]:
    feature_fingerprint.cache_clear()
    yield
    feature_fingerprint.cache_clear()


def test_another_process_finds_the_same_fingerprint():
    program = "from cellar_shared.features.fingerprint import feature_fingerprint as f; print(f())"
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, timeout=300)
    assert found.stdout.strip() == feature_fingerprint()
    assert len(feature_fingerprint()) == 64


@pytest.mark.parametrize(("table", "name"), DEFINITIONS, ids=[name for _, name in DEFINITIONS])
@pytest.mark.usefixtures("fresh")
def test_it_changes_when_a_definition_answers_otherwise(monkeypatch, table, name):
    before, definition = feature_fingerprint(), table[name]
    feature_fingerprint.cache_clear()
    monkeypatch.setitem(table, name, lambda *arguments: np.asarray(definition(*arguments) + 0.01))
    assert feature_fingerprint() != before


@pytest.mark.usefixtures("fresh")
def test_it_changes_when_definitions_change_places_scales_move_or_ratings_are_counted_otherwise(monkeypatch):
    seen = {feature_fingerprint()}
    for change in ("order", "scale", "counting"):
        with monkeypatch.context() as patch:
            if change == "order":
                patch.setattr(fingerprint, "WINE_FEATURES", dict(reversed(WINE_FEATURES.items())))
            elif change == "scale":
                patch.setitem(SCALES, "1-5", replace(SCALES["1-5"], liked_from=3.5))
            else:
                patch.setattr("cellar_shared.features.counting.LENIENCY_BELIEF", 0.5)
            feature_fingerprint.cache_clear()
            seen.add(feature_fingerprint())
    assert len(seen) == 4


def test_every_definition_has_something_to_say_about_the_built_in_history():
    questions, counts = built_in()
    encoded = Encoder(Vocabulary.of(questions.wines["wine"], fewest=1)).encode(questions, counts)
    for values, table in ((encoded.wine, WINE_FEATURES), (encoded.item, ITEM_FEATURES), (encoded.match, MATCHES)):
        silent = [name for place, name in enumerate(table) if not values[..., place].any()]
        assert not silent

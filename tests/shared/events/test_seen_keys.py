"""Which keys an import has met: the law against a plain dictionary."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.events.sources.seen_keys import SeenKeys

keys = st.tuples(st.sampled_from(["", "a", "b", "ab", "ä"]), st.one_of(st.none(), st.integers(0, 3)))


@given(st.lists(st.lists(keys, max_size=12), max_size=6))
def test_a_row_is_told_where_its_key_was_met_first(batches: list[list[tuple[str, int | None]]]) -> None:
    seen, met, place = SeenKeys(), {}, 0
    for batch in batches:
        places = np.arange(place, place + len(batch), dtype=np.int64)
        place += len(batch)
        expected = [met.setdefault(key, int(at)) for key, at in zip(batch, places, strict=True)]
        rows = pl.DataFrame(batch, schema={"text": pl.String, "number": pl.Int32}, orient="row")
        assert seen.first_places(rows, ["text", "number"], places).tolist() == expected


def test_many_batches_stay_in_few_runs() -> None:
    seen = SeenKeys()
    for batch in range(200):
        rows = pl.DataFrame({"id": [f"{batch}-{n}" for n in range(50)]})
        places = np.arange(batch * 50, batch * 50 + 50, dtype=np.int64)
        assert (seen.first_places(rows, ["id"], places) == places).all()
    assert len(seen._runs) <= 10
    assert seen.first_places(pl.DataFrame({"id": ["7-7", "x"]}), ["id"], np.array([90_000, 90_001])).tolist() == [357, 90_001]

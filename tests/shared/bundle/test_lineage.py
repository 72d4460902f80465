"""Where a bundle comes from, as every manifest says it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from cellar_shared.bundle.lineage import commit_of, lineage_of

ROWS = np.array([3, 1, 2], dtype=np.uint64)


def test_lineage_names_data_rows_code_and_libraries():
    told = lineage_of("made", "d1", ROWS, code=Path(__file__), libraries=("numpy",))
    assert (told["data_source"], told["data_digest"], told["rows"]) == ("made", "d1", 3)
    assert told["commit"] == commit_of(Path(__file__))
    assert told["libraries"] == {"cellar-shared": version("cellar-shared"), "numpy": version("numpy")}


def test_the_digest_of_rows_knows_which_they_are_but_not_their_order():
    digest, again, others = (
        lineage_of("made", "d1", rows, code=Path(__file__), libraries=())["rows_digest"] for rows in (ROWS, ROWS[::-1], ROWS + np.uint64(1))
    )
    assert digest == again
    assert digest != others


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert commit_of(tmp_path / "code.py") is None

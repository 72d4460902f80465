"""A night of lists as a person runs it, beside a service that answers all the while."""

from __future__ import annotations

import json
import shutil
import time
from datetime import datetime, timedelta

import polars as pl
import pytest

pytestmark = pytest.mark.slow

TAKEN_UP_WITHIN_S = 300  # whatever is waited for ends the wait


def test_a_service_takes_up_the_lists_of_the_night_while_it_answers(cellar, made, recommender, serving_recommender, tmp_path):
    store, out = shutil.copytree(made.store, tmp_path / "store"), tmp_path / "lists"
    with serving_recommender(recommender, store) as service:
        request = {"member_id": "m1", "limit": 50}
        status, before = service.ask("POST", "/score", request)
        assert (status, before["precomputed_at"]) == (200, None)
        assert before["sources"]["precomputed"]["proposed"] == 0
        done = cellar("score", "recommender", "--bundle", recommender, "--data", made.data, "--store", f"lmdb://{store}",
                      "--out", out, "--json")  # fmt: skip
        assert done.returncode == 0, done.stderr
        night = json.loads(done.stdout)
        end = time.monotonic() + TAKEN_UP_WITHIN_S
        while (answer := service.ask("POST", "/score", request)[1])["precomputed_at"] is None:
            assert time.monotonic() < end, "the lists are not taken up"
            time.sleep(0.1)
        assert answer["precomputed_at"] == night["precomputed_at"]
        assert answer["sources"]["precomputed"]["proposed"] > 0
        # Asked about the moment before, there was no list yet: the answer is what the night wrote.
        moment = datetime.fromisoformat(night["precomputed_at"]) - timedelta(microseconds=1)
        earlier = service.ask("POST", "/score", request | {"as_of": moment.isoformat()})[1]
        assert earlier["precomputed_at"] is None
        own = pl.concat([pl.read_parquet(out / part["file"]) for part in night["parts"]]).filter(pl.col("member_id") == "m1")
        assert own["wine_id"].to_list() == [item["wine_id"] for item in earlier["items"]]
        assert service.stop() == 0

"""A rating that is sent to one service or pushed by file changes the very next answer of another, and stays in the next generation."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

WITHIN_S = 300.0


@pytest.fixture(params=["lmdb", "redis"])
def place(request: pytest.FixtureRequest, made: Any, cellar: Any, tmp_path: Path) -> tuple[Path, str]:
    """A data folder of this test's own, and the URL of the store that it was materialized to."""
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    url = f"lmdb://{tmp_path / 'store'}"
    if request.param == "redis":
        url = request.getfixturevalue("own_redis").url(tmp_path / "store", timeout_ms=30_000)
    done = cellar("materialize", "--data", data, "--store", url)
    assert done.returncode == 0, done.stderr
    return data, url


def rating(event_id: str, member_id: str, wine_id: str, **fields: Any) -> dict[str, Any]:
    event = {"kind": "rating", "event_id": event_id, "member_id": member_id, "occurred_at": "2021-12-30T12:00:00Z"}
    return event | {"wine_id": wine_id, "rating": 4.5} | fields


def own_tastings(service: Any, member_id: str) -> tuple[int, str]:
    """How many of the member's ratings the answer stands on, and the generation it is made of."""
    status, answer = service.ask("POST", "/score", {"member_id": member_id, "wines": [{"wine_id": "w001"}]})
    assert status == 200
    assert "store_unavailable" not in answer["degraded"]
    return answer["results"][0]["evidence"]["own_tastings"], answer["model"]["generation"]


def test_a_rating_that_is_posted_or_pushed_by_file_changes_the_very_next_answer_and_stays(made, place, cellar, serving, serving_events):
    data, url = place
    is_redis = url.startswith("redis")
    with serving(made, store=url) as preference, serving_events(url, None if is_redis else data) as events:
        before, first_generation = own_tastings(preference, "m1")
        assert own_tastings(preference, "somebody new")[0] == 0
        for count, wine_id in enumerate(("w003", "w004", "w005"), start=1):
            sent = {"events": [rating(f"p{count}", "m1", wine_id), rating(f"q{count}", "somebody new", wine_id)]}
            status, answer = events.ask("POST", "/events", sent)
            assert (status, [each["status"] for each in answer["results"]]) == (200, ["accepted", "accepted"])
            assert own_tastings(preference, "m1") == (before + count, first_generation)
            assert own_tastings(preference, "somebody new") == (count, first_generation)
        assert {each["status"] for each in events.ask("POST", "/events", sent)[1]["results"]} == {"duplicate"}
        assert own_tastings(preference, "m1")[0] == before + 3
        file = data.parent / "events.jsonl"
        file.write_text(f"{json.dumps(rating('f1', 'm1', 'w006'))}\n")
        for accepted in (1, 0):  # by file as well, and once
            done = cellar("push", file, "--data", data, "--store", url, "--json")
            assert (done.returncode, json.loads(done.stdout)["accepted"]) == (0, accepted), done.stderr
            assert own_tastings(preference, "m1") == (before + 4, first_generation)
        done = cellar("materialize", "--data", data, "--store", url)
        assert done.returncode == 0, done.stderr
        end = time.monotonic() + WITHIN_S
        while (seen := own_tastings(preference, "m1"))[1] == first_generation:
            assert seen[0] == before + 4
            assert time.monotonic() < end, "the new generation is not taken up"
            time.sleep(0.05)
        assert seen[0] == before + 4
        assert own_tastings(preference, "somebody new")[0] == 3
        assert {each["status"] for each in events.ask("POST", "/events", sent)[1]["results"]} == {"duplicate"}
        assert (events.stop(), preference.stop()) == (0, 0)


def test_without_its_data_the_service_of_one_machine_says_what_to_name(made, cellar):
    done = cellar("serve", "events", "--store", f"lmdb://{made.store}", "--port", "0")
    assert done.returncode == 2
    assert "--data DATA" in done.stderr

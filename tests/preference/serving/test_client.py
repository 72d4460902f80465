"""The generated client against the real service as a process: typed answers, refusals, and a service killed in between."""

from __future__ import annotations

import re
import signal
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cellar_preference.serving import contract
from cellar_shared.client import preference as wire
from cellar_shared.client.errors import ProblemError


@pytest.fixture(scope="module")
def port(line: Any, serving: Callable[..., Any]) -> Iterator[int]:
    with serving(line) as (_, port):
        yield port


@pytest.fixture(scope="module")
def shop(port: int) -> Iterator[wire.PreferenceClient]:
    with wire.PreferenceClient(f"http://127.0.0.1:{port}", timeout_s=300) as client:
        client.ready()
        yield client


REQUEST = wire.PreferenceRequest(
    history=[wire.HistoryRow(wine_id="w001", rating=4.5, vintage=2016), wire.HistoryRow(wine_id="w002", rating=2.5, vintage="NV")],
    wines=[
        wire.WineAsked(wine_id="w003"),
        wire.WineAsked(wine_id="unheard-of", vintage=2019, about=wire.About(type="Red", country="Italy", grapes=["Nebbiolo"])),
    ],
)


def test_a_typed_answer_holds_what_the_service_says(shop, port):
    answer = shop.score(REQUEST)
    body = msgspec.json.encode(REQUEST)
    said = httpx.post(f"http://127.0.0.1:{port}/score", content=body, headers={"content-type": "application/json"}, timeout=300).json()
    typed = msgspec.to_builtins(answer)
    assert typed["results"] == said["results"]
    assert typed["model"].keys() == said["model"].keys()
    assert answer.features_as_of == datetime.fromisoformat(said["features_as_of"])
    assert answer.model.trained_through.tzinfo == UTC
    assert [each.basis for each in answer.results] == ["catalogue", "about"]


def test_a_moment_is_asked_about_as_given(shop):
    through = datetime.fromisoformat(shop.model("preference").properties["events_through"])
    answer = shop.score(msgspec.structs.replace(REQUEST, as_of=through))
    assert answer.as_of == through
    assert answer.degraded == []


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        ({"history": None}, "member-ambiguous", ""),
        ({"member_id": "m1"}, "member-ambiguous", ""),
        ({"as_of": datetime(9000, 1, 1, tzinfo=UTC)}, "as-of-in-future", "/as_of"),
        ({"as_of": datetime(2020, 1, 1)}, "wrong-type", "/as_of"),
        ({"scale": "0-7"}, "out-of-range", "/scale"),
    ],
)
def test_a_refusal_names_the_place(shop, changed, code, pointer):
    with pytest.raises(ProblemError) as refused:
        shop.score(msgspec.structs.replace(REQUEST, **changed))
    assert (refused.value.code, refused.value.status, [each.pointer for each in refused.value.errors]) == (code, 422, [pointer])


def test_metadata_is_typed(shop):
    assert shop.live().live
    assert shop.server().name == "preference"
    assert shop.model_ready("preference").ready
    with pytest.raises(ProblemError) as refused:
        shop.model("another")
    assert refused.value.status == 404


def test_the_service_reads_requests_as_the_client_writes_them():
    written = msgspec.json.decode(msgspec.json.encode(contract.EXAMPLE), type=wire.PreferenceRequest)
    assert msgspec.json.decode(msgspec.json.encode(written), type=contract.PreferenceRequest) == contract.EXAMPLE


def test_a_service_killed_and_started_again_between_two_calls_answers(line, serving):
    with serving(line) as (process, port), wire.PreferenceClient(f"http://127.0.0.1:{port}", timeout_s=300) as shop:
        shop.ready()
        before = shop.score(REQUEST)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with serving(line, port):
            # Not ready at first: the refusals say when to come back, and the call does.
            assert shop.score(REQUEST).results == before.results


def test_the_page_about_the_client_shows_what_runs(shop, port, capsys):
    page = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)]
    programs = [block.replace(":8081", f":{port}") for block in blocks if "import " in block or "with " in block]
    assert len(programs) == 3
    names: dict[str, Any] = {}
    for program in programs:
        exec(compile(program, "docs/client.md", "exec"), names)  # noqa: S102
    scored, refused = capsys.readouterr().out.splitlines()
    assert scored.startswith("[('w002', 0.")
    assert "features_stale" in scored
    assert refused.startswith("422 member-ambiguous Give member_id")
    assert issubclass(names["BadAnswer"], names["ClientError"])

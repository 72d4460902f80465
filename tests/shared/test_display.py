"""What commands show: results on standard output, progress on standard error."""

from __future__ import annotations

import json

import pytest

from cellar_shared.display import Reporter


def test_a_log_gets_a_line_a_step_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter().advancing("learning", 3) as step:
        for note in ("one", "two", "three"):
            step(note)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert [line.split(" (")[0] for line in lines] == ["learning 1/3 one", "learning 2/3 two", "learning 3/3 three"]


def test_a_result_is_text_for_people_and_one_document_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().result({"wines": 3}, "three wines")
    Reporter(as_json=True).result({"wines": 3}, "three wines")
    people, machines = capsys.readouterr().out.splitlines()
    assert people == "three wines"
    assert json.loads(machines) == {"wines": 3}


def test_what_is_said_is_shown_to_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().say("a path [bold]in/brackets[/bold]")
    assert capsys.readouterr().err == "a path [bold]in/brackets[/bold]\n"


def test_rows_that_are_done_are_shown_with_their_rate_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter().measuring("score", 3_000_000) as tell:
        tell(1_000_000)
        tell(2_000_000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("score 3,000,000 of 3,000,000 rows, ")
    assert line.endswith(" a second, 0 s left")

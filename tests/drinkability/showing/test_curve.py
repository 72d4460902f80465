"""`cellar curve` shows what the physics says, from a statement, a trace or a night's rows; as text, JSON and charts."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from cellar_drinkability.scoring.manifest import FORMAT, ListedPart, NightManifest, write_manifest
from cellar_drinkability.showing import command
from cellar_drinkability.showing.bottle_curve import BottleCurve, Stated, calendar_day, day_number, facts_of, of_statement
from cellar_drinkability.showing.night_rows import Wanted, of_row, row_of
from cellar_drinkability.showing.terminal import HEIGHT, WIDTH, picture
from cellar_shared.ageing.curve import DATES
from cellar_shared.ageing.heat import heat_events
from cellar_shared.ageing.storage import DAYS_PER_YEAR, UNKNOWN_PLACE, place_of_wave
from cellar_shared.errors import BadInput, CellarError
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, moment_of
from cellar_shared.events.sources.traces import Manner, read_trace

Cellar = Callable[..., CompletedProcess[str]]
TODAY = date(2026, 11, 25)
MAGNUM = ("--vintage", "2015", "--ready", "2026", "--drink-by", "2038", "--celsius", "18", "--amplitude", "5", "--since", "2020-01-01")
AS_OF = ("--as-of", "2026-11-25")


def stated(**facts: object) -> Stated:
    usual = {"vintage": 2015, "first_year": 2022, "last_year": 2032, "size_ml": 750, "is_sparkling": False}
    return Stated(**(usual | {"place": UNKNOWN_PLACE, "since": math.nan} | facts))  # type: ignore[arg-type]


def shown(as_of: date = TODAY, **facts: object) -> BottleCurve:
    return of_statement(stated(**facts), "A wine", ("stated",), as_of)


def text_of(curve: BottleCurve) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(picture(curve))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_in_a_good_cellar_a_stated_window_is_shown_as_it_was_stated() -> None:
    curve = shown()
    ready_from, _, _, drink_by = (calendar_day(int(day)) for day in curve.dates[0])
    assert abs(ready_from - date(2022, 1, 1)) <= timedelta(days=1)
    assert abs(drink_by - date(2032, 12, 31)) <= timedelta(days=2)
    assert curve.phase == "peak"
    assert curve.effective_age_years == pytest.approx((TODAY - date(2015, 1, 1)).days / DAYS_PER_YEAR)
    assert curve.chance.max() <= 1
    assert abs(curve.chance_now - np.interp(curve.as_of, curve.days, curve.chance)) < 0.01


def test_where_it_is_warm_all_dates_come_earlier_and_in_a_magnum_later() -> None:
    cool, warm, magnum = shown(), shown(place=place_of_wave(18.0)), shown(size_ml=1500)
    assert (warm.dates[0] < cool.dates[0]).all()
    assert (magnum.dates[0] > cool.dates[0]).all()


@pytest.mark.parametrize(("year", "phase"), [(2016, "hold"), (2022, "early"), (2026, "peak"), (2032, "late"), (2040, "past")])
def test_the_terminal_names_the_phase_and_marks_the_day(year: int, phase: str) -> None:
    curve = shown(date(year, 6, 1))
    text = text_of(curve)
    assert f"01 June {year}: {phase}" in text
    lines = text.splitlines()
    marked = next(line for line in lines if line.strip() == "today").index("today") + 2 - 7
    share = (curve.as_of - curve.days[0]) / (curve.days[-1] - curve.days[0])
    assert abs(marked - share * WIDTH) <= 3
    for name in ("ready from", "peak from", "peak to", "drink by"):
        assert sum(name in line for line in lines) == 1
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_the_dots_are_as_high_as_the_curve() -> None:
    curve = shown(date(2016, 1, 1))
    rows = [line[7 : 7 + WIDTH] for line in text_of(curve).splitlines() if "\u2800" in line]
    assert len(rows) == HEIGHT
    filled = [sum(column not in "\u2800 \u2502" for column in line) for line in rows]
    assert filled == sorted(filled)
    wide = np.interp(np.linspace(curve.days[0], curve.days[-1], 1000), curve.days, curve.chance)
    assert filled[HEIGHT // 2] / WIDTH == pytest.approx((wide > 0.5).mean(), abs=0.06)


def test_a_bottle_that_is_not_born_yet_has_no_age() -> None:
    curve = shown(date(2014, 6, 1))
    assert (curve.phase, curve.effective_age_years, curve.chance_now) == ("hold", None, None)
    assert "hold, not ready yet" in text_of(curve)


def test_the_document_has_every_date_and_a_point_a_month() -> None:
    facts = facts_of(shown())
    for name in DATES:
        low, day, high = (date.fromisoformat(str(facts[name + end])) for end in ("_lo", "", "_hi"))
        assert low <= day <= high
    points = facts["curve"]
    assert isinstance(points, list)
    assert 100 < len(points) <= 900


def row(**columns: object) -> dict[str, object]:
    dates = {
        f"{name}{end}": date(2020 + 3 * i + away, 1, 1) for i, name in enumerate(DATES) for end, away in (("", 0), ("_lo", -1), ("_hi", 1))
    }
    usual = {"wine_id": "w1", "vintage": 2015, "size_ml": 750, "storage_id": "s1", "m1": 1.6, "s1": 0.1, "m2": 2.7, "s2": 0.1}
    return usual | {"age_from": date(2020, 1, 1), "age_years": 5.5, "rate": 1.2, "acquired_at": None, "reason": None} | dates | columns


def night(out: Path, *parts: list[dict[str, object]]) -> Path:
    (out / "curves").mkdir(parents=True)
    kinds = {"vintage": pl.Int32, "acquired_at": pl.Date, "storage_id": pl.String, "reason": pl.String, "m1": pl.Float64}
    for number, rows in enumerate(parts):
        pl.DataFrame(rows, schema_overrides=kinds).write_parquet(out / "curves" / f"{number}.parquet")
    listed = [ListedPart(f"part-{number}", "d", f"b{number}", str(number), "s", 0, 0, 0, 0) for number in range(len(parts))]
    write_manifest(NightManifest(FORMAT, TODAY, "v", "c", "i", 0, 0, 0, 0, {}, {}, listed, [], None, [], {}), out / "night.json")
    return out


def test_only_curves_that_the_night_lists_are_shown(tmp_path: Path) -> None:
    out = night(tmp_path / "n", [row()])
    pl.DataFrame([row(size_ml=1500)], schema_overrides={"acquired_at": pl.Date}).write_parquet(out / "curves" / "left.parquet")
    assert row_of(out, Wanted("w1"))["size_ml"] == 750


def test_of_curves_that_differ_by_what_was_stated_the_one_without_is_shown(tmp_path: Path) -> None:
    stated = row(window_source="community", m1=1.7)
    assert row_of(night(tmp_path / "n", [stated, row(window_source=None)]), Wanted("w1"))["m1"] == 1.6


def test_a_nights_row_is_shown_by_its_two_lines_of_arithmetic(tmp_path: Path) -> None:
    found = row_of(night(tmp_path / "n", [row()], [row(), row(wine_id="w2")]), Wanted("w1"))
    curve = of_row(found, TODAY)
    years = (TODAY - date(2020, 1, 1)).days / DAYS_PER_YEAR
    u = math.log(5.5 + 1.2 * years)
    assert curve.chance_now == pytest.approx(1 / (1 + math.exp((1.6 - u) / 0.1)) / (1 + math.exp((u - 2.7) / 0.1)))
    assert curve.dates[0].tolist() == [day_number(date(2020 + 3 * i, 1, 1)) for i in range(4)]
    assert curve.phase == "late"
    assert curve.days[0] == day_number(date(2015, 1, 1))
    assert curve.title == "w1 2015"


def test_a_non_vintage_row_begins_where_it_is_known(tmp_path: Path) -> None:
    curve = of_row(row_of(night(tmp_path / "n", [row(vintage=0)]), Wanted("w1", 0)), TODAY)
    assert curve.days[0] == day_number(date(2020, 1, 1))
    assert curve.title == "w1 NV"


def test_a_row_that_is_not_there_or_not_one_is_refused_with_what_to_say(tmp_path: Path) -> None:
    out = night(tmp_path / "n", [row(), row(size_ml=1500), row(wine_id="w3", m1=None, reason="vintage_unknown")])
    with pytest.raises(BadInput, match=r"w1 has 2 curves; say which: --size 750; --size 1500"):
        row_of(out, Wanted("w1"))
    assert row_of(out, Wanted("w1", size_ml=1500))["size_ml"] == 1500
    with pytest.raises(BadInput, match="no bottle of it"):
        row_of(out, Wanted("w9"))
    with pytest.raises(BadInput, match="none such"):
        row_of(out, Wanted("w1", vintage=1990))
    with pytest.raises(BadInput, match=r"no night's night\.json"):
        row_of(tmp_path / "elsewhere", Wanted("w1"))
    with pytest.raises(BadInput, match="vintage_unknown"):
        of_row(row_of(out, Wanted("w3")), TODAY)


def trace(file: Path) -> Path:
    start = datetime(2022, 6, 1)
    lines = (f"{start + timedelta(hours=6 * i):%Y-%m-%d %H:%M},{28 if 400 <= i < 440 else 14}" for i in range(2000))
    file.write_text("time,temperature\n" + "\n".join(lines) + "\n")
    return file


def test_a_trace_is_read_and_its_heat_shown(tmp_path: Path) -> None:
    read = read_trace(trace(tmp_path / "t.csv"), Manner(), now=moment_of(datetime(2026, 1, 1, tzinfo=UTC)))
    days, degrees = read["at"].dt.epoch("us").to_numpy() / MICROSECONDS_PER_DAY, read["temperature_c"].to_numpy()
    assert days[0] == day_number(date(2022, 6, 1))
    assert (len(days), degrees.max()) == (2000, 28.0)
    events = heat_events(days, degrees)
    text = text_of(of_statement(stated(), "A wine", (), TODAY, events))
    assert f"1 stretch above 21 \u00b0C cost {events[0].months:.1f} months" in text
    assert "up to 28.0 \u00b0C" in text


def test_the_command_reads_a_thermometers_file_and_names_the_line_that_it_cannot(cellar: Cellar, tmp_path: Path) -> None:
    ran = cellar("curve", *MAGNUM[:6], *AS_OF, "--trace", trace(tmp_path / "t.csv"))
    assert ran.returncode == 0, ran.stderr
    assert "stretch above 21" in ran.stdout
    (tmp_path / "bad.csv").write_text("time,temperature\n2024-01-01,12\nyesterday,13\n")
    ran = cellar("curve", *MAGNUM[:6], *AS_OF, "--trace", tmp_path / "bad.csv")
    assert ran.returncode == 2
    assert "bad.csv, line 3, column time: found 'yesterday'" in ran.stderr


def test_charts_are_pictures_and_the_same_each_time(tmp_path: Path) -> None:
    draw = pytest.importorskip("cellar_drinkability.showing.chart").draw
    image = pytest.importorskip("PIL.Image")
    curve = shown(place=place_of_wave(18.0, 5.0))
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        draw(curve, tmp_path / name)
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")  # noqa: S314  our own file
    for ending in ("svg", "png"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    with image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (864, 1536, 3)
    wine_red = (np.abs(pixels - [0xB1, 0x4C, 0x6B]).max(axis=2) < 6).mean()  # the peak's fill on white
    assert 0.02 < wine_red < 0.3


def test_the_command_shows_a_magnum(cellar: Cellar, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ran = cellar("curve", *MAGNUM, *AS_OF, "--size", "1500", "--title", "Barolo", "--svg", tmp_path / "c.svg", "--png", tmp_path / "c.png")
    assert ran.returncode == 0, ran.stderr
    assert "25 November 2026: peak, at its best" in ran.stdout
    assert (tmp_path / "c.svg").is_file()
    assert (tmp_path / "c.png").is_file()


def test_the_command_answers_machines(cellar: Cellar, tmp_path: Path) -> None:
    out = night(tmp_path / "n", [row()])
    ran = cellar("curve", "--night", out, "--wine", "w1", *AS_OF, "--json")
    assert ran.returncode == 0, ran.stderr
    facts = json.loads(ran.stdout)
    assert (facts["phase"], facts["ready_from"], facts["drink_by_hi"]) == ("late", "2020-01-01", "2030-01-01")


def test_without_the_extra_charts_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "cellar_drinkability.showing.chart", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CellarError, match=r"need matplotlib.*cellar-drinkability\[charts\]"):
        command.curve(vintage=2015, ready=2022, drink_by=2030, png=tmp_path / "c.png")
    command.curve(vintage=2015, ready=2022, drink_by=2030, as_json=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say a stated window"),
        (("--night", "x"), "Say its wine_id with --wine"),
        (("--night", "x", "--wine", "w", "--ready", "2020"), "--night brings its own windows"),
        (("--wine", "w"), "--wine and --storage choose a curve of a night"),
        (("--vintage", "2015", "--ready", "2030", "--drink-by", "2020"), "expected years in this order"),
        ((*MAGNUM, "--trace", "t.csv"), "--trace and --celsius both"),
        ((*MAGNUM, "--as-of", "today"), "--as-of 'today' is no day"),
        ((*MAGNUM, "--png", "c.svg"), "must end in .png"),
        ((*MAGNUM, "--png", "no/such/folder/c.png"), "cannot be written (No such file or directory)"),
        ((*MAGNUM[:6], "--trace", "no-such.csv"), "cannot be read"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(cellar: Cellar, words: tuple[str, ...], says: str) -> None:
    ran = cellar("curve", *words)
    assert ran.returncode == 2
    assert says in ran.stderr

"""A thermometer's file: however it writes times and temperatures, the place has the readings; what cannot be is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.sources.intake import Terms
from cellar_shared.events.sources.own_tables import import_tables
from cellar_shared.events.sources.traces import Manner, TraceReport, import_trace
from cellar_shared.events.tables import DataFolder, DataWriter

AS_IT_IS = Manner()
NOW = moment_of(datetime(2024, 6, 1, 12, tzinfo=UTC))
BytesOf = Callable[[Path], dict[str, bytes]]
Cellar = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that holds one constant place and nothing else."""
    return made_data(tmp_path)


def made_data(folder: Path) -> Path:
    place = {"storage_id": "attic", "member_id": "m1", "kind": "constant", "mean_c": 19.0}
    with DataWriter(folder / "data", "shop", "1-5", "shop") as writer:
        writer.add("storage", pl.DataFrame([place]).with_columns(amplitude_c=pl.lit(None), at=pl.lit(None), temperature_c=pl.lit(None)))
    return folder / "data"


def take(data: Path, text: str | bytes, manner: Manner = AS_IT_IS, skip_bad: bool = False, storage: str = "cellar") -> TraceReport:
    file = data.parent / "trace.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_trace(file, data, "m1", storage, manner, now=NOW, skip_bad=skip_bad)


def readings(data: Path) -> list[tuple[datetime, float]]:
    trace = DataFolder.open(data).scan("storage").filter(pl.col("kind") == "trace").collect()
    assert set(trace["storage_id"]) <= {"cellar"} and trace["mean_c"].null_count() == trace.height
    return list(zip(trace["at"].to_list(), trace["temperature_c"].to_list(), strict=True))


EVENING = datetime(2024, 5, 3, 18, 30, tzinfo=UTC)
FORMS = {
    "RFC 3339": "time,temperature\n2024-05-03T18:30:00Z,12.5\n",
    "its zone beside it": "Timestamp,Temp (°C)\n2024-05-03T20:30:00+02:00,12.5\n",
    "a database's own": "created_at,temp_c\n2024-05-03 18:30:00,12.5\n",
    "without seconds, other columns": "id,DateTime,Humidity,Temperature\n1,2024-05-03 18:30,70,12.5\n",
    "German, semicolons and commas": "Zeitpunkt;Temperatur\n03.05.2024 18:30;12,5\n",
    "the day first, as another row tells": "date/time,temp\n03/05/2024 18:30,12.5\n",
    "a date and a time": "Date,Time,Temperature_Celsius(℃)\n2024-05-03,18:30,12.5\n",
    "a clock of twelve hours": "time,temp\n03/05/2024 06:30 PM,12.5\n",
    "seconds since 1970": "time,temp\n1714761000,12.5\n",
    "milliseconds since 1970": "time,temp\n1714761000000,12.5\n",
    "home assistant": "entity_id,state,last_changed\nsensor.cellar,12.5,2024-05-03T18:30:00.000Z\n",
    "a unit beside the number": "time\ttemperature\n2024-05-03T18:30:00Z\t12.5 °C\n",
    "a byte order mark": "\ufefftime,temperature\n2024-05-03T18:30:00Z,12.5\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_logger_writes_times_and_temperatures_in_its_own_way(form: str, data: Path) -> None:
    assert take(data, FORMS[form], Manner(order="dmy")).added == 1
    assert readings(data) == [(EVENING, 12.5)]
    check_folder(data, NOW)


def test_letters_of_windows_are_read_too(data: Path) -> None:
    take(data, "Datum;Temperatur °C\n03.05.2024 18:30;12,5\n".encode("windows-1252"))
    assert readings(data) == [(EVENING, 12.5)]


def test_times_without_a_zone_are_in_the_one_that_is_named(data: Path) -> None:
    take(data, "time,temp\n2024-05-03 20:30,12.5\n2024-05-04T20:30:00Z,12.6\n", Manner("Europe/Paris"))
    assert readings(data) == [(EVENING, 12.5), (datetime(2024, 5, 4, 20, 30, tzinfo=UTC), 12.6)]


def test_the_reading_of_a_day_stands_at_its_noon(data: Path) -> None:
    take(data, "day,temp\n2024-05-03,12.5\n")
    assert readings(data) == [(datetime(2024, 5, 3, 12, tzinfo=UTC), 12.5)]


@pytest.mark.parametrize(("text", "day"), [("3/14/2024 18:30", 14), ("14/3/2024 18:30", 14)])
def test_a_day_above_twelve_tells_what_comes_first(text: str, day: int, data: Path) -> None:
    take(data, f"time,temp\n{text},12.5\n")
    assert readings(data) == [(datetime(2024, 3, day, 18, 30, tzinfo=UTC), 12.5)]


def test_dates_of_which_none_tells_are_asked_about(data: Path) -> None:
    with pytest.raises(BadInput, match="'3/4/2024 18:30' may begin with its day or with its month; say --dates dmy or --dates mdy"):
        take(data, "time,temp\n3/4/2024 18:30,12.5\n")
    take(data, "time,temp\n3/4/2024 18:30,12.5\n", Manner(order="mdy"))
    assert readings(data) == [(datetime(2024, 3, 4, 18, 30, tzinfo=UTC), 12.5)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,Temperature (°F)\n2024-05-03T18:30:00Z,55.4\n", "is in Fahrenheit; say --fahrenheit"),
        ("time,temp_f\n2024-05-03T18:30:00Z,55.4\n", "is in Fahrenheit; say --fahrenheit"),
        ("time,temp\n2024-05-03T18:30:00Z,55.4\n", "the middle reading is 55.4, which no cellar is in degrees Celsius"),
    ],
)
def test_fahrenheit_is_refused_until_it_is_said(text: str, sentence: str, data: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        take(data, text)
    take(data, text, Manner(fahrenheit=True))
    assert readings(data) == [(EVENING, 13.0)]


HEAD = "time,temp\n2024-05-03T18:30:00Z,12.5\n"
BAD = {
    "a sensor that fell silent": ("2024-05-04T00:00:00Z,unavailable", "column temp: found 'unavailable', expected a temperature"),
    "nothing": ("2024-05-04T00:00:00Z,", "column temp: found '', expected a temperature such as 12.5"),
    "a time that is none": ("yesterday,12", "column time: found 'yesterday', expected a time such as"),
    "too cold to be": ("2024-05-04T00:00:00Z,-40", "column temperature_c: found '-40.0', expected a number from -20 to 60"),
    "too hot to be": ("2024-05-04T00:00:00Z,61", "column temperature_c: found '61.0', expected a number from -20 to 60"),
    "tomorrow's and later": ("2024-07-01T00:00:00Z,12", "column at: found '2024-07-01 00:00:00+00:00', expected a time that has been"),
    "another temperature then": ("2024-05-03T18:30:00Z,13", "found '13', expected 12.5, which line 2 has for 2024-05-03 18:30:00 UTC"),
}


@pytest.mark.parametrize("said", BAD)
def test_a_reading_that_cannot_be_is_refused_or_left_out_and_listed(said: str, data: Path, bytes_of: BytesOf) -> None:
    row, sentence = BAD[said]
    before = bytes_of(data)
    with pytest.raises(BadInput) as refused:
        take(data, f"{HEAD}{row}\n")
    assert sentence in str(refused.value) and "line 3" in str(refused.value)
    assert bytes_of(data) == before
    report = take(data, f"{HEAD}{row}\n", skip_bad=True)
    assert (report.added, report.refused) == (1, 1)
    assert readings(data) == [(EVENING, 12.5)]
    assert (data / "refused.csv").read_text("utf-8").count("\n") == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,humidity\n2024-05-03T18:30:00Z,70\n", "no column of temperatures (temperature, temp, celsius) is there; found time, hum"),
        ("sensor,temp\nx,70\n", "no column of times (time, timestamp, date) is there; found sensor, temp"),
        ("time,temp,temperature\n2024-05-03T18:30:00Z,12,12\n", "temp, temperature may all be the temperature; keep one"),
        ("time,timestamp,temp\n1,2,3\n", "time, timestamp may all be the time; keep one, or a date and a time"),
        ("time,temp\n", "holds no reading; expected rows with a time and a temperature"),
        ("", "found nothing"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_told_what_it_lacks(text: str, sentence: str, data: Path) -> None:
    with pytest.raises(BadInput) as refused:
        take(data, text)
    assert sentence in str(refused.value)


def test_readings_are_sorted_repeated_ones_are_one_and_gaps_are_told(data: Path) -> None:
    lines = ("2024-05-10T00:00:00Z,13", "2024-05-01T00:00:00Z,11", "2024-05-01T00:00:00Z,11", "2024-05-02T00:00:00Z,12")
    report = take(data, "time,temp\n" + "\n".join(lines) + "\n")
    assert (report.added, report.duplicates, report.readings) == (3, 1, 3)
    assert (report.gaps, report.longest_gap_days) == (1, 8.0)
    assert [value for _, value in readings(data)] == [11.0, 12.0, 13.0]


def test_the_same_file_again_changes_no_byte_and_a_longer_one_adds_what_is_new(data: Path, bytes_of: BytesOf) -> None:
    take(data, HEAD)
    before = bytes_of(data)
    assert (take(data, HEAD).added, take(data, HEAD).duplicates) == (0, 1)
    assert bytes_of(data) == before
    report = take(data, HEAD + "2024-05-04T18:30:00Z,12.6\n")
    assert (report.added, report.duplicates, report.readings) == (1, 1, 2)
    with pytest.raises(BadInput, match=r"expected 12.5, which the data folder has for 2024-05-03 18:30:00 UTC"):
        take(data, HEAD.replace("12.5", "14"))


def test_a_place_of_another_member_or_of_another_kind_is_not_touched(data: Path) -> None:
    with pytest.raises(BadInput, match=r"storage 'attic' is described as constant in .*; name another --storage"):
        take(data, HEAD, storage="attic")
    take(data, HEAD)
    with pytest.raises(BadInput, match="storage 'cellar' is another member's in"):
        import_trace(data.parent / "trace.csv", data, "m2", "cellar", Manner(), now=NOW)


def test_a_zone_and_an_order_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="--zone 'Mars/Base' is no time zone"):
        Manner("Mars/Base")
    with pytest.raises(BadInput, match="--dates 'ymd' is not known"):
        Manner(order="ymd")


@given(
    pairs=st.lists(st.tuples(st.integers(0, 3_000), st.integers(-190, 440)), min_size=1, max_size=30, unique_by=lambda pair: pair[0]),
    random=st.randoms(use_true_random=False),
)
def test_whatever_the_order_the_place_has_each_reading_once(
    pairs: list[tuple[int, int]], random: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = made_data(tmp_path_factory.mktemp("trace"))
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    expected = [(begin + timedelta(hours=hour), tenths / 10) for hour, tenths in sorted(pairs)]
    twice = pairs + pairs[: len(pairs) // 2]
    random.shuffle(twice)  # type: ignore[attr-defined]
    lines = [f"{(begin + timedelta(hours=hour)).isoformat()},{tenths / 10}" for hour, tenths in twice]
    report = take(data, "time,temp\n" + "\n".join(lines) + "\n")
    assert readings(data) == expected
    assert (report.added, report.duplicates, report.refused) == (len(pairs), len(twice) - len(pairs), 0)


def test_the_command_tells_what_it_added(cellar: Cellar, data: Path) -> None:
    (data.parent / "trace.csv").write_text(HEAD, "utf-8")
    words = ("data", "import", "trace", data.parent / "trace.csv", "--data", data, "--member", "m1", "--storage", "cellar")
    done = cellar(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{data}: 1 new readings of cellar, 0 there already; 1 in all\n"
    again = json.loads(cellar(*words, "--json").stdout)
    assert (again["added"], again["duplicates"], again["readings"]) == (0, 1, 1)
    assert "say dmy" in cellar(*words, "--dates", "ydm").stderr


def test_bottles_and_places_of_ones_own_are_imported_by_a_map(tmp_path: Path) -> None:
    (tmp_path / "rooms.csv").write_text("room,who,kind,mean,swing,at,reading\nr1,u1,steady,13,,,\nr2,u1,swinging,14,6,,\n"
                                        "r3,u1,logged,,,2024-05-03T18:30:00Z,12.5\n", "utf-8")  # fmt: skip
    (tmp_path / "bottles.csv").write_text("no,who,wine,year,ml,status,got,room,until\n1,u1,w1,2015,1500,in,2020-03-01,r1,2030\n"
                                          "2,u1,w1,NV,,out,,,\n", "utf-8")  # fmt: skip
    (tmp_path / "map.yml").write_text(
        """\
namespace: shop
scale: 1-5
tables:
  storage:
    files: rooms.csv
    columns: {storage_id: room, member_id: who, kind: {from: kind, values: {steady: constant, swinging: seasonal, logged: trace}},
              mean_c: mean, amplitude_c: swing, at: at, temperature_c: reading}
  bottles:
    files: bottles.csv
    columns: {bottle_id: no, member_id: who, wine_id: wine, vintage: {from: year, values: {NV: 0}}, size_ml: ml,
              state: {from: status, values: {in: stored, out: consumed}}, acquired_at: got, storage_id: room, window_to: until,
              window_source: {constant: personal}}
""",
        "utf-8",
    )
    report = import_tables([tmp_path], tmp_path / "map.yml", tmp_path / "out", Terms(NOW), progress=lambda _w, _c: None)
    assert {table: facts.rows for table, facts in report.items()} == {"storage": 3, "bottles": 2}
    check_folder(tmp_path / "out", NOW)
    first, second = DataFolder.open(tmp_path / "out").scan("bottles").collect().to_dicts()
    assert (first["size_ml"], first["storage_id"], first["window_to"], first["state"]) == (1500, "r1", 2030, "stored")
    assert (second["vintage"], second["size_ml"], second["storage_id"], second["state"]) == (0, None, None, "consumed")

"""The source `trace`: a thermometer's CSV of times and temperatures becomes readings of one place in table storage.

Loggers write headers, dates and numbers in many ways: what can be told from the file is told from it, what cannot is asked for in a
sentence. Readings may stand in any order and with gaps; the same reading twice is one, another temperature at the same moment is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from cellar_shared.errors import BadInput
from cellar_shared.events.appending import DataAppender
from cellar_shared.events.rules import row_rules
from cellar_shared.events.sources import casts
from cellar_shared.events.sources.delimited import Form, Rule, apply_rules, read_batches
from cellar_shared.events.sources.refusals import LINE, REFUSED, Refusal, Refusals

TIME_NAMES: Final = re.compile(
    r"^(date ?/? ?time|time ?stamp|datetime|date|time|day|at|when|read(ing)?[ _]at|recorded[ _]at|created[ _]at|last[ _](changed|updated)"
    r"|datum|zeit(punkt|stempel)?|heure|horodatage|fecha|hora|data|ora)\b"
)
CLOCK_NAMES: Final = re.compile(r"^(time|uhrzeit|zeit|heure|hora|ora)\b")
DAY_NAMES: Final = re.compile(r"^(date|day|datum|fecha|data)\b(?! ?/? ?time)")
WARMTH_NAMES: Final = re.compile(r"^(.*[ _])?(temperatur[ea]?|température|temp|celsius|fahrenheit|t|state|°c|°f)([^a-z].*)?$")
FAHRENHEIT_NAMES: Final = re.compile(r"fahrenheit|[°º] ?f\b|℉|[ _(\[]f[)\]]?$")
# Above this a cellar's middle reading is no degree Celsius but, at 45 Fahrenheit, a usual one of cellars.
HOTTEST_MEDIAN_C: Final = 45.0
LONG_GAP_DAYS: Final = 1.0

_ISO_LIKE: Final = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%y %H:%M")
_CLOCKS: Final = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_ORDERED: Final = r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})\b"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file's times and temperatures are meant where it does not say: the zone, Fahrenheit, the order of 3/4/2024."""

    zone: str = "UTC"
    fahrenheit: bool = False
    order: str | None = None  # dmy or mdy

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadInput(f"--zone {self.zone!r} is no time zone; say one such as Europe/Paris or UTC") from None
        if self.order not in (None, "dmy", "mdy"):
            raise BadInput(f"--dates {self.order!r} is not known; say dmy (the day first) or mdy (the month first)")


@dataclass(frozen=True, slots=True)
class TraceReport:
    """What became of a file's readings, and the gaps between those that the place now has."""

    added: int
    duplicates: int
    refused: int
    readings: int
    gaps: int  # longer than a day
    longest_gap_days: float


def import_trace(
    file: Path, data: Path, member_id: str, storage_id: str, manner: Manner, *, now: int, skip_bad: bool = False
) -> TraceReport:
    """Add the readings in `file` to the place `storage_id` of `member_id` in the data folder `data`; those it has already change nothing.

    BadInput when the file cannot be understood, a reading is implausible or contradicts another (with `skip_bad` such readings are left
    out and listed in `data/refused.csv`), or when the place is another member's or no trace.
    """
    if not member_id or not storage_id:
        raise BadInput("--member and --storage are ids; an empty one names nobody and no place")
    with DataAppender(data) as appender, Refusals(skip_bad) as refusals:
        stands = _standing(appender, storage_id, member_id)
        read = _readings(file, manner, refusals)
        rows = read.select(
            LINE, "at", "temperature_c", storage_id=pl.lit(storage_id), member_id=pl.lit(member_id), kind=pl.lit("trace"),
            mean_c=pl.lit(None, pl.Float64), amplitude_c=pl.lit(None, pl.Float64),
        )  # fmt: skip
        good = _without_conflicts(_plausible(rows, file.name, now, refusals), stands, file.name, refusals)
        fresh = good.unique("at", keep="first").join(stands, on="at", how="anti").sort("at")
        appender.add("storage", fresh.drop(LINE))
        refusals.write(data / REFUSED)
        moments = pl.concat([stands["at"], fresh["at"]]).sort()
        if not len(moments):
            raise BadInput(f"{file} holds no reading that can be taken; expected at least one")
        gaps = moments.diff().drop_nulls().dt.total_seconds() / 86_400
        longest = gaps.max()
        return TraceReport(
            fresh.height, good.height - fresh.height, refusals.count, len(moments), int((gaps > LONG_GAP_DAYS).sum()),
            float(longest) if isinstance(longest, float) else 0.0,
        )  # fmt: skip


def read_trace(file: Path, manner: Manner, *, now: int) -> pl.DataFrame:
    """The readings in `file` in the order of time, each moment once: at (UTC), temperature_c. BadInput as for `import_trace`."""
    with Refusals(skip_bad=False) as refusals:
        read = _readings(file, manner, refusals).select(LINE, "at", "temperature_c")
        nothing = pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "stands": pl.Float64})
        good = _without_conflicts(_plausible(read, file.name, now, refusals), nothing, file.name, refusals)
    return good.unique("at", keep="first").sort("at").select("at", "temperature_c")


def _standing(appender: DataAppender, storage_id: str, member_id: str) -> pl.DataFrame:
    """The readings that the place has: at, stands (degrees Celsius)."""
    if "storage" not in appender.folder.manifest.tables:
        return pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "stands": pl.Float64})
    place = appender.folder.scan("storage").filter(pl.col("storage_id") == storage_id).collect(engine="streaming")
    for column, expected in (("member_id", member_id), ("kind", "trace")):
        if others := place.filter(pl.col(column) != expected)[column].unique().to_list():
            what = "is another member's" if column == "member_id" else f"is described as {others[0]}"
            raise BadInput(f"storage {storage_id!r} {what} in {appender.path}; name another --storage for these readings")
    return place.select("at", stands="temperature_c")


def _readings(file: Path, manner: Manner, refusals: Refusals) -> pl.DataFrame:
    """LINE, at, temperature_c of every row that has both."""
    form, times, warmth = _columns(file, manner)
    batches = list(read_batches(file, [*times, warmth], refusals, form))
    if not batches:
        raise BadInput(f"{file} holds no reading; expected rows with a time and a temperature below the header")
    text = pl.concat(batches).with_columns(pl.concat_str(times, separator=" ").alias("time"), pl.col(warmth).alias("warmth"))
    time, order = pl.col("time"), manner.order or _order_of(text["time"], file)
    decimal_comma = bool(text["warmth"].str.contains(",").any())
    degrees = casts.as_number(
        pl.col("warmth").str.replace(r"\s*[°º]?\s*[CF]?$", ""), pl.String(), casts.Manner(decimal_comma=decimal_comma)
    )
    if manner.fahrenheit:
        degrees = ((degrees - 32) / 1.8).round(4)
    expected = "a time such as 2024-05-03T18:30:00Z, 2024-05-03 18:30 or 03.05.2024 18:30"
    rules = (
        Rule("time", "at", _moments(time, manner.zone, order), expected, required=True, called=" + ".join(times)),
        Rule("warmth", "temperature_c", degrees, "a temperature such as 12.5", required=True, called=warmth),
    )
    rows = apply_rules(text, rules, file.name, refusals)
    median = rows["temperature_c"].median()
    if isinstance(median, float) and median > HOTTEST_MEDIAN_C and not manner.fahrenheit:
        raise BadInput(
            f"{file}: the middle reading is {median:g}, which no cellar is in degrees Celsius; if it is Fahrenheit, say --fahrenheit"
        )
    return rows


def _columns(file: Path, manner: Manner) -> tuple[Form, list[str], str]:
    """How the file is written, its column or columns of times, and its column of temperatures."""
    try:
        with file.open("rb") as stream:
            raw = stream.readline()
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}); name a CSV with times and temperatures") from error
    try:
        line, encoding = raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        line, encoding = raw.decode("windows-1252", errors="replace"), "windows-1252"
    delimiter = max((",", ";", "\t"), key=line.count)
    header = next(csv.reader([line], delimiter=delimiter), [])
    called = {name: name.strip().casefold() for name in header}
    found = ", ".join(header) or "nothing"
    warm = [name for name, said in called.items() if WARMTH_NAMES.match(said)]
    times = [name for name, said in called.items() if TIME_NAMES.match(said) and name not in warm]
    if not warm or not times:
        lacking = "temperatures (temperature, temp, celsius)" if not warm else "times (time, timestamp, date)"
        raise BadInput(f"{file}, line 1: no column of {lacking} is there; found {found}")
    if len(warm) > 1:
        raise BadInput(f"{file}, line 1: {', '.join(warm)} may all be the temperature; keep one of these columns")
    if FAHRENHEIT_NAMES.search(called[warm[0]]) and not manner.fahrenheit:
        raise BadInput(f"{file}, line 1: column {warm[0]} is in Fahrenheit; say --fahrenheit to have it converted")
    return Form(delimiter, encoding), _time_columns(file, called, times), warm[0]


def _time_columns(file: Path, called: dict[str, str], times: Sequence[str]) -> list[str]:
    """The one column of times, or the day's and the clock's in this order."""
    if len(times) == 1:
        return list(times)
    days = [name for name in times if DAY_NAMES.match(called[name])]
    clocks = [name for name in times if CLOCK_NAMES.match(called[name])]
    if len(times) == 2 and len(days) == len(clocks) == 1 and days != clocks:
        return [days[0], clocks[0]]
    raise BadInput(f"{file}, line 1: {', '.join(times)} may all be the time; keep one, or a date and a time")


def _order_of(times: pl.Series, file: Path) -> str:
    """Does 3/4/2024 name the day first? Told by a number above 12; BadInput where none tells."""
    parts = times.drop_nulls().str.extract_groups(_ORDERED).struct.unnest()
    first, second = (parts[name].cast(pl.Int32) for name in ("1", "2"))
    if first.null_count() == len(first):
        return "dmy"
    day_first, month_first = bool((first > 12).any()), bool((second > 12).any())
    if day_first == month_first:
        shown = times.drop_nulls().filter(first.is_not_null())[0]
        raise BadInput(f"{file}: {shown!r} may begin with its day or with its month; say --dates dmy or --dates mdy")
    return "dmy" if day_first else "mdy"


def _moments(time: pl.Expr, zone: str, order: str) -> pl.Expr:
    """The moment in UTC; of a day alone its noon, since a day's reading is its mean."""
    day = "%d/%m" if order == "dmy" else "%m/%d"
    slashed = time.str.replace(_ORDERED, "$1/$2/$3")
    forms = [(time, form) for form in _ISO_LIKE] + [(slashed, f"{day}/{year} {clock}") for clock in _CLOCKS for year in ("%Y", "%y")]
    whole = [casts.as_moment(column, pl.String(), casts.Manner(format=form, zone=zone))[0] for column, form in forms]
    unix = [
        casts.as_moment(pl.when(time.str.contains(digits)).then(time), pl.String(), casts.Manner(format=form))[0]
        for digits, form in ((r"^\d{9,10}(\.\d+)?$", "unix"), (r"^\d{12,13}$", "unix_ms"))
    ]
    days = [
        casts.as_day(column, pl.String(), casts.Manner(format=form))
        for column, form in ((time, "%Y-%m-%d"), (time, "%Y/%m/%d"), (time, "%d.%m.%Y"), (slashed, f"{day}/%Y"))
    ]
    noon = pl.coalesce(days).cast(pl.Datetime("us")) + pl.duration(hours=12)
    plain, is_day = casts.as_moment(time, pl.String(), casts.Manner(zone=zone))
    at_noon = noon.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    return pl.coalesce(pl.when(~is_day).then(plain), *whole, *unix, at_noon)


def _plausible(rows: pl.DataFrame, file: str, now: int, refusals: Refusals) -> pl.DataFrame:
    """The rows that keep the rules of table storage."""
    for rule in row_rules("storage", rows.columns, now):
        broken = rule.broken.fill_null(False)
        for row in rows.filter(broken).iter_rows(named=True):
            refusals.add(Refusal(file, row[LINE], rule.column, str(row[rule.column]), rule.expected))
        rows = rows.filter(~broken)
    return rows


def _without_conflicts(rows: pl.DataFrame, stands: pl.DataFrame, file: str, refusals: Refusals) -> pl.DataFrame:
    """The rows that say no other temperature than the data folder has for their moment, or else an earlier line."""
    first = rows.group_by("at", maintain_order=True).agg(pl.col("temperature_c").first().alias("first"), pl.col(LINE).first().alias("line"))
    known = rows.join(first, on="at", how="left", maintain_order="left").join(stands, on="at", how="left", maintain_order="left")
    said = pl.coalesce("stands", "first")
    for row in known.filter(pl.col("temperature_c") != said).iter_rows(named=True):
        where = f"line {row['line']}" if row["stands"] is None else "the data folder"
        temperature = row["first"] if row["stands"] is None else row["stands"]
        expected = f"{temperature:g}, which {where} has for {row['at']:%Y-%m-%d %H:%M:%S} UTC"
        refusals.add(Refusal(file, row[LINE], "temperature_c", f"{row['temperature_c']:g}", expected))
    return known.filter(pl.col("temperature_c") == said).select(rows.columns)

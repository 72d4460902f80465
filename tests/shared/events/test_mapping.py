"""A map.yml: what it may say, and the file, line and key with which it is told what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellar_shared.errors import BadInput
from cellar_shared.events.sources.mapping import read_map

GOOD = """\
namespace: shop
scale: 1-5
csv: {delimiter: tab, decimal_comma: true}
time_zone: Europe/Paris
tables:
  wines:
    files: [wines.csv, more-*.csv]
    columns:
      wine_id: id
      name: {from: title}
      type: {from: colour, values: {no: null, rouge: Red}}
      grapes: {from: varieties, split: "/"}
      shelf: {from: shelf, as: int}
  ratings:
    files: ratings.csv
    csv: {encoding: windows-1252}
    like_from: 3.5
    columns:
      event_id: {from: [member, wine]}
      member_id: member
      wine_id: wine
      rating_raw: stars
      rated_at: {from: at, as: date, format: "%d.%m.%Y", zone: UTC}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "map.yml").write_text(text, "utf-8")
    return folder / "map.yml"


def test_a_map_is_read_as_it_is_written(tmp_path: Path) -> None:
    plan = read_map(write(tmp_path, GOOD))
    assert (plan.namespace, plan.scale, plan.source) == ("shop", "1-5", "shop")
    wines, ratings = plan.tables
    assert wines.files == ("wines.csv", "more-*.csv")
    assert [(column.name, column.kind, column.called) for column in wines.columns] == [
        ("wine_id", "text", "id"), ("name", "text", "title"), ("type", "text", "colour"), ("grapes", "list", "varieties"),
        ("shelf", "int", "shelf"),
    ]  # fmt: skip
    # `no` is a word, not false: texts stay what they are.
    assert wines.columns[2].values == {"no": None, "rouge": "Red"}
    assert (wines.form.delimiter, wines.form.encoding, wines.columns[0].manner.decimal_comma) == ("\t", "utf-8", True)
    assert (ratings.form.delimiter, ratings.form.encoding, ratings.like_from) == ("\t", "windows-1252", 3.5)
    event_id, *_, rated_at = ratings.columns
    assert (event_id.is_derived, event_id.called) == (True, "member + wine")
    assert (rated_at.day_only, rated_at.manner.zone, ratings.columns[1].manner.zone) == (True, "UTC", "Europe/Paris")


# What is put in place of what in the good map, and the sentence that answers it.
BAD = {
    "no YAML": ("namespace: shop", "namespace: [shop", "line 2: this is no YAML"),
    "unknown key": ("time_zone:", "timezone:", "line 4, timezone: found a key nobody knows, expected one of namespace, scale, source"),
    "key twice": ("scale: 1-5", "scale: 1-5\nscale: 0-100", "line 3, scale: this key stands there twice; keep one"),
    "no namespace": ("namespace: shop\n", "", "line 1: found no namespace, expected whose ids these are"),
    "scale nobody knows": ("scale: 1-5", "scale: 1-10", "line 2, scale: scale '1-10' is not known; use one of 1-5, 0-100"),
    "zone nobody knows": ("Europe/Paris", "Europe/Pairs", "line 4, time_zone: found 'Europe/Pairs', expected a time zone such as"),
    "delimiter of two": ("delimiter: tab", "delimiter: '||'", "line 3, csv: a delimiter is one character such as ; or a tab, not '||'"),
    "encoding nobody knows": ("windows-1252", "windows-12", "line 16, tables.ratings.csv: encoding 'windows-12' is not known"),
    "encoding of two bytes": ("windows-1252", "utf-16", "encoding 'utf-16' cannot be read line by line; save the file as utf-8"),
    "comma that is no truth": ("decimal_comma: true", "decimal_comma: yes", "csv.decimal_comma: found 'yes', expected true or false"),
    "unknown table": ("  wines:", "  vines:", "line 6, tables.vines: found a key nobody knows, expected one of bottles, impressions"),
    "table of a night": ("  wines:", "  night/pace:", "tables.night/pace: found a key nobody knows"),
    "no files": ("    files: ratings.csv\n", "", "tables.ratings: found no files, expected files (a name or a pattern"),
    "files that are none": ("files: ratings.csv", "files: {a: b}", "tables.ratings.files: found keys with values, expected a text"),
    "like of wines": ("    files: [", "    like_from: 4\n    files: [", "tables.wines.like_from: found a key nobody knows"),
    "like that is no number": ("like_from: 3.5", "like_from: good", "tables.ratings.like_from: found 'good', expected a number"),
    "column the table lacks": ("      wine_id: id", "      wineid: id", "line 9, tables.wines.columns.wineid: found a column that"),
    "kind nobody knows": (
        "as: int",
        "as: integer",
        "line 13, tables.wines.columns.shelf.as: found 'integer', expected one of text, number",
    ),
    "kind of another": ("name: {from: title}", "name: {from: title, as: int}", "name.as: found 'int', expected text: name is one"),
    "neither from nor constant": ("{from: title}", "{as: text}", "tables.wines.columns.name: found neither from nor constant, expected"),
    "from and constant": (
        "{from: title}",
        "{from: title, constant: x}",
        "columns.name: found both from and constant, expected one of them",
    ),
    "split of a number": (
        "{from: shelf, as: int}",
        "{from: shelf, as: int, split: x}",
        "shelf.split: found split of a int, expected it for",
    ),
    "format without marks": ("%d.%m.%Y", "DD.MM.YYYY", "rated_at.format: found 'DD.MM.YYYY', expected a format such as %d.%m.%Y"),
    "several columns of a number": (
        "rating_raw: stars",
        "rating_raw: {from: [a, b]}",
        "rating_raw.from: found several columns, expected one",
    ),
    "values of a constant": (
        "{from: title}",
        "{constant: x, values: {x: y}}",
        "name.values: found values of a constant, expected the value",
    ),
    "nothing of the files": (
        "      wine_id: id\n      name: {from: title}\n      type: {from: colour, values: {no: null, rouge: Red}}\n"
        '      grapes: {from: varieties, split: "/"}\n      shelf: {from: shelf, as: int}',
        "      name: {constant: x}",
        "tables.wines.columns: found no column of the files, expected at least one",
    ),
    "no member": ("      member_id: member\n", "", "tables.ratings.columns: found no member_id, expected it, since every row needs one"),
    "no id": (
        "      event_id: {from: [member, wine]}\n",
        "",
        "found no event_id, expected it, since every row needs one, or event_id: {from:",
    ),
    "empty splitter": ('split: "/"', 'split: ""', "grapes.split: found an empty text, expected what stands between"),
    "values that are none": ("{no: null, rouge: Red}", "[no]", "columns.type.values: found a list, expected keys with values"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_followed_is_named_by_line_and_key(bad: str, tmp_path: Path) -> None:
    found, put, sentence = BAD[bad]
    assert GOOD.count(found) == 1
    with pytest.raises(BadInput) as refusal:
        read_map(write(tmp_path, GOOD.replace(found, put)))
    assert str(refusal.value).startswith(f"{tmp_path / 'map.yml'}, line ")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; expected keys with values"),
        ("- a", "found a list, expected keys with values"),
        ("a: &x [*x]", "this value holds itself"),
        ("? [a, b]\n: c", "a key is a text"),
        ("a: !!python/object:os.system {}", "found a key nobody knows"),
        ("namespace: a\nscale: 1-5\ntables: {}", "found no table, expected at least one"),
    ],
)
def test_a_file_that_is_no_map_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        read_map(write(tmp_path, text))
    assert sentence in str(refusal.value)


def test_a_map_that_is_absent_or_not_utf_8_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"map\.yml cannot be read \(No such file"):
        read_map(tmp_path / "map.yml")
    (tmp_path / "map.yml").write_bytes(b"namespace: caf\xe9")
    with pytest.raises(BadInput, match=r"map\.yml is not UTF-8"):
        read_map(tmp_path / "map.yml")

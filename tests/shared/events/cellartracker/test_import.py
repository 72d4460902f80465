"""Exports as members have them: every table, told by its header, each bottle once, every row accounted for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.events.checks import check_folder
from cellar_shared.events.moments import moment_of
from cellar_shared.events.tables import DataFolder

NOW = moment_of(datetime(2024, 2, 29, 12, tzinfo=UTC))
Cellar = Callable[..., subprocess.CompletedProcess[str]]

STORED = {"BottleState": "1", "Quantity": "1", "Location": "Rack", "PurchaseDate": "5/25/2020", "BottleCost": "20"}
DRUNK = STORED | {"BottleState": "0", "ConsumptionDate": "6/7/2021", "ConsumptionType": "Drank from my cellar", "ConsumptionNote": "Peach."}
IN_STOCK = {"Location": "Rack", "PurchaseDate": "5/25/2020", "Price": "20", "Valuation": "30", "BeginConsume": "2015", "EndConsume": "9999"}
GONE = {"Consumed": "6/7/2021", "ShortType": "Drank", "iConsumed": "900"}
BOUGHT = {
    "iPurchase": "55",
    "PurchaseDate": "5/25/2020",
    "DeliveryDate": "6/1/2020",
    "Quantity": "3",
    "Remaining": "2",
    "Delivered": "True",
}


def states(rows: list[dict[str, Any]]) -> dict[str, int]:
    found = [row["state"] for row in rows]
    return {state: found.count(state) for state in sorted(set(found))}


def adds_up(report: Any) -> bool:
    return all(file.rows == file.kept + file.merged + file.refused for file in report.files)


def test_bottles_that_every_table_describes_count_once(desk: Any) -> None:
    files = [
        desk.write("a", "Bottles", STORED, STORED, DRUNK),
        desk.write("b", "Inventory", IN_STOCK | {"Barcode": "01"}, IN_STOCK | {"Barcode": "02"}),
        desk.write("c", "Consumed", GONE),
        desk.write("d", "Purchase", BOUGHT),
        desk.write("e", "List", {"Quantity": "2", "Pending": "0", "Location": "Rack", "CT": "91,5", "BeginConsume": "2015"}),
        desk.write("f", "Availability", {"LocalQuantity": "2", "Pending": "0", "Consumed": "1", "ComBegin": "2014", "ComEnd": "2031",
                                         "BeginConsume": "1/1/2015", "EndConsume": "12/31/2030", "Source": "Personal", "PScore": "93"}),
    ]  # fmt: skip
    for order in (files, files[::-1]):
        report = desk.take(*order, replace=True)
        assert adds_up(report)
        assert {file.table: (file.kept, file.merged) for file in report.files} == {
            "Bottles": (3, 0), "Inventory": (0, 2), "Consumed": (0, 1), "Purchase": (0, 1), "List": (0, 1), "Availability": (1, 0),
        }  # fmt: skip
        bottles = desk.rows("bottles")
        assert sorted(row["bottle_id"] for row in bottles) == ["ct:b01", "ct:b02", "ct:c900"]
        assert {(row["window_from"], row["window_to"], row["window_source"]) for row in bottles} == {(2015, 2030, "personal")}
        assert {(row["acquired_at"], row["price"], row["size_ml"]) for row in bottles} == {(date(2020, 6, 1), 20.0, 750)}
    (drunk,) = [row for row in desk.rows("bottles") if row["state"] == "consumed"]
    assert (drunk["consumed_at"], drunk["consumed_how"]) == (date(2021, 6, 7), "drunk")
    (wine,) = desk.rows("wines")
    assert tuple(wine[name] for name in ("wine_id", "name", "producer", "type", "colour", "region", "canonical_region", "grapes")) == (
        "ct:7", "Riesling Kabinett", "Weingut Prüfer", "White", "White", "Mosel", "Mosel", ["Riesling"],
    )  # fmt: skip
    assert (wine["community_score"], wine["vintage"], wine["price"]) == (91.5, 2010, 30.0)
    (note,) = desk.rows("notes")
    (outcome,) = desk.rows("outcomes")
    (rating,) = desk.rows("ratings")
    assert (note["text"], outcome["kind"], outcome["bottle_id"]) == ("Peach.", "opened", "ct:c900")
    assert (rating["rating_raw"], rating["like"], rating["rated_at"], rating["time_precision"]) == (93.0, True, None, "unknown")
    assert check_folder(desk.folder / "data", NOW)["bottles"] == 3


@pytest.mark.parametrize(
    ("table", "row", "expected"),
    [
        ("Bottles", STORED, {"stored": 1}),
        ("Inventory", IN_STOCK | {"Barcode": "01"}, {"stored": 1}),
        ("Inventory", IN_STOCK | {"Barcode": "01", "Location": "(pending)"}, {"pending": 1}),
        ("Consumed", GONE, {"consumed": 1}),
        ("Purchase", BOUGHT, {"consumed": 1, "stored": 2}),
        ("Pending", BOUGHT | {"Remaining": "3", "Delivered": "False"}, {"pending": 3}),
        ("List", {"Quantity": "2", "Pending": "4"}, {"pending": 4, "stored": 2}),
        ("Page", {"Quantity": "2", "Pending": "4", "TotalQuantity": "6"}, {"pending": 4, "stored": 2}),
        ("Availability", {"LocalQuantity": "2", "Pending": "1", "Consumed": "3"}, {"consumed": 3, "pending": 1, "stored": 2}),
    ],
)
def test_any_table_alone_gives_its_bottles(desk: Any, table: str, row: dict[str, str], expected: dict[str, int]) -> None:
    report = desk.take(desk.write("some.file", table, row))
    assert states(desk.rows("bottles")) == expected
    assert adds_up(report)
    check_folder(desk.folder / "data", NOW)


def test_of_tables_that_disagree_the_larger_number_counts(desk: Any) -> None:
    pages = desk.write("page.csv", "List", {"Quantity": "5", "Pending": "1", "Location": ""})
    desk.take(desk.write("inventory.csv", "Inventory", *(IN_STOCK | {"Barcode": f"0{n}"} for n in range(3))), pages)
    assert states(desk.rows("bottles")) == {"pending": 1, "stored": 5}


def test_a_bottle_drunk_since_the_list_of_all_bottles_was_made_is_not_counted_twice(desk: Any) -> None:
    old = desk.write("bottles", "Bottles", STORED, STORED, DRUNK)
    stock = desk.write("inventory", "Inventory", IN_STOCK | {"Barcode": "01"})
    later = GONE | {"iConsumed": "901", "Consumed": "7/8/2023"}
    desk.take(old, stock, desk.write("consumed", "Consumed", GONE, later), desk.write("purchase", "Purchase", BOUGHT | {"Remaining": "1"}))
    assert states(desk.rows("bottles")) == {"consumed": 2, "stored": 1}
    assert {row["consumed_at"] for row in desk.rows("bottles")} == {None, date(2021, 6, 7), date(2023, 7, 8)}


def test_the_same_table_twice_counts_once_and_two_pages_of_a_list_are_one_list(desk: Any) -> None:
    stock = [IN_STOCK | {"Barcode": f"0{n}"} for n in range(4)]
    desk.take(desk.write("one", "Inventory", *stock), desk.write("two", "Inventory", *stock[1:]))
    assert len(desk.rows("bottles")) == 4
    first = desk.write("p1", "Page", {"Quantity": "2"}, {"Quantity": "1", "Wine": "Other"})
    second = desk.write("p2", "Page", {"Quantity": "3", "Wine": "Third"})
    desk.take(first, second, out="pages")
    assert len(desk.rows("bottles", "pages")) == 6


def test_sizes_of_one_wine_are_bottles_apart(desk: Any) -> None:
    magnum = IN_STOCK | {"Barcode": "02", "Size": "1.5L"}
    desk.take(
        desk.write("inventory", "Inventory", IN_STOCK | {"Barcode": "01"}, magnum),
        desk.write("list", "List", {"Quantity": "1"}, {"Quantity": "1", "Size": "1.5L"}),
    )
    assert sorted(row["size_ml"] for row in desk.rows("bottles")) == [750, 1500]
    desk.take(desk.write("half", "List", {"Quantity": "1", "Size": "375ml"}), desk.folder / "inventory", out="three")
    assert sorted(row["size_ml"] for row in desk.rows("bottles", "three")) == [375, 750, 1500]


def test_the_sites_own_list_in_latin_1_without_numbers_of_wines(desk: Any) -> None:
    rows = [
        {"Quantity": "2", "Pending": "1", "TotalQuantity": "3", "Value": "1.234,50", "Price": "0", "Currency": "EUR", "CScore": "91,25",
         "BeginConsume": "9999", "EndConsume": "2029"},
        {"Quantity": "1", "Pending": "0", "Wine": "Cram&#259; Rosé", "Producer": "Cram&#259;", "Color": "Rosé", "Category": "Sparkling",
         "Vintage": "1001", "Varietal": "Unknown", "PScore": "88", "Size": "375ml"},
    ]  # fmt: skip
    file = desk.write("export.csv", "Page", *rows, encoding="latin-1", separator=",")
    report = desk.take(file)
    assert (report.files[0].table, report.files[0].encoding) == ("List", "windows-1252")
    first, second = desk.rows("wines")
    assert (first["name"], first["price"], first["type"], first["community_score"]) == ("Riesling Kabinett", 1234.5, "White", 91.25)
    assert (second["name"], second["producer"], second["type"], second["colour"], second["vintage"]) == (
        "Rosé",
        "Cramă",
        "Sparkling",
        "Rosé",
        0,
    )
    assert all(wine["wine_id"].startswith("ct:x") for wine in (first, second))
    windows = {(row["window_from"], row["window_to"], row["window_source"]) for row in desk.rows("bottles")}
    assert windows == {(None, 2029, None), (None, None, None)}
    (rating,) = desk.rows("ratings")
    assert (rating["rating_raw"], rating["like"], rating["wine_id"]) == (88.0, False, second["wine_id"])

    # A newer export names the same wines; beside a table with numbers the wine has its number.
    desk.take(desk.write("again.csv", "Page", rows[1] | {"Quantity": "5"}, rows[0], encoding="utf-8-sig", separator=";"), out="again")
    assert {wine["wine_id"] for wine in desk.rows("wines", "again")} == {first["wine_id"], second["wine_id"]}
    desk.take(file, desk.write("inventory", "Inventory", IN_STOCK | {"Barcode": "01"}), out="both")
    assert {wine["wine_id"] for wine in desk.rows("wines", "both")} == {"ct:7", second["wine_id"]}
    assert states(desk.rows("bottles", "both")) == {"pending": 1, "stored": 3}


def test_columns_may_stand_in_any_order_and_unknown_ones_are_ignored(desk: Any) -> None:
    file = desk.write("a.csv", "Inventory", IN_STOCK | {"Barcode": "01"}, separator=",")
    lines = [line.split(",") for line in file.read_text("cp1252").split("\n") if line]
    turned = [[*(cell.strip() for cell in reversed(line)), "Newer" if number == 0 else "x,y"] for number, line in enumerate(lines)]
    file.write_text("\n".join(",".join(f'"{cell}"' for cell in line) for line in turned), "utf-8")
    desk.take(file)
    assert [row["bottle_id"] for row in desk.rows("bottles")] == ["ct:b01"]


NOTE = {
    "iNote": "1",
    "TastingDate": "6/7/2021",
    "Rating": "89",
    "TastingNotes": "Peach,\nflint & smoke.",
    "Defective": "False",
    "fLikeIt": "False",
}


def test_a_like_is_the_members_own_word_where_the_member_uses_it(desk: Any) -> None:
    rows = [
        NOTE, NOTE | {"iNote": "2", "Rating": "85", "fLikeIt": "True"}, NOTE | {"iNote": "3", "Rating": "95", "Defective": "True"},
        NOTE | {"iNote": "4", "Rating": "", "fLikeIt": "True"}, NOTE | {"iNote": "5", "Rating": "0", "TastingNotes": ""},
    ]  # fmt: skip
    report = desk.take(desk.write("n.tsv", "Notes", *rows), desk.write("list", "List", {"Quantity": "1", "MY": "50"}))
    likes = {row["event_id"]: (row["rating_raw"], row["like"], row["defective"]) for row in desk.rows("ratings")}
    assert likes == {"ct:n1": (89.0, False, False), "ct:n2": (85.0, True, False), "ct:n3": (95.0, False, True)}
    assert {row["rated_at"] for row in desk.rows("ratings")} == {datetime(2021, 6, 7, tzinfo=UTC)}
    assert [(row["outcome_id"], row["kind"], row["value"]) for row in desk.rows("outcomes")] == [
        ("ct:n4:liked", "liked", 1.0), ("ct:n5:liked", "liked", 0.0),
    ]  # fmt: skip
    assert next(row["text"] for row in desk.rows("notes")) == "Peach,\nflint & smoke."
    assert len(desk.rows("notes")) == 4
    assert adds_up(report)


def test_a_list_that_says_likes_and_whose_window_it_is_is_believed(desk: Any) -> None:
    liked = {"Quantity": "1", "PScore": "85", "LikeIt": "True", "BeginConsume": "2015", "EndConsume": "2020", "WindowSource": "Personal"}
    desk.take(desk.write("l", "Page", liked, liked | {"Wine": "Other", "PScore": "91", "LikeIt": "False", "WindowSource": "Vinous"}))
    assert [row["like"] for row in desk.rows("ratings")] == [True, False]
    assert [row["window_source"] for row in desk.rows("bottles")] == ["personal", "critic"]


def test_a_member_who_never_says_like_likes_from_ninety(desk: Any) -> None:
    desk.take(desk.write("n", "Notes", NOTE, NOTE | {"iNote": "2", "Rating": "90"}))
    assert [row["like"] for row in desk.rows("ratings")] == [False, True]


OTHER = IN_STOCK | {"Barcode": "03"}
BAD_ROWS = {
    "a day nobody knows": ("Inventory", OTHER | {"PurchaseDate": "5/35/2020"}, "PurchaseDate: found '5/35/2020', expected a day"),
    "a size in words": ("Inventory", OTHER | {"Size": "large"}, "Size: found 'large', expected a size such as"),
    "no name": ("Inventory", OTHER | {"Wine": ""}, "Wine: found '', expected a wine's name"),
    "a number that is none": ("Inventory", OTHER | {"iWine": "W7"}, "iWine: found 'W7', expected a wine's number"),
    "a barcode of another": ("Inventory", IN_STOCK | {"Barcode": "01"}, "Barcode: found '01', expected an id of its own (line 2 has"),
    "a window that ends first": ("Inventory", OTHER | {"EndConsume": "2011"}, "EndConsume: found '2011', expected a year not before"),
    "a state that is none": ("Bottles", STORED | {"BottleState": "2"}, "BottleState: found '2', expected 1 (in the cellar)"),
    "a day to come": ("Bottles", DRUNK | {"ConsumptionDate": "3/3/2031"}, "ConsumptionDate: found '2031-03-03', expected a day that has"),
    "more left than bought": ("Purchase", BOUGHT | {"Remaining": "4"}, "Remaining: found '4', expected at most the Quantity (3)"),
    "a rating off the scale": ("Notes", NOTE | {"iNote": "9", "Rating": "101"}, "Rating: found '101', expected a number from 0 to 100"),
}  # fmt: skip


@pytest.mark.parametrize("said", BAD_ROWS)
def test_a_row_that_cannot_be_is_refused_by_its_place_or_left_out_and_counted(said: str, desk: Any) -> None:
    table, row, sentence = BAD_ROWS[said]
    good = {"Inventory": IN_STOCK | {"Barcode": "01"}, "Bottles": STORED, "Purchase": BOUGHT, "Notes": NOTE}[table]
    file = desk.write("it.tsv", table, good, row)
    with pytest.raises(BadInput) as refused:
        desk.take(file)
    place = str(refused.value)
    assert place.startswith("it.tsv, line ")
    assert f"column {sentence}" in place
    assert not (desk.folder / "data").exists()
    report = desk.take(file, skip_bad=True)
    assert (report.files[0].rows, report.files[0].kept, report.files[0].refused) == (2, 1, 1)
    assert (desk.folder / "data" / "refused.csv").read_text("utf-8").count("it.tsv") == 1


@pytest.mark.parametrize("table", ["Inventory", "Bottles", "Page"])
def test_a_broken_file_is_refused_in_a_sentence_that_names_the_place(
    table: str, desk: Any, ways_to_break: dict[str, Callable[[bytes], bytes]]
) -> None:
    row = {"Inventory": IN_STOCK | {"Barcode": "01"}, "Bottles": STORED, "Page": {"Quantity": "1"}}[table]
    raw = desk.write("whole.tsv", table, row, row | {"Barcode": "02", "Wine": "Château Prüfer"}, encoding="utf-8").read_bytes()
    for way, broken in ways_to_break.items():
        (desk.folder / "broken.tsv").write_bytes(broken(raw))
        with pytest.raises(BadInput, match=r"^broken\.tsv(, (line|byte) \d+| is empty)"):
            desk.take(desk.folder / "broken.tsv")
        assert not (desk.folder / "data").exists(), way


def test_a_spreadsheets_line_about_the_separator_is_no_header(desk: Any) -> None:
    file = desk.write("l.csv", "List", {"Quantity": "1", "Price": "1.234,50"}, {"Quantity": "one"}, separator=";")
    file.write_bytes(b"sep=;\r\n" + file.read_bytes())
    with pytest.raises(BadInput, match=r"^l\.csv, line 4, column Quantity: found 'one', expected a number"):
        desk.take(file)
    desk.take(file, skip_bad=True)
    assert [row["price"] for row in desk.rows("bottles")] == [1234.5]


def test_a_table_without_bottles_or_ratings_is_read_past_and_said(desk: Any) -> None:
    (desk.folder / "tags.csv").write_text("ListName,ListNotes,MaxPrice,Wine\n*Wishlist,,,Some\n", "utf-8")
    report = desk.take(desk.write("l", "List", {"Quantity": "1"}), desk.folder / "tags.csv")
    assert report.warnings == ["tags.csv: table Tag says nothing of bottles, ratings or notes and was read past"]
    assert adds_up(report)


def test_a_list_of_one_page_is_asked_about(desk: Any) -> None:
    report = desk.take(desk.write("l", "Page", *({"Quantity": "1", "Wine": f"Wine {n}"} for n in range(25))))
    assert "just 25 rows" in report.warnings[0]


def test_added_to_a_folder_bottles_need_barcodes_and_the_same_export_changes_nothing(desk: Any) -> None:
    good = desk.write("i", "Inventory", IN_STOCK | {"Barcode": "01"})
    notes = desk.write("n", "Notes", NOTE)
    desk.take(good)
    assert desk.take(good, notes, since=moment_of(datetime(2020, 1, 1, tzinfo=UTC))).tables["notes"].rows == 1
    again = desk.take(good, notes, since=moment_of(datetime(2020, 1, 1, tzinfo=UTC))).tables
    assert {table: (report.rows, report.replaced) for table, report in again.items()} == dict.fromkeys(again, (0, 0))
    with pytest.raises(BadInput, match="1 of the export's bottles have no barcode"):
        desk.take(desk.write("b", "Bottles", DRUNK), since=0)
    desk.take(desk.folder / "b", since=0, member="another")  # whose bottles do not stand there yet
    assert {row["member_id"] for row in desk.rows("bottles")} == {"me", "another"}


WHOLE = (("Bottles",), ("Inventory", "Consumed"), ("Bottles", "Inventory", "Consumed"), ("Bottles", "Consumed"), ("Bottles", "Inventory"))
LOTS = ("Purchase", "List", "Availability")


def tables_of(bottles: list[tuple[str, str, str, int]]) -> dict[str, list[dict[str, Any]]]:
    """Every table of a cellar of (wine, size, BottleState, month bought), as the site would export it on one day."""
    named = {"A": {"iWine": "1", "Wine": "A"}, "B": {"iWine": "2", "Wine": "B"}}
    made: dict[str, list[dict[str, Any]]] = {table: [] for table in ("Bottles", "Inventory", "Consumed", *LOTS)}
    for number, (wine, size, state, month) in enumerate(bottles):
        facts = named[wine] | {"Size": size, "BottleSize": size, "PurchaseDate": f"{month}/5/2020"}
        gone = {"ConsumptionDate": "6/7/2021", "ShortType": "Drank"} if state == "0" else {}
        made["Bottles"].append(STORED | facts | gone | {"BottleState": state})
        if state == "0":
            made["Consumed"].append(GONE | facts | {"iConsumed": f"{number}"})
        else:
            made["Inventory"].append(IN_STOCK | facts | {"Barcode": f"{number}", "Location": "(pending)" if state == "-1" else "Rack"})
    purchases = {(wine, size, month, state != "-1") for wine, size, state, month in bottles}
    for wine, size, month, is_here in sorted(purchases):
        lot = [state for *of, state, at in bottles if (*of, at, state != "-1") == (wine, size, month, is_here)]
        made["Purchase"].append(
            BOUGHT | named[wine] | {"Size": size, "PurchaseDate": f"{month}/5/2020", "Quantity": len(lot),
                                    "Remaining": len(lot) - lot.count("0"),
                                    "Delivered": is_here, "iPurchase": f"{wine}{size}{month}{is_here}"}
        )  # fmt: skip
    for wine, size in sorted({(wine, size) for wine, size, *_ in bottles}):
        lot = [state for *of, state, _ in bottles if of == [wine, size]]
        made["List"].append(named[wine] | {"Size": size, "Quantity": lot.count("1"), "Pending": lot.count("-1")})
    for wine in sorted({wine for wine, *_ in bottles}):
        lot = [state for of, _, state, _ in bottles if of == wine]
        counts = {"LocalQuantity": lot.count("1"), "Pending": lot.count("-1"), "Consumed": lot.count("0")}
        made["Availability"].append(named[wine] | counts)
    return {table: rows for table, rows in made.items() if rows}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["750ml", "1.5L"]), st.sampled_from(["1", "0", "-1"]), st.integers(1, 3)),
             min_size=1, max_size=12),
    st.sampled_from(WHOLE), st.lists(st.sampled_from(LOTS), unique=True),
)  # fmt: skip
def test_a_cellar_told_by_several_tables_has_the_bottles_that_it_has(
    desk: Any, bottles: list[tuple[str, str, str, int]], whole: tuple[str, ...], lots: list[str]
) -> None:
    tables = tables_of(bottles)
    files = [desk.write(table, table, *tables[table]) for table in (*whole, *lots) if table in tables]
    report = desk.take(*files, replace=(desk.folder / "data").exists())
    assert adds_up(report)
    assert sum(file.refused for file in report.files) == 0
    named = {"ct:1": "A", "ct:2": "B"}
    codes = {"stored": "1", "consumed": "0", "pending": "-1"}
    found = sorted((named[row["wine_id"]], row["size_ml"], codes[row["state"]]) for row in desk.rows("bottles"))
    assert found == sorted((wine, 1500 if size == "1.5L" else 750, state) for wine, size, state, _ in bottles)


GENUINE = ("availability", "bottles", "consumed", "inventory", "list", "pending", "purchase")


@pytest.mark.real_data
def test_the_genuine_exports_import_whole(real_data: Path, cellar: Cellar, tmp_path: Path) -> None:
    done = cellar("data", "import", "cellartracker", real_data / "cellartracker", "--out", tmp_path / "data", "--member", "me", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {table: answer[table] for table in ("wines", "bottles", "notes", "outcomes", "refused")} == {
        "wines": 3, "bottles": 11, "notes": 2, "outcomes": 2, "refused": 0,
    }  # fmt: skip
    assert answer["left_aside"] == ["not_logged.html"]
    assert {file["file"]: file["rows"] for file in answer["files"]} == {
        f"{name}.tsv": len((real_data / "cellartracker" / f"{name}.tsv").read_text("utf-8").rstrip("\n").split("\n")) - 1
        for name in GENUINE
    }
    assert all(file["rows"] == file["kept"] + file["merged"] + file["refused"] for file in answer["files"])
    assert min(each["share"] for each in answer["recognised"].values()) >= 0.9
    bottles = DataFolder.open(tmp_path / "data").scan("bottles").collect().to_dicts()
    assert states(bottles) == {"consumed": 2, "pending": 3, "stored": 6}
    assert {row["window_source"] for row in bottles} == {"community"}
    assert cellar("data", "check", tmp_path / "data").returncode == 0


@pytest.mark.real_data
@pytest.mark.parametrize("name", GENUINE)
def test_a_genuine_file_alone_in_windows_1252_and_with_its_columns_reversed_says_the_same(name: str, real_data: Path, desk: Any) -> None:
    whole = real_data / "cellartracker" / f"{name}.tsv"
    desk.take(whole, out="whole")
    lines = [line.split("\t") for line in whole.read_text("utf-8").rstrip("\n").split("\n")]
    (desk.folder / "turned.csv").write_text("\n".join("\t".join(reversed(line)) for line in lines), "cp1252")
    report = desk.take(desk.folder / "turned.csv", out="turned")
    assert report.files[0].encoding == "windows-1252"
    for table in ("wines", "bottles", "notes", "outcomes"):
        assert desk.rows(table, "turned") == desk.rows(table, "whole")


@pytest.mark.real_data
@pytest.mark.parametrize("name", GENUINE)
def test_a_broken_copy_of_a_genuine_file_is_refused_in_a_sentence_that_names_the_place(
    name: str, real_data: Path, desk: Any, ways_to_break: dict[str, Callable[[bytes], bytes]]
) -> None:
    raw = (real_data / "cellartracker" / f"{name}.tsv").read_bytes()
    for way, broken in ways_to_break.items():
        (desk.folder / "broken.tsv").write_bytes(broken(raw))
        with pytest.raises(BadInput, match=r"broken\.tsv(, (line|byte) \d+| is empty)") as refused:
            desk.take(desk.folder / "broken.tsv")
        assert not (desk.folder / "data").exists(), way
        assert "expected" in str(refused.value) or way in ("a web page", "without its header"), way


@pytest.mark.real_data
@pytest.mark.parametrize("name", GENUINE)
def test_a_genuine_file_without_a_column_it_needs_is_refused_by_that_column(name: str, real_data: Path, desk: Any) -> None:
    lines = [line.split("\t") for line in (real_data / "cellartracker" / f"{name}.tsv").read_text("utf-8").rstrip("\n").split("\n")]
    from cellar_shared.events.sources.cellartracker.kinds import kind_of

    kind = kind_of(lines[0], name)
    for column in kind.required:
        place = lines[0].index(column)
        (desk.folder / "less.tsv").write_text("\n".join("\t".join(line[:place] + line[place + 1 :]) for line in lines), "utf-8")
        with pytest.raises(BadInput, match=rf"less\.tsv, line 1: column {column} is missing of table {kind.name}; found "):
            desk.take(desk.folder / "less.tsv")


@pytest.mark.real_data
def test_a_page_of_a_failed_login_is_told_as_such(real_data: Path, desk: Any) -> None:
    with pytest.raises(
        BadInput, match=r"not_logged\.html, line 1: this is a web page that says 'You are currently not logged into CellarTracker\.'"
    ):
        desk.take(real_data / "cellartracker" / "not_logged.html")

"""`cellar tonight` as a collector runs it: on the genuine export, on a thousand bottles, on the site's own List, with bundles."""

from __future__ import annotations

import csv
import html
import importlib.util
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cellar_shared.events.tables import DataFolder

# Other wines beside it move a chance by less than 1e-6; both are rounded to six decimals.
IN_ANOTHER_BATCH = 2.5e-6
HEADER = (
    "Color,Category,Size,Currency,Value,Price,TotalQuantity,Quantity,Pending,Vintage,Wine,Locale,Producer,Varietal,Country,Region,"
    "SubRegion,BeginConsume,EndConsume,PScore,CScore"
)
LIST = f"""{HEADER}
Red,Dry,750ml,EUR,"45,5","30,00",4,3,1,2015,"Domaine Élan Pauillac","France, Bordeaux, Pauillac",Domaine Élan,Red Bordeaux Blend,France,\
Bordeaux,Pauillac,2023,2040,93,92.8
White,Sparkling,1.5L,EUR,"120","0",1,1,0,1001,"Maison Été Brut","France, Champagne",Maison Été,Champagne Blend,France,Champagne,Unknown,\
9999,9999,,95.1
White,Off-dry,375ml,EUR,12,10,2,2,0,2019,"Weingut M&#246;we Riesling","Germany, Mosel",Weingut Möwe,Riesling,Germany,Mosel,Unknown,9999,\
2035,,91
Red,Dry,Other,EUR,,,1,1,0,,"Homemade, ""grand"" cuvée",Unknown,Unknown,Unknown,Unknown,Unknown,Unknown,,,,
"""


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made export of 1,000 bottles."""
    spec = importlib.util.spec_from_file_location("made_export", Path(__file__).parents[1] / "tonight" / "made_export.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    folder: Path = tmp_path_factory.mktemp("thousand")
    maker.made_export(folder, bottles=1000)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def answer(cellar, *words):
    done = cellar("tonight", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.real_data
def test_the_genuine_export_gives_its_bottles_their_phases_and_its_own_paces(cellar, real_data, tmp_path):
    export = real_data / "cellartracker"
    said = answer(cellar, export, "--report", tmp_path / "r.html", "--csv", tmp_path / "r.csv")
    assert said["export_day"] == said["pace_day"] == "2020-05-26"
    assert sum(line["bottles"] for line in said["lines"]) == 6
    assert sum(line["awaited"] for line in said["lines"]) == 3
    with (export / "availability.tsv").open(encoding="utf-8") as stream:
        stated = {row["iWine"]: float(row["Linear"]) for row in csv.DictReader(stream, delimiter="\t")}
    for row in rows_of(tmp_path / "r.csv"):
        assert float(row["Linear"]) == pytest.approx(stated[row["iWine"]], rel=1e-5)
    for lot in said["pace"]:
        assert lot["by_style"]["linear"] == pytest.approx(stated[lot["wine"]["key"]], abs=1e-13)
    barcodes = {row["Barcode"] for row in rows_of(tmp_path / "r.csv")}
    with (export / "inventory.tsv").open(encoding="utf-8") as stream:
        assert barcodes == {row["Barcode"] for row in csv.DictReader(stream, delimiter="\t")}
    assert "Yquem" in (tmp_path / "r.html").read_text()


def test_a_thousand_bottles_get_their_evening_without_any_training(cellar, thousand, tmp_path):
    words = (thousand, "--as-of", "2026-11-25", "--food", "roast lamb", "--guests", "3")
    said = answer(cellar, *words, "--report", tmp_path / "r.html", "--csv", tmp_path / "r.csv")
    assert sum(line["bottles"] for line in said["lines"]) == 1000
    assert len(rows_of(tmp_path / "r.csv")) == 1000
    assert {line["section"] for line in said["lines"]} == {"open", "at_risk", "leave", "unknown"}
    first = said["lines"][said["picks"][0]["line"]]
    assert first["standing"]["phase"] in {"early", "peak", "late"}
    assert said["picks"][0]["whys"]
    planned = sum(each["bottles"] for each in said["plan"]["planned"])
    assert planned + said["plan"]["left"] <= 1000
    assert said["plan"]["enjoyment"] >= said["plan"]["baseline"]
    again = answer(cellar, *words)
    assert {name: again[name] for name in ("picks", "plan", "lines")} == {name: said[name] for name in ("picks", "plan", "lines")}


def test_people_read_what_to_open_and_why(cellar, thousand):
    done = cellar("tonight", thousand, "--as-of", "2026-11-25")
    assert done.returncode == 0, done.stderr
    assert "Tonight: " in done.stdout
    assert "at risk" in done.stdout
    assert "1,000 bottles here" in done.stdout


def test_the_sites_own_list_without_numbers_works(cellar, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "My Wines.csv").write_bytes(LIST.replace("\n", "\r\n").encode("latin-1"))
    said = answer(cellar, tmp_path / "export", "--as-of", "2026-11-25", "--csv", tmp_path / "r.csv")
    by_name = {line["wine"]["name"]: line for line in said["lines"]}
    assert set(by_name) == {"Domaine Élan Pauillac", "Maison Été Brut", "Weingut Möwe Riesling", 'Homemade, "grand" cuvée'}
    assert by_name["Domaine Élan Pauillac"]["bottles"] == 3
    assert by_name["Domaine Élan Pauillac"]["awaited"] == 1
    assert by_name["Maison Été Brut"]["standing"]["reason"] in {"no_window", "non_vintage_undated"}
    assert by_name["Weingut Möwe Riesling"]["standing"]["reason"] == "begin_unknown"
    assert [(row["iWine"], row["Vintage"], row["Size"]) for row in rows_of(tmp_path / "r.csv") if "Maison" in row["Wine"]] == [
        ("", "1001", "1.5L")
    ]


def test_with_bundles_every_bottle_has_a_curve_and_the_services_own_percentage(cellar, thousand, made, cellars, serving, tmp_path):
    bundles = ("--drinkability", cellars.bundle, "--preference", made.bundle, "--store", f"lmdb://{made.store}", "--catalogue", made.data)
    bare = answer(cellar, thousand, "--as-of", "2026-11-25")
    said = answer(cellar, thousand, "--as-of", "2026-11-25", *bundles)
    assert sum(not line["standing"]["by_year"] for line in bare["lines"]) > 0
    dated = [line for line in said["lines"] if line["wine"]["vintage"]]
    assert all(line["standing"]["drink_by"] and line["standing"]["by_year"] for line in dated)
    assert all(line["taste"]["basis"] == "preference" for line in said["lines"])
    assert len(said["models"]) == 2
    # The same history and the same wines, asked of the service over HTTP.
    out = tmp_path / "data"
    assert cellar("data", "import", "cellartracker", thousand, "--member", "me", "--out", out).returncode == 0
    tables = {name: DataFolder.open(out).scan(name).collect() for name in ("wines", "ratings")}
    asked = tables["wines"].sort("wine_id").head(40).to_dicts()
    facts = {row["wine_id"]: about(row) for row in tables["wines"].to_dicts()}
    history = [
        {"wine_id": row["wine_id"], "rating": row["rating_raw"], "vintage": vintage(row), "rated_at": row["rated_at"].isoformat()}
        | {"about": facts[row["wine_id"]]}
        for row in tables["ratings"].sort("rated_at", "event_id").to_dicts()
    ]
    wines = [{"wine_id": row["wine_id"], "vintage": vintage(row), "about": about(row)} for row in asked]
    with serving(made) as service:
        status, body = service.ask("POST", "/score", {"history": history, "scale": "0-100", "wines": wines})
    assert status == 200, body
    told = {line["wine"]["wine_id"]: line["taste"]["chance"] for line in said["lines"]}
    for row, result in zip(asked, body["results"], strict=True):
        assert told[row["wine_id"]] == pytest.approx(result["probability"], abs=IN_ANOTHER_BATCH)


def test_with_a_recommender_it_says_what_to_buy_as_its_service_does(cellar, thousand, made, recommender, serving, tmp_path):
    words = (thousand, "--recommender", recommender, "--store", f"lmdb://{made.store}", "--catalogue", made.data)
    said = answer(cellar, *words, "--report", tmp_path / "r.html")
    assert len(said["to_buy"]) == 10
    assert len(said["models"]) == 1
    # The same history and the same bottles, asked of the service over HTTP.
    out = tmp_path / "data"
    assert cellar("data", "import", "cellartracker", thousand, "--member", "me", "--out", out).returncode == 0
    tables = {name: DataFolder.open(out).scan(name).collect() for name in ("wines", "ratings", "bottles")}
    facts = {row["wine_id"]: about(row) for row in tables["wines"].to_dicts()}
    history = [
        {"wine_id": row["wine_id"], "rating": row["rating_raw"], "vintage": vintage(row), "rated_at": row["rated_at"].isoformat()}
        | {"about": facts[row["wine_id"]]}
        for row in tables["ratings"].sort("rated_at", "event_id").to_dicts()
    ]
    bottles = [
        {"bottle_id": row["bottle_id"], "wine_id": row["wine_id"], "vintage": vintage(row), "state": row["state"]}
        for row in tables["bottles"].filter(pl.col("state") != "consumed").to_dicts()
    ]
    with serving(made, model="recommender", bundle=recommender) as service:
        status, body = service.ask("POST", "/score", {"history": history, "scale": "0-100", "cellar": bottles, "limit": 10})
    assert status == 200, body
    assert [each["wine"]["wine_id"] for each in said["to_buy"]] == [item["wine_id"] for item in body["items"]]
    for each, item in zip(said["to_buy"], body["items"], strict=True):
        assert each["chance"] == pytest.approx(item["probability"], abs=IN_ANOTHER_BATCH)
    page = (tmp_path / "r.html").read_text()
    names = {row["wine_id"]: row["name"] for row in DataFolder.open(made.data).scan("wines").collect().to_dicts()}
    assert "What to buy next" in page
    assert all(html.escape(names[each["wine"]["wine_id"]]) in page for each in said["to_buy"])
    done = cellar("tonight", *words)
    assert "to buy" in done.stdout


def about(row):
    facts = {"producer": row["producer"], "type": row["type"], "country": row["country"], "price": row["price"]}
    return facts | {"grapes": row["canonical_grapes"] or row["grapes"], "region": row["canonical_region"] or row["region"]}


def vintage(row):
    return "NV" if row["vintage"] == 0 else row["vintage"]


def test_a_warm_cellar_puts_more_at_risk(cellar, thousand):
    cool, warm = (
        {line["wine"]["wine_id"] + str(line["size_ml"]): line["standing"]["drink_by"] for line in answer(cellar, thousand, *more)["lines"]}
        for more in (("--as-of", "2026-11-25"), ("--as-of", "2026-11-25", "--celsius", "20", "--amplitude", "4"))
    )
    both = [key for key in cool if cool[key] and warm[key]]
    assert len(both) > 100
    assert all(date.fromisoformat(warm[key]) <= date.fromisoformat(cool[key]) for key in both)
    assert any(warm[key] < cool[key] for key in both)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--as-of", "tonight"), "write it as 2026-12-24"),
        (("--food", "xqzzt"), "xqzzt"),
        (("--location", "the moon"), "the moon"),
        (("--store", "lmdb://x"), "--preference or --recommender, and --store belong together"),
        (("--recommender", "x"), "--preference or --recommender, and --store belong together"),
        (("--catalogue", "x"), "add --preference or --recommender, and --store"),
        (("--amplitude", "3"), "add --celsius"),
        (("--drinkability", "nowhere"), "nowhere"),
    ],
)
def test_a_wish_that_cannot_be_met_ends_in_a_sentence(cellar, thousand, words, sentence):
    done = cellar("tonight", thousand, *words)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_results_join_back_to_the_export_by_its_keys(cellar, thousand, tmp_path):
    answer(cellar, thousand, "--as-of", "2026-11-25", "--csv", tmp_path / "r.csv")
    export = pl.read_csv(thousand / "inventory.tsv", separator="\t", encoding="cp1252", infer_schema=False)
    told = pl.read_csv(tmp_path / "r.csv", infer_schema=False)
    joined = export.join(told, on=["iWine", "Barcode"], how="inner", validate="1:1", suffix="_told")
    assert joined.height == export.height == told.height
    for column in ("Vintage", "Wine", "Producer", "Size", "Location", "Bin"):
        assert joined[column].to_list() == joined[f"{column}_told"].to_list()

"""Parts in processes of their own: the same bytes however many, and a process that dies costs its part alone."""

from __future__ import annotations

import hashlib
import subprocess

import polars as pl
import pytest

from cellar_drinkability.scoring import pool


def bytes_of(out):
    return {
        f"{table}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest()
        for table in ("bottles", "curves")
        for file in (out / table).iterdir()
    }


def test_two_processes_write_the_bytes_that_this_one_does(make_data, night, many_bottles, many_places, tmp_path):
    data = make_data(many_bottles(3, 300), places=many_places)
    night(data, tmp_path / "here")
    report = night(data, tmp_path / "there", engine=pool.run, workers=2)
    assert report.peak_bytes > 1 << 20
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


def test_a_process_that_dies_costs_its_part_and_no_other(make_data, night, many_bottles, bottle, wines, tmp_path):
    deadly = wines[0] | {"wine_id": "deadly", "region": "Abyss"}
    parts = many_bottles(3, 60)
    parts[1] = pl.concat([parts[1], pl.DataFrame([bottle | {"wine_id": "deadly"}], schema=parts[1].schema)])
    data = make_data(parts, wines=[*wines, deadly])
    report = night(data, engine=pool.run, workers=1, model="night_model:DeadlyModel")
    assert [(each.part, "died (exit status 41)" in each.error) for each in report.set_aside] == [("part-00001.parquet", True)]
    assert [part.part for part in report.manifest.parts] == ["part-00000.parquet", "part-00002.parquet"]


def test_daft_writes_the_bytes_that_this_process_does(make_data, night, many_bottles, many_places, bundle, program, tmp_path):
    pytest.importorskip("daft", reason="the extra `daft` is not installed: `make env` brings it")
    data = make_data(many_bottles(3, 300), places=many_places)
    night(data, tmp_path / "here")
    (data / "bottles" / "part-00001.parquet").write_bytes(b"damaged")
    ran = subprocess.run(program(data, tmp_path / "there", "daft"), capture_output=True, text=True, timeout=600, check=True)
    assert ran.stdout == "part-00001.parquet"
    here, there = bytes_of(tmp_path / "here"), bytes_of(tmp_path / "there")
    assert {name: here[name] for name in there} == there
    assert len(there) == len(here) - 5  # rows, curves, row numbers and two receipts of the damaged part

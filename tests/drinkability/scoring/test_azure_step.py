"""Azure's parallel step: a row for every file, the bytes of a night on one machine, whoever else writes at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def worker(bundle, tmp_path, monkeypatch):
    """Starts a process of the step; `ask(process, files)` hands it a mini-batch."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    processes = []

    def start(data, *more, **environment):
        # Azure hands its own arguments over too.
        words = [
            "--data",
            data,
            "--as-of",
            "2025-06-01",
            "--model",
            "night_model:ArithmeticModel",
            "--mini_batch_size",
            "2",
            "--error=1",
            *more,
        ]
        process = subprocess.Popen(
            [sys.executable, str(HERE / "azure_program.py"), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {name: str(value) for name, value in environment.items()},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait(120)


def give(process, files):
    process.stdin.write(json.dumps([str(file) for file in files]) + "\n")
    process.stdin.flush()


def rows(process):
    return [json.loads(row) for row in json.loads(process.stdout.readline())]


def contents(out, *tables):
    return {f"{table}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for table in tables for file in (out / table).iterdir()}


def test_two_workers_a_failing_file_and_a_retry_write_the_bytes_of_a_night_on_one_machine(
    make_data, night, worker, many_bottles, many_places, bundle, tmp_path
):
    data = make_data(many_bottles(4, 300), places=many_places)
    whole = night(data, tmp_path / "whole").manifest
    files = sorted((data / "bottles").iterdir())
    content = files[2].read_bytes()
    files[2].write_bytes(content[:200])
    out = tmp_path / "azure"
    one = worker(data, "--bundle", bundle, "--out", tmp_path / "not here", AZUREML_BI_OUTPUT_PATH=out)
    two = worker(data, "--out", out, AZUREML_MODEL_DIR=bundle.parent)
    # Both begin with the same files: a mini-batch that timed out is handed to another.
    give(one, [files[0], files[1], files[2]])
    give(two, [files[1], files[2], files[3], tmp_path / "gone.parquet"])
    first, second = rows(one), rows(two)
    assert [row["status"] for row in first] == ["scored", "scored", "failed"]
    assert [row["status"] for row in second] == ["scored", "failed", "scored", "failed"]
    assert [row["file"] for row in second] == [str(file) for file in (*files[1:], tmp_path / "gone.parquet")]
    assert "damaged" in first[2]["error"]
    assert first[0]["rows"] == 300
    closed = night(data, out, steps=("close",)).manifest
    assert [(each.part, "damaged" in each.error) for each in closed.set_aside] == [("part-00002.parquet", True)]
    assert closed.parts == [whole.parts[0], whole.parts[1], whole.parts[3]]
    files[2].write_bytes(content)
    give(two, [files[2], files[3]])
    assert [row["status"] for row in rows(two)] == ["scored", "scored"]
    closed = night(data, out, steps=("close",)).manifest
    assert closed.set_aside == []
    assert closed.parts == whole.parts
    assert contents(out, "bottles", "curves") == contents(tmp_path / "whole", "bottles", "curves")
    assert not (tmp_path / "not here").exists()


def test_a_step_without_a_place_for_its_output_says_so(make_data, worker, many_bottles, bundle):
    process = worker(make_data(many_bottles(1, 10)), "--bundle", bundle)
    assert process.wait(300) == 2

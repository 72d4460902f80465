"""The committed documents and clients are what the code gives, and keep what the last release promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cellar_shared.api.breaking import breaking_changes
from cellar_shared.api.client_source import client_source
from cellar_shared.api.documents import SUFFIX, document_bytes, read_document, released_name
from cellar_shared.errors import BadInput
from cellar_shared.service.frame import CONTRACT

WRITE = "the contract in the code is not the one committed: run `make api` and commit what it writes"


def test_the_committed_documents_are_what_the_code_gives(offered, root):
    committed = {path.name: path.read_bytes() for path in (root / "docs" / "api").glob(f"*{SUFFIX}")}
    assert committed == {f"{name}{SUFFIX}": document_bytes(document) for name, document in offered.items()}, WRITE


def test_the_committed_clients_are_what_the_documents_give(offered, root):
    committed = {name: (root / "shared" / "cellar_shared" / "client" / f"{name}.py").read_text() for name in offered}
    assert committed == {name: client_source(document) for name, document in offered.items()}, WRITE


def test_no_document_breaks_clients_of_the_last_release(offered, root):
    released = {path.name: read_document(path) for path in (root / "docs" / "api" / "released").glob(f"*{SUFFIX}")}
    current = {released_name(name, document): document for name, document in offered.items()}
    gone = [name for name in released if name.rsplit("-", 1)[0] not in offered]
    assert gone == [], "a released service offers no document any longer"
    broken = {name: list(map(str, breaking_changes(old, current[name]))) for name, old in released.items() if name in current}
    assert broken == {name: [] for name in broken}, "answers only grow: add instead of changing, or raise the contract's version"
    assert "preference-1.openapi.json" in broken


def test_documents_carry_the_version_of_the_contract(offered):
    assert {document["info"]["version"] for document in offered.values()} == {CONTRACT.decode()}


def test_documents_are_openapi_with_sound_schemas(offered):
    for document in offered.values():
        assert document["openapi"].startswith("3.1")
        for schema in document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_bytes_do_not_depend_on_the_process(offered, seed):
    program = (
        "import sys; from cellar_preference.serving.api import document; from cellar_shared.api.documents import document_bytes;"
        "sys.stdout.buffer.write(document_bytes(document()))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, timeout=300, check=True)
    assert done.stdout == document_bytes(offered["preference"])


def test_a_document_loads_nothing_that_only_training_has():
    offer = "import sys; from cellar_preference.serving.api import document; document();"
    program = f"{offer} print('polars' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found no JSON"),
        (b"[" * 100_000, "found no JSON"),
        (b"[]", "found openapi None, expected 3.1"),
        (b'{"openapi": "3.0.3"}', "found openapi '3.0.3', expected 3.1"),
        (b'{"swagger": 2}', "found openapi None"),
    ],
)
def test_a_file_that_is_no_document_is_refused_by_name(tmp_path, content, said):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_document(tmp_path / "a.json")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.json: cannot be read"):
        read_document(tmp_path / "a.json")


def test_a_document_reads_back_as_it_was_written(offered: dict[str, Any], tmp_path: Path) -> None:
    for name, document in offered.items():
        (tmp_path / name).write_bytes(document_bytes(document))
        assert read_document(tmp_path / name) == document
        assert json.loads((tmp_path / name).read_bytes()) == document

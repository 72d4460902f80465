"""The `cellar api` commands, found by the entry points that the projects declare."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cellar_shared.api.command import Breaks
from cellar_shared.api.documents import GROUP, document_bytes
from cellar_shared.command import GROUP as COMMANDS
from cellar_shared.command import group_of
from cellar_shared.errors import BadInput


@pytest.fixture
def cellar(declared: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a `cellar` command in process on the entry points that the projects declare; what it refuses is raised."""
    monkeypatch.setattr("cellar_shared.api.documents.entry_points", declared)
    commands = group_of(point for point in declared(COMMANDS) if point.name.startswith("api."))

    def run(*words: Any) -> str:
        commands.main([str(word) for word in words], standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture
def two(document, changed, tmp_path):
    """Writes the sample and the sample with one place changed, and gives their paths."""

    def write(pointer: str, value: Any) -> tuple[Any, Any]:
        old, new = tmp_path / "old.json", tmp_path / "new.json"
        old.write_bytes(document_bytes(document))
        new.write_bytes(document_bytes(changed(document, pointer, value)))
        return old, new

    return write


def test_every_declared_service_is_written_with_its_client(cellar, declared, root, tmp_path):
    said = cellar("api", "write", "--out", tmp_path / "api", "--clients", tmp_path / "client", "--json")
    names = [point.name for point in declared(GROUP)]
    written = [path for name in names for path in (tmp_path / "api" / f"{name}.openapi.json", tmp_path / "client" / f"{name}.py")]
    assert sorted(json.loads(said)["written"]) == sorted(map(str, written))  # distributions come in no order
    for path in written:
        committed = root / ("docs/api" if path.parent.name == "api" else "shared/cellar_shared/client") / path.name
        assert path.read_bytes() == committed.read_bytes()


def test_a_check_that_finds_nothing_says_so(cellar, two):
    old, new = two("/info/title", "another")
    assert cellar("api", "check", old, new) == "nothing breaks\n"
    assert json.loads(cellar("api", "check", old, new, "--json"))["breaking"] == []


def test_a_check_lists_every_break_and_exits_with_one(cellar, two, capsys):
    old, new = two("/paths/~1score", ...)
    with pytest.raises(Breaks, match="in 1 place: add, do not change") as refused:
        cellar("api", "check", old, new, "--json")
    assert refused.value.exit_status == 1
    assert json.loads(capsys.readouterr().out)["breaking"] == [{"place": "/score", "what": "was removed"}]


def test_a_release_takes_what_was_written_and_refuses_what_breaks_the_last(cellar, document, changed, tmp_path):
    api, released = tmp_path / "api", tmp_path / "api" / "released" / "sample-1.openapi.json"
    with pytest.raises(BadInput, match="write them first"):
        cellar("api", "release", "--api", api)
    api.mkdir()
    current = api / "sample.openapi.json"

    current.write_bytes(document_bytes(document))
    assert cellar("api", "release", "--api", api) == f"{released}\n"
    assert released.read_bytes() == current.read_bytes()

    grown = document_bytes(changed(document, "/components/schemas/Answer/properties/more", {"type": "string"}))
    current.write_bytes(grown)
    cellar("api", "release", "--api", api)
    assert released.read_bytes() == grown

    current.write_bytes(document_bytes(document))
    with pytest.raises(Breaks, match=r"Answer\.more: was removed"):
        cellar("api", "release", "--api", api)
    assert released.read_bytes() == grown

    current.write_bytes(document_bytes(changed(document, "/info/version", "2")))
    assert cellar("api", "release", "--api", api).strip().endswith("sample-2.openapi.json")
    assert released.read_bytes() == grown


def test_a_client_is_made_from_any_document(cellar, two, tmp_path):
    old, _ = two("/info/title", "another")
    cellar("api", "client", old, "--out", tmp_path / "sample.py")
    source = (tmp_path / "sample.py").read_text()
    assert "class SampleClient(Client):" in source
    compile(source, "sample.py", "exec")

"""One file of names: all that code records comes from there, and each says what it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cellar_preference
import cellar_shared
from cellar_shared.telemetry import names
from cellar_shared.telemetry.names import ATTRIBUTES, METRICS

PACKAGES = [Path(package.__path__[0]) for package in (cellar_shared, cellar_preference)]
RECORDING = {"count", "observe", "set", "watch"}


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted(package.rglob("*.py"))]


def test_each_name_stands_once_with_unit_and_meaning():
    assert len({metric.name for metric in METRICS}) == len({metric.prometheus for metric in METRICS}) == len(METRICS) > 10
    assert len({attribute.name for attribute in ATTRIBUTES}) == len(ATTRIBUTES)
    for metric in METRICS:
        assert re.fullmatch(r"(http\.server|cellar)(\.[a-z_]+)+", metric.name)
        assert metric.unit
        assert metric.description
        assert set(metric.attributes) <= {attribute.name for attribute in ATTRIBUTES}
        assert (metric.kind == "histogram") == bool(metric.bounds)
        assert list(metric.bounds) == sorted(set(metric.bounds))


def test_the_names_of_http_are_the_semantic_conventions():
    from opentelemetry.semconv.attributes import error_attributes, exception_attributes, http_attributes, service_attributes
    from opentelemetry.semconv.metrics.http_metrics import HTTP_SERVER_REQUEST_DURATION

    assert names.REQUEST_DURATION.name == HTTP_SERVER_REQUEST_DURATION
    assert names.REQUEST_DURATION.unit == "s"
    assert names.METHOD.name == http_attributes.HTTP_REQUEST_METHOD
    assert names.ROUTE.name == http_attributes.HTTP_ROUTE
    assert names.STATUS.name == http_attributes.HTTP_RESPONSE_STATUS_CODE
    assert names.ERROR.name == error_attributes.ERROR_TYPE
    assert names.EXCEPTION_TYPE.name == exception_attributes.EXCEPTION_TYPE
    assert names.EXCEPTION_FRAMES.name == exception_attributes.EXCEPTION_STACKTRACE
    assert names.SERVICE_NAME.name == service_attributes.SERVICE_NAME


@pytest.mark.parametrize("file", modules(), ids=lambda file: "/".join(file.parts[-3:]))
def test_code_takes_every_name_from_there(file):
    if file.name == "names.py" and file.parent.name == "telemetry":
        return
    tree = ast.parse(file.read_text("utf-8"))
    known = {metric.name for metric in METRICS} | {attribute.name for attribute in ATTRIBUTES}
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in literals if text in known] == []
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in RECORDING):
            continue
        receiver = ast.unparse(call.func.value)
        if receiver.lower().endswith("recorder"):
            metric = ast.unparse(call.args[0])
            assert metric == "counter" or isinstance(getattr(names, metric.removeprefix("names."), None), names.Metric), ast.unparse(call)


def test_only_the_exporting_side_knows_the_sdk():
    for file in modules():
        imported = {
            node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        if any(name.startswith("opentelemetry.sdk") for name in imported):
            assert file.name in ("otel.py", "exporting.py"), file


def test_the_table_has_a_row_for_each():
    rows = names.table().splitlines()
    assert sum(row.startswith("| `") for row in rows) == len(METRICS) + len(ATTRIBUTES)


def test_the_document_holds_the_table_as_it_is():
    document = Path(__file__).parents[3] / "docs" / "telemetry.md"
    assert names.table() in document.read_text("utf-8")

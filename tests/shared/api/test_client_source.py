"""The written client: what types it has, that it is laid out and typed as the project's own code, and what it cannot say."""

from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellar_shared.api.client_source import client_source
from cellar_shared.errors import BadInput

LAW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
BIN = Path(sys.executable).parent
NUMBERS = itertools.count()


class Rated(msgspec.Struct, tag="rating", tag_field="kind", forbid_unknown_fields=True):
    """A wine was rated."""

    event_id: str
    stars: float = 3.5


class Moved(msgspec.Struct, tag="bottle", tag_field="kind", forbid_unknown_fields=True):
    """A bottle went somewhere."""

    event_id: str
    to: Literal["cellar", "table"] = "cellar"
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Pushed(msgspec.Struct, forbid_unknown_fields=True):
    """Events to keep."""

    events: Annotated[list[Rated | Moved], msgspec.Meta(min_length=1, max_length=500)]
    labels: dict[str, int | str] = {}
    pair: tuple[int, str] | None = None
    class_: Annotated[int | Literal["x", 7] | None, msgspec.Meta(description='A "class"\nof its own')] = msgspec.field(
        default=None, name="class"
    )
    inner: list[Pushed] = []
    known: Annotated[str, msgspec.Meta(extra_json_schema={"x-extensible-enum": ["a", "b"]})] = "a"
    anything: Any = None
    many: list[Literal["a"] | int] = msgspec.field(default_factory=lambda: ["a"])


class Kept(msgspec.Struct):
    """What became of them."""

    results: list[Rated | Moved | None]
    fresh: bool = True


def document_of(request: Any = Pushed, answer: Any = Kept) -> dict[str, Any]:
    """A document as a service that takes events might offer it."""
    (asked, answered), schemas = msgspec.json.schema_components([request, answer], ref_template="#/components/schemas/{name}")
    query = [
        {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}},
        {"name": "from", "in": "query", "schema": {"type": "string"}},
        {"name": "x-ms-client-request-id", "in": "header", "schema": {"type": "string"}},
        {"name": "X-Shop", "in": "header", "schema": {"type": "boolean"}},
    ]
    document = {
        "openapi": "3.1.0",
        "info": {"title": "cellar events", "version": "1"},
        "paths": {
            "/events": {
                "post": {
                    "operationId": "events",
                    "summary": "Keep events",
                    "x-idempotent": True,
                    "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
                    "responses": {
                        "200": {"description": "Success", "content": {"application/json": {"schema": answered}}},
                        "422": {"description": "urn:cellar:problem:out-of-range, urn:cellar:problem:wrong-type"},
                    },
                }
            },
            "/members/{member id}/events/{self}": {
                "parameters": [dict(each, **{"in": "path", "required": True}) for each in ({"name": "member id"}, {"name": "self"})],
                "get": {
                    "operationId": "close",
                    "summary": "Which events are kept?",
                    "parameters": query,
                    "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": answered}}}}},
                },
            },
        },
        "components": {"schemas": schemas},
    }  # fmt: skip
    written: dict[str, Any] = json.loads(json.dumps(document))
    return written


def module_of(source: str) -> ModuleType:
    name = f"cellar_shared.client.written_{next(NUMBERS)}"
    module = ModuleType(name)
    module.__package__ = "cellar_shared.client"
    sys.modules[name] = module  # msgspec looks annotations up there
    exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102
    return module


@pytest.fixture(scope="module")
def source() -> str:
    return client_source(document_of())


@pytest.fixture(scope="module")
def written(source: str) -> ModuleType:
    return module_of(source)


def test_the_source_says_what_the_document_says(source):
    for line in (
        "class EventsClient(Client):",
        'class Rated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="rating"):',
        '    """A wine was rated."""',
        "    stars: float = 3.5",
        '    to: Literal["cellar", "table"] = "cellar"',
        "    at: datetime | None = None",
        "    events: list[Rated | Moved]  # 1 to 500 items",
        "    labels: dict[str, int | str] = msgspec.field(default_factory=dict)",
        "    pair: tuple[int, str] | None = None  # 2 items",
        '    class_: int | Literal["x"] | None = msgspec.field(name="class", default=None)  # A "class" of its own',
        "    inner: list[Pushed] = msgspec.field(default_factory=list)",
        '    known: str = "a"  # known: a, b',
        "    anything: Any = None",
        '    many: list[Literal["a"] | int] | msgspec.UnsetType = msgspec.UNSET',
        "    results: list[Rated | Moved | None]",
        "    def events(self, request: Pushed, *, timeout_s: float | None = None, request_id: str | None = None) -> Kept:",
        "        Raises ProblemError (422 out-of-range, wrong-type), Unreachable, TimedOut, BadAnswer.",
        '        return self.call("POST", "/events", Kept, request, is_idempotent=True, timeout_s=timeout_s, request_id=request_id)',
        '            f"/members/{in_path(member_id)}/events/{in_path(self_)}",',
        '            query={"limit": limit, "from": from_},',
        '            headers={"X-Shop": x_shop},',
        "        x_shop: bool | None = None,",
        "    ) -> list[Kept]:",
    ):
        assert line in source.splitlines(), f"{line}\n\n{source}"
    assert "def close_(" in source  # close() is the client's own


def test_the_source_is_laid_out_as_the_project_lays_out_its_own(source, root):
    for words in (["format", "--diff", "-"], ["check", "--stdin-filename", "shared/cellar_shared/client/written.py", "-"]):
        done = subprocess.run([BIN / "ruff", *words], input=source, cwd=root, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_source_holds_under_strict_types(source, root, tmp_path):
    package = tmp_path / "written"
    package.mkdir()
    for name in ("__init__", "connections", "errors", "transport"):
        (package / f"{name}.py").write_text((root / "shared" / "cellar_shared" / "client" / f"{name}.py").read_text())
    (package / "events.py").write_text(source)
    words = [BIN / "mypy", "--strict", "--python-version", "3.11", "--cache-dir", tmp_path / "cache", "-p", "written"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


EVENTS = [
    Pushed([Rated("e1", 4.0), Moved("e2", "table", datetime.fromisoformat("2024-05-01T10:00:00+02:00"))], {"a": 1, "b": "c"}, (1, "x")),
    Pushed([Rated("e1")], class_="x", inner=[Pushed([Moved("e3")], class_=7)], known="z", anything=[{"a": None}], many=[1, "a"]),
]


@pytest.mark.parametrize("pushed", EVENTS)
def test_both_sides_read_what_the_other_writes(written, pushed):
    read = msgspec.json.decode(msgspec.json.encode(pushed), type=written.Pushed)
    assert msgspec.json.decode(msgspec.json.encode(read), type=Pushed) == pushed


def test_a_long_list_of_values_goes_by_a_name_that_nothing_else_has(changed):
    values = [f"value-{place}, [with] 'all' \"it\" may hold" for place in range(9)]
    document = changed(document_of(), "/components/schemas/Kept/properties/of_which", {"type": "array", "items": {"enum": values}})
    document = changed(document, "/components/schemas/Kept/properties/of-which-", {"enum": values[:8]})
    source = client_source(document)
    assert "KeptOfWhich = Literal[\n" in source
    module = module_of(source)
    said = {"results": [], "of_which": values, "of-which-": values[7]}
    answer = msgspec.json.decode(json.dumps(said), type=module.Kept)
    assert (answer.of_which, answer.of_which_) == (values, values[7])
    with pytest.raises(msgspec.ValidationError, match="of-which-"):
        msgspec.json.decode(json.dumps(said | {"of-which-": values[8]}), type=module.Kept)


def test_answers_that_have_grown_are_read(written):
    grown = b'{"results": [{"kind": "rating", "event_id": "e", "more": 1}, null], "more": {}}'
    answer = msgspec.json.decode(grown, type=written.Kept)
    assert answer == written.Kept(results=[written.Rated(event_id="e"), None])
    with pytest.raises(AttributeError):
        answer.fresh = False  # an answer is what was answered


def test_the_same_document_gives_the_same_source(source):
    assert client_source(document_of()) == source


class Aside(msgspec.Struct):
    a: int


class Beside(msgspec.Struct):
    b: int


REFUSED = [
    ("/paths/~1events/post/operationId", ..., "POST /events: found no operationId"),
    ("/paths/~1events/post/requestBody/content", {"text/csv": {}}, "found a body of text/csv, expected application/json"),
    ("/paths/~1events/post/responses/200", ..., "POST /events: found no successful answer of application/json"),
    ("/paths/~1events/post/parameters", [{"name": "c", "in": "cookie"}], "'c': found it in 'cookie'"),
    ("/paths/~1members~1{member id}~1events~1{self}/parameters/0", ..., "found no parameter named 'member id'"),
    ("/components/schemas/Kept-", {"type": "object", "properties": {}}, "found 'Kept' and 'Kept-', expected names that differ"),
    ("/components/schemas/Kept/properties/fresh-", {}, None),
    ("/components/schemas/Kept/properties/is-fresh", {}, None),
    ("/components/schemas/Kept/properties/results/items/$ref", "#/components/schemas/Nowhere", "leads nowhere"),
    ("/components/schemas/Kept/properties/results/items", {"allOf": [{}, {}]}, "found allOf of several schemas"),
]


@pytest.mark.parametrize(("pointer", "value", "said"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_a_client_cannot_say_is_refused_by_name(changed, pointer, value, said):
    document = changed(document_of(), pointer, value)
    if said is None:
        module_of(client_source(document))
        return
    with pytest.raises(BadInput, match="(?s)" + said):
        client_source(document)


def test_properties_that_would_be_one_in_python_are_refused(changed):
    document = changed(document_of(), "/components/schemas/Kept/properties/a-b", {})
    with pytest.raises(BadInput, match="properties of Kept: found 'a-b' and 'a_b'"):
        client_source(changed(document, "/components/schemas/Kept/properties/a_b", {}))


def test_objects_that_nothing_tells_apart_are_refused(changed):
    union = {"anyOf": [{"$ref": "#/components/schemas/Kept"}, {"$ref": "#/components/schemas/Pushed"}]}
    with pytest.raises(BadInput, match=r"Kept \| Pushed: nothing tells these objects apart"):
        client_source(changed(document_of(), "/components/schemas/Kept/properties/results/items", union))


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        '"""',
        '"',
        "\\",
        '\\"""',
        "'''",
        "\n    import os",
        "#",
        "{evil()}",
        "\x00",
        "\u2028x",
        "a\rb",
        'x"""\nimport os\n"""',
        "class",
        "self",
    ]
)


@LAW
@given(st.data())
def test_texts_of_a_document_stay_texts(source, data):
    document = document_of()
    name = data.draw(hostile)
    document["info"] |= {"title": data.draw(hostile), "version": data.draw(hostile)}
    operation = document["paths"]["/events"]["post"]
    operation |= {"operationId": data.draw(hostile), "summary": data.draw(hostile), "description": data.draw(hostile)}
    operation["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string", "description": data.draw(hostile)}}]
    document["paths"]["/" + data.draw(hostile).replace("{", "")] = {"get": {**operation, "operationId": "get", "requestBody": {}}}
    kept = document["components"]["schemas"]["Kept"]
    kept["description"] = data.draw(hostile)
    kept["properties"][data.draw(hostile.filter(lambda text: not text.isidentifier()))] = {
        "description": data.draw(hostile),
        "enum": [data.draw(hostile)],
        "default": data.draw(hostile),
        "x-extensible-enum": [data.draw(hostile)],
    }
    tree = ast.parse(client_source(document))
    kinds = [type(node).__name__ for node in tree.body]
    assert set(kinds) == {"Expr", "ImportFrom", "Import", "ClassDef"}
    assert kinds.count("Expr") == 1
    assert kinds.count("Import") == 1
    for statement in (statement for node in tree.body if isinstance(node, ast.ClassDef) for statement in node.body):
        assert isinstance(statement, ast.Expr | ast.AnnAssign | ast.FunctionDef)
        if isinstance(statement, ast.FunctionDef):
            assert [type(line).__name__ for line in statement.body] == ["Expr", "Return"]

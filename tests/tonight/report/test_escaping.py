"""No text of an evening gets out of its place: whatever it holds, the page's elements and attributes are those of a harmless one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_tonight.evening import Evening
from cellar_tonight.report.charts import Column, Part, columns, compared
from cellar_tonight.report.clean import FORBIDDEN, clean_text
from cellar_tonight.report.page import page
from cellar_tonight.report.svg import element

PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "end of a script": "</script><script>alert(1)</script>",
    "end of a style": "</style><style>*{display:none}</style>",
    "end of a title": "</title></desc></svg><img src=x onerror=alert(1)>",
    "end of an attribute": "\"' onload=alert(1) autofocus onfocus='alert(1)' x=\"",
    "svg": "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>",
    "link": "javascript:alert(1) https://example.org/x <a href=\"javascript:alert(1)\">",
    "entities": "&lt;b&gt; &amp;lt; &#60;b&#62; &#x3c; &notit; &copy",
    "template": "{{ 7 * 7 }} {% include 'x' %} {# x #} ${7*7} <%= 7 %>",
    "sections": "]]> <![CDATA[ <!-- --> <?php ?> <!doctype html>",
    "controls": "a\x00b\x1b[31mc\x7f\x9bd\x08\r\n\t\u2028\ufffe\U0001ffff\ud800",
    "direction": "abc\u202egpj.exe\u202c \u2066x\u2069 \u202a",
    "long word": "Donaudampfschifffahrt" * 400,
    "emoji": "\U0001f377\U0001f468\u200d\U0001f469\u200d\U0001f467 \u05d9\u05d9\u05df \u0646\u0628\u064a\u0630",
    "format": "%s %(x)s {0} {name!r:>{width}}",
}  # fmt: skip


def filled(value: Any, text: Callable[[], str], name: str = "") -> Any:
    """The value with a text of its own in every text field; only a section, which is no text, stays."""
    if isinstance(value, str):
        return value if name == "section" else text()
    if isinstance(value, tuple):
        return tuple(filled(each, text) for each in value)
    if isinstance(value, dict):
        return {text(): filled(each, text) for each in value.values()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: filled(getattr(value, field.name), text, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def planted(evening: Evening, payload: str) -> Evening:
    """The evening with a number, which keeps the order, and the payload in every text."""
    numbers = count(10_000)
    made: Evening = filled(evening, lambda: f"{next(numbers)}{payload}")
    return made


@pytest.fixture(scope="module")
def evening(sample: ModuleType) -> Evening:
    made: Evening = sample.sample_evening(lines=30)
    assert {line.section for line in made.lines} == {"open", "at_risk", "leave", "unknown"}
    assert made.picks
    assert made.pace
    return made


@pytest.fixture(scope="module")
def harmless(evening: Evening, markup: ModuleType) -> Any:
    return markup.shape(markup.read(page(planted(evening, "x"))))


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_no_text_gets_out_of_its_place(payload: str, evening: Evening, harmless: Any, markup: ModuleType) -> None:
    html = page(planted(evening, payload))
    root = markup.read(html)
    assert markup.shape(root) == harmless
    # The page's own control is the line's end.
    assert not [character for character in set(html) if FORBIDDEN.match(character) and character != "\n"]
    assert html.encode()
    attributes = {(node.tag, name): value for node in root.elements() for name, value in node.attributes.items()}
    classes = " ".join(value for (_, name), value in attributes.items() if name in {"class", "id"})
    assert re.fullmatch(r"[\w -]*", classes)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_every_text_is_shown_as_it_is_but_for_what_no_page_may_hold(payload: str, evening: Evening, markup: ModuleType) -> None:
    root = markup.read(page(planted(evening, payload)))
    # The first two texts of an evening are the food and the place that were asked for.
    assert f"to go with 10000{clean_text(payload)}, from 10001{clean_text(payload)}" in root.first("p", class_="wish").text()


@settings(max_examples=30)
@given(payload=st.text(max_size=40))
def test_no_text_at_all_gets_out_of_its_place(payload: str, evening: Evening, harmless: Any, markup: ModuleType) -> None:
    assert markup.shape(markup.read(page(planted(evening, payload)))) == harmless


@given(text=st.text())
def test_a_clean_text_holds_nothing_forbidden_and_stays_clean(text: str) -> None:
    cleaned = clean_text(text)
    assert not FORBIDDEN.search(cleaned)
    assert clean_text(cleaned) == cleaned
    assert cleaned.encode().decode() == cleaned


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_charts_escape_what_they_are_given(payload: str, markup: ModuleType) -> None:
    def drawn(text: str) -> list[Any]:
        one = Column((Part("k-red", 3, text, text),), text, None, text, mark=2, extra_says=text)
        return [columns("x", text, text, [one, one]), compared("y", text, text, [("bar-plan", text, 1.0, text)])]

    for hostile, harmless in zip(drawn(clean_text(payload)), drawn("x"), strict=True):
        assert markup.shape(markup.read(hostile)) == markup.shape(markup.read(harmless))


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_an_attribute_holds_what_it_is_given(payload: str, markup: ModuleType) -> None:
    (made,) = markup.read(element("g", payload, data_says=clean_text(payload))).children()
    assert made.attributes == {"data-says": clean_text(payload)}
    assert not made.children()

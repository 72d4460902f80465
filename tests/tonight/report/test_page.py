"""The page stands alone, is well formed, says what the evening says in its order, and looks decided where there is nothing to say."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from cellar_shared.errors import BadInput
from cellar_tonight.evening import DrinkPlan, Evening, Line, Window, Wish
from cellar_tonight.report.page import ROWS_SHOWN, SPANS_SHOWN, page, write_report

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# What may stand inside what, as far as the report uses it (HTML's content models).
ONLY_IN = {
    "ul": {"li"}, "ol": {"li"}, "dl": {"div"}, "table": {"caption", "colgroup", "thead", "tbody"}, "thead": {"tr"}, "tbody": {"tr"},
    "tr": {"th", "td"}, "colgroup": {"col"},
}  # fmt: skip
PHRASING = {"b", "i", "a", "bdi", "span", "svg", "summary"}
BLOCKS = {"p", "div", "ul", "ol", "dl", "table", "section", "article", "figure", "details", "h1", "h2", "h3"}


@pytest.fixture(scope="module")
def evening(sample: ModuleType) -> Evening:
    made: Evening = sample.sample_evening()
    return made


@pytest.fixture(scope="module")
def html(evening: Evening) -> str:
    return page(evening)


def bare(evening: Evening, **other: Any) -> Evening:
    """An evening with nothing in it but what is given."""
    nothing = {"lines": (), "picks": (), "plan": None, "pace": (), "sources": (), "models": (), "notes": (), "wish": Wish(), "to_buy": ()}
    return replace(evening, **(nothing | other))


def without_curves(lines: tuple[Line, ...], sample: ModuleType) -> tuple[Line, ...]:
    return tuple(replace(line, standing=sample.NOTHING_KNOWN, section="unknown", value=None) for line in lines)


def evenings(evening: Evening, sample: ModuleType) -> dict[str, Evening]:
    one = replace(evening.lines[1], section="open")
    pick = replace(evening.picks[0], line=0)
    plan = DrinkPlan((), 12, (), 0.0, 0.0, "time limit", 0.04, 0)
    return {
        "full": evening,
        "empty": bare(evening),
        "one line": bare(evening, lines=(one,), picks=(pick,)),
        "no reasons": bare(evening, lines=(one,), picks=(replace(pick, whys=()),)),
        "nothing known": bare(evening, lines=without_curves(evening.lines, sample), plan=plan),
        "no years": bare(evening, lines=(one,), picks=(pick,), years=()),
        "nobody asked what to buy": replace(evening, to_buy=None),
        "only on its way": bare(evening, lines=(replace(one, bottles=0, awaited=6, places=()),)),
    }


CASES = ("full", "empty", "one line", "no reasons", "nothing known", "no years", "nobody asked what to buy", "only on its way")


@pytest.mark.parametrize("case", CASES)
def test_every_page_is_well_formed(case: str, evening: Evening, sample: ModuleType, markup: ModuleType) -> None:
    html = page(evenings(evening, sample)[case])
    root = markup.read(html)
    assert html.startswith("<!doctype html>")
    ids = Counter(node.attributes["id"] for node in root.elements() if "id" in node.attributes)
    assert set(ids.values()) == {1}
    for node in root.elements():
        named = {child.tag for child in node.children()}
        assert named <= ONLY_IN.get(node.tag, named), (node.tag, named)
        if node.tag in {"p", "h1", "h2", "h3", "span", "bdi", "b"}:
            assert not {each.tag for each in node.elements()} & BLOCKS, node.text()
        if node.tag in ONLY_IN:
            assert not "".join(each for each in node.inside if isinstance(each, str)).strip()
        for name in ("aria-labelledby", "aria-describedby"):
            assert node.attributes.get(name, next(iter(ids))) in ids
        if node.attributes.get("href", "").startswith("#"):
            assert node.attributes["href"][1:] in ids
    svgs = [ElementTree.fromstring(svg) for svg in markup.outer_svgs(html)]  # noqa: S314  our own
    assert sum(1 + len(svg.findall(".//svg")) for svg in svgs) == len(root.all("svg"))


@pytest.mark.parametrize("case", CASES)
def test_every_page_can_be_read_without_seeing_it(case: str, evening: Evening, sample: ModuleType, markup: ModuleType) -> None:
    root = markup.read(page(evenings(evening, sample)[case]))
    levels = [HEADINGS.index(node.tag) for node in root.all(*HEADINGS)]
    assert levels.count(0) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(node.attributes.get("scope") in {"col", "row"} for node in root.all("th"))
    for svg in root.all("svg"):
        if svg.attributes.get("role") == "img":
            assert svg.first("title").text().strip()
        elif not any(svg in other.children() for other in root.all("svg")):
            assert svg.attributes["aria-hidden"] == "true"
    for chart in (svg for svg in root.all("svg") if "chart" in svg.attributes.get("class", "").split()):
        assert chart.first("desc").text().strip()
    assert root.first("html").attributes["lang"] == "en"
    assert all(node.text().strip() for node in root.all(*HEADINGS, "summary", "a", "caption"))


def test_the_page_fetches_nothing_and_runs_nothing(html: str, markup: ModuleType) -> None:
    root = markup.read(html)
    assert not root.all("script", "iframe", "object", "embed", "img", "form", "base")
    for node in root.elements():
        assert "src" not in node.attributes
        assert "style" not in node.attributes
        assert not [name for name in node.attributes if name.startswith("on")]
        assert node.attributes.get("href", "#").startswith(("#", "data:,"))
    style = root.first("style").text()
    assert not re.search(r"url\(|@import|@font-face|expression", style)
    assert [node.attributes["fill"] for node in root.elements() if "fill" in node.attributes] == ["url(#tonight-chart-phases)"]
    policy = root.all("meta")[1]
    assert policy.attributes["http-equiv"] == "Content-Security-Policy"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.attributes["content"].startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy.attributes["content"]


def test_the_sections_come_in_their_order(html: str, markup: ModuleType) -> None:
    sections = [node.attributes["id"] for node in markup.read(html).all("section")]
    expected = ["tonight", "open", "at_risk", "leave", "years", "curve", "windows", "worth", "plan", "pace", "to_buy", "unknown", "sources"]
    assert sections == expected


def test_tonights_bottle_is_told_with_all_that_counts(evening: Evening, html: str, markup: ModuleType) -> None:
    article = markup.read(html).first("article")
    said = " ".join(article.text().split())
    pick, line = evening.picks[0], evening.lines[evening.picks[0].line]
    for expected in (
        line.wine.label, line.places[0].label, line.standing.phase, f"{100 * line.standing.drinkability:.0f} %",
        f"{line.standing.drink_by:%b %Y}", f"{line.standing.drink_by_lo:%b %Y} \u2013 {line.standing.drink_by_hi:%b %Y}",
        "magnum, 1.5 l", "1 to open", f"{line.bottles - 1} of {line.bottles} stay", *(why.text for why in pick.whys),
    ):  # fmt: skip
        assert expected in said
    others = markup.read(html).first("ol", class_="others")
    assert [node.text() for node in others.all("h3")] == [evening.lines[each.line].wine.label for each in evening.picks[1:]]


def test_what_to_buy_is_told_with_its_chance_its_price_and_what_speaks_for_and_against_it(
    evening: Evening, html: str, markup: ModuleType
) -> None:
    assert evening.to_buy
    items = markup.read(html).first("section", id="to_buy").first("ol").all("h3")
    assert [node.text() for node in items] == [each.wine.label for each in evening.to_buy]
    cards = [node for node in markup.read(html).first("section", id="to_buy").all("li") if node.all("h3")]
    for card, each in zip(cards, evening.to_buy, strict=True):
        said = " ".join(card.text().split())
        assert ("that you like it" in said) == (each.chance is not None)
        assert each.chance is None or f"{100 * each.chance:.0f} %" in said
        assert each.price is None or f"{each.price:,.0f}" in said
        told = [(node.text().strip(), node.attributes["class"]) for node in card.all("li") if node is not card]
        assert told == [(why.text, "against" if why.effect < 0 else "for") for why in each.whys]


def test_where_nobody_asked_what_to_buy_the_page_says_nothing_of_it(evening: Evening, markup: ModuleType) -> None:
    root = markup.read(page(replace(evening, to_buy=None)))
    assert "to_buy" not in [node.attributes["id"] for node in root.all("section")]
    assert not [node for node in root.all("a") if node.attributes["href"] == "#to_buy"]


@pytest.mark.parametrize("section", ["open", "at_risk", "leave"])
def test_a_section_has_a_row_for_each_line_and_folds_the_rest(section: Any, evening: Evening, html: str, markup: ModuleType) -> None:
    lines = evening.of_section(section)
    node = markup.read(html).first("section", id=section)
    rows = [row.first("bdi", class_="name").text() for table in node.all("table") for row in table.all("tbody")[0].all("tr")]
    assert rows == [line.wine.label for _, line in lines]
    folded = node.first("details").all("tbody")[0].all("tr")
    assert len(folded) == len(lines) - ROWS_SHOWN
    assert f"{len(folded)} more line" in node.first("summary").text().replace("\u00a0", " ")


def test_the_map_shows_the_most_urgent_lines_and_folds_the_rest(evening: Evening, html: str, markup: ModuleType) -> None:
    node = markup.read(html).first("section", id="windows")
    rows = [row.first("bdi").text() for row in node.all("li") if "row" in row.attributes.get("class", "")]
    known = [line for line in evening.lines if line.standing.drink_by]
    assert rows == [line.wine.label for line in sorted(known, key=lambda line: (line.standing.drink_by, line.wine.label))]
    assert len(node.first("details").all("li")) == len(rows) - SPANS_SHOWN


def test_many_picks_are_folded_and_numbered_on(evening: Evening, markup: ModuleType) -> None:
    picks = tuple(replace(evening.picks[0], line=number) for number in range(10))
    node = markup.read(page(replace(evening, picks=picks))).first("section", id="tonight")
    lists = [each for each in node.all("ol") if each.attributes["class"] == "others"]
    assert [(each.attributes["start"], len(each.children())) for each in lists] == [("2", 6), ("8", 3)]
    assert "3\u00a0more" in node.first("summary").text()


def test_pace_says_what_is_charged_past_a_window(evening: Evening, markup: ModuleType) -> None:
    def said(index: float) -> str:
        lots = (replace(evening.pace[0], by_style={"linear": index, "simple": 3.0}),)
        text: str = markup.read(page(replace(evening, pace=lots))).first("section", id="pace").text()
        return text

    assert "Past its window a lot is charged 100 more." in said(103.2)
    assert "charged" not in said(2.4)
    assert "+2.4" in said(2.4)


def test_currencies_are_kept_apart(evening: Evening, html: str, markup: ModuleType) -> None:
    node = markup.read(html).first("section", id="worth")
    assert [heading.text() for heading in node.all("h3")] == ["EUR", "GBP"]
    for currency in ("EUR", "GBP"):
        total = sum(line.value * line.bottles for line in evening.lines if line.value and line.currency == currency)
        assert f"Of {currency}\u00a0{total:,.0f}, " in node.text()


def test_what_is_empty_is_said_in_a_sentence(evening: Evening, sample: ModuleType, markup: ModuleType) -> None:
    root = markup.read(page(bare(evening)))
    said = {section.attributes["id"]: section for section in root.all("section")}
    assert "No bottle tonight" in said.pop("tonight").text()
    for name, section in said.items():
        assert len(section.first("p", class_="nothing").text()) > 10, name
        assert not section.all("table", "svg", "details"), name
    assert "Whatever is best tonight." in root.text()
    assert "none: windows and physics alone" in root.text()


def test_a_chart_that_would_be_empty_leaves_its_sentence_alone(evening: Evening, markup: ModuleType) -> None:
    line = evening.lines[0]
    late = replace(line, standing=replace(line.standing, drink_by=date(2060, 1, 1)), bottles=4, value=10.0, currency="EUR")
    root = markup.read(page(bare(evening, lines=(late,))))
    for section, says in (("years", "4 bottles are due after 2037 and are not drawn."), ("worth", "Of EUR 40, nothing in bottles")):
        node = root.first("section", id=section)
        assert says in node.text().replace("\u00a0", " ")
        assert not node.all("svg", "details")


@pytest.mark.parametrize(
    ("status", "gap", "says"),
    [
        ("optimal", 0.0, "No plan under these terms is better: that is proven."),
        ("within gap", 0.004, "A better plan may exist, by <\u202f1\u202f% of the best possible at most: that is proven."),
        ("time limit", 0.043, "A better plan may exist, by 4\u202f% of the best possible at most: that is proven."),
        ("time limit", 1.0, "A better plan may exist, by how much is not known."),
        ("baseline", 0.2, "The solver found nothing better in time: this is what is due soonest."),
    ],
)
def test_the_plan_is_called_no_better_than_it_was_shown_to_be(
    status: str, gap: float, says: str, evening: Evening, markup: ModuleType
) -> None:
    assert evening.plan
    told = page(replace(evening, plan=replace(evening.plan, status=status, gap=gap)))
    assert says in markup.read(told).first("section", id="plan").text()


def test_two_thousand_lines_make_one_page(evening: Evening, markup: ModuleType) -> None:
    lines = tuple(replace(evening.lines[n % 84], wine=replace(evening.lines[n % 84].wine, name=f"Wine {n}")) for n in range(2000))
    root = markup.read(page(replace(evening, lines=lines)))
    names = [node.text().split(" ", 1)[-1] for node in root.all("bdi") if node.attributes.get("class") == "name"]
    assert len(names) == sum(line.section != "unknown" for line in lines)
    assert all(len(section.all("table")[0].all("tr")) == ROWS_SHOWN + 1 for section in root.all("section") if section.all("colgroup"))


def test_the_same_evening_makes_the_same_page(evening: Evening, html: str) -> None:
    assert page(evening) == html


def test_the_report_is_written_whole(evening: Evening, html: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.html"
    write_report(bare(evening), out)
    write_report(evening, out)
    assert out.read_text("utf-8") == html
    assert [each.name for each in out.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(evening: Evening, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"file/report\.html cannot be written \(.*\); name a file"):
        write_report(bare(evening), tmp_path / "file" / "report.html")


def test_whose_windows_they_are_is_told_only_where_one_is_stated(evening: Evening) -> None:
    unsaid = replace(evening.lines[0], window=Window(2020, 2030, None))
    none = replace(evening.lines[0], window=Window(None, None, None))
    text = page(bare(evening, lines=(unsaid, unsaid, none)))
    assert "not said whose for 2, stated by nobody for 1" in text

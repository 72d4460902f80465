"""The report as a browser shows it: silent, alone, within its width on a desk and on a phone, legible in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, Page

from cellar_tonight.evening import Because, Evening, Place, Why, Wish
from cellar_tonight.report.page import write_report

WIDTHS = (390, 1280)
LEAST_CONTRAST, LEAST_CONTRAST_LARGE = 4.5, 3.0  # WCAG 2.2, 1.4.3
LONG = "Donaudampfschifffahrtsgesellschaft" * 12

# Text whose colour lies too near to that of what is behind it: (text, contrast, size) of each.
FAINT = """([least, leastLarge]) => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const found = channels(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => { const [low, high] = [light(a), light(b)].sort((x, y) => x - y); return (high + 0.05) / (low + 0.05); };
  const fills = {};
  for (const bar of document.querySelectorAll('rect[class^="p-"]')) fills['in-' + bar.classList[0]] = channels(getComputedStyle(bar).fill);
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const words = [...node.childNodes].filter(each => each.nodeType === 3 && each.data.trim());
    if (!words.length || ['title', 'desc'].includes(node.tagName)) continue;
    const style = getComputedStyle(node), isSvg = node instanceof SVGElement;
    if (isSvg && node.closest('.bottle')) continue;
    const fill = isSvg && [...node.classList].map(each => fills[each]).find(each => each);
    const contrast = ratio(channels(isSvg ? style.fill : style.color), fill || behind(node));
    if (contrast < (parseFloat(style.fontSize) >= 24 ? leastLarge : least)) found.push([words[0].data.trim(), contrast, style.fontSize]);
  }
  return found;
}"""


@contextmanager
def opened(browser: Browser, report: Path, width: int = 1280, colours: str = "light") -> Iterator[Page]:
    """The report opened; at the end it is held to have said nothing and to have asked for nothing but itself."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)  # type: ignore[arg-type]
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri(), wait_until="networkidle")
    yield page
    page.close()
    assert said == []
    # The icon is an empty one within the page.
    assert [url for url in asked if url != "data:,"] == [report.as_uri()]


def unfold(page: Page) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def sticking_out(page: Page) -> list[str]:
    """What reaches beyond the page's right edge, outside of what scrolls by itself."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
          .filter(each => !each.closest('.unseen, svg, thead') && !each.parentElement.closest('.scroll, .who'))
          .filter(each => each.getBoundingClientRect().right > innerWidth + 0.5)
          .map(each => each.outerHTML.slice(0, 120))"""
    )
    return found


@pytest.fixture(scope="module")
def evening(sample: ModuleType) -> Evening:
    made: Evening = sample.sample_evening()
    return made


@pytest.fixture(scope="module")
def reports(evening: Evening, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Written reports: a full one, one of nothing, and one with texts that are long and would do harm if they could."""
    harm = f"<script>alert(1)</script><img src=https://example.org/x onerror=alert(1)>\u202e\x00\U0001f377{LONG}"
    lines = tuple(
        replace(line, wine=replace(line.wine, name=f"{line.wine.name} {harm}", region=harm), places=(Place(harm, harm, 1),))
        for line in evening.lines
    )
    wish = Wish(harm, harm, 1)
    harmed = replace(evening, lines=lines, wish=wish, notes=(harm,), models=(harm,))
    harmed = replace(harmed, picks=tuple(replace(pick, whys=(Why(harm, harm, 2.0),)) for pick in evening.picks))
    assert evening.to_buy
    suggestions = tuple(
        replace(each, wine=replace(each.wine, name=harm, region=harm), currency=harm, whys=(Because(harm, harm, -1.0),))
        for each in evening.to_buy
    )
    harmed = replace(harmed, to_buy=suggestions)
    empty = replace(evening, lines=(), picks=(), plan=None, pace=(), sources=(), models=(), notes=(), wish=Wish(), to_buy=())
    folder = tmp_path_factory.mktemp("reports")
    written = {"full": evening, "empty": empty, "harm": harmed}
    for name, each in written.items():
        write_report(each, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in written}


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["full", "empty", "harm"])
def test_the_page_is_silent_alone_and_within_its_width(
    name: str, width: int, colours: str, browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports[name], width, colours) as page:
        for _ in range(2):
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert sticking_out(page) == []
            unfold(page)
        assert page.evaluate("document.scripts.length + document.images.length") == 0


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", ["full", "empty"])
def test_every_text_stands_out_from_what_is_behind_it(name: str, colours: str, browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports[name], colours=colours) as page:
        unfold(page)
        assert page.evaluate(FAINT, [LEAST_CONTRAST, LEAST_CONTRAST_LARGE]) == []


def test_the_page_fits_where_letters_are_enlarged_fourfold(browser: Browser, reports: dict[str, Path]) -> None:
    """A width of 320, as WCAG 2.2 asks (1.4.10)."""
    with opened(browser, reports["full"], width=320) as page:
        unfold(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert sticking_out(page) == []


def test_the_style_is_the_one_that_the_policy_allows(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["full"], colours="light") as light, opened(browser, reports["full"], colours="dark") as dark:
        papers = [page.evaluate("getComputedStyle(document.body).backgroundColor") for page in (light, dark)]
    assert papers == ["rgb(250, 246, 240)", "rgb(22, 18, 19)"]


def test_the_policy_lets_nothing_else_in(browser: Browser, reports: dict[str, Path]) -> None:
    page = browser.new_page()
    page.goto(reports["full"].as_uri())
    page.evaluate("window.stopped = []; addEventListener('securitypolicyviolation', each => stopped.push(each.effectiveDirective))")
    page.evaluate("document.body.setAttribute('onclick', 'document.title = 1'); document.body.click()")
    page.evaluate("const made = document.createElement('script'); made.text = 'document.title = 2'; document.body.append(made)")
    for html in (
        "<style>p { color: red }</style>",
        "<p style='color: red'>",
        "<img src='https://x.test'>",
        "<iframe src='https://x.test'>",
    ):
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", html)
    page.wait_for_function("stopped.length >= 6")
    found = set(page.evaluate("stopped"))
    assert found == {"script-src-attr", "script-src-elem", "style-src-elem", "style-src-attr", "img-src", "frame-src"}
    assert page.title().startswith("Cellar tonight, 25")
    page.close()


def test_a_phone_shows_each_line_of_a_section_with_its_words(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["full"], width=390) as page:
        row = page.locator("#open tbody tr").first
        said = " ".join(row.inner_text().split())
        assert "drink by" in said
        assert "in its window" in said
        assert "left" in said


def test_the_page_prints(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["full"], colours="dark") as page:
        page.emulate_media(media="print")
        colours = page.evaluate("(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))")
        assert colours == ["rgb(255, 255, 255)", "rgb(43, 35, 38)"]
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert len(page.pdf(format="A4")) > 20_000

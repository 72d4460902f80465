"""The page needs nothing else, hides nothing of the verdict, and lets no name become markup; the terminal gets the same numbers."""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from cellar_recommender.training.evaluation.judge import Standings, estimate_of, judge_contestants
from cellar_recommender.training.evaluation.price import LEVELS, Prices
from cellar_recommender.training.evaluation.report import page_of, table_of, write
from cellar_recommender.training.evaluation.verdict import Evaluation, SplitVerdict
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.wording import number

PLANTED = "<script>alert('x')</script>\"&"
VOID = {"meta", "link", "br"}
WINES, QUESTIONS = 60, 120


class Page(HTMLParser):
    """Which elements with which attributes, what text, and whether every element closes."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


def evaluation_of(names=("recommender", "towers", "EASE"), text="plain") -> Evaluation:
    rng = np.random.default_rng(4)
    answers, clusters = rng.integers(0, WINES, QUESTIONS), np.arange(QUESTIONS) // 3
    noise, vectors = rng.normal(size=(QUESTIONS, WINES)), rng.normal(size=(WINES, 5)).astype(np.float32)
    standings, prices = {}, Prices()
    for place, name in enumerate(names):
        scores = noise.copy()
        scores[np.arange(QUESTIONS), answers] += 2.0 - place
        standings[name] = Standings(WINES)
        standings[name].add(scores, answers, np.ones(WINES))
        for question in range(QUESTIONS if place == 0 else 0):
            prices.add(np.arange(WINES), scores[question].astype(np.float32), vectors, int(answers[question]))
    contestants, differences = judge_contestants(standings, clusters, 1.0, [(names[0], other) for other in names[1:]], 1)
    known = SplitVerdict(
        name=text,
        title=text,
        questions=QUESTIONS,
        members=40,
        wines=WINES,
        catalogue=WINES,
        cluster="member",
        contestants=contestants,
        differences=differences,
        candidate_recall={text: estimate_of(rng.random(QUESTIONS), clusters, 1)},
        diversity=prices.told(clusters, 1),
        at_once={names[0]: dict.fromkeys(("ndcg_10", "recall_10", "recall_50", "mrr"), Estimate(0.25, None, None))},
        trained_through="2020-06-01",
        note=text,
    )
    alone = msgspec.structs.replace(known, contestants={names[0]: contestants[names[0]]}, differences=[], diversity=[], at_once={})
    return Evaluation(text, "2026-01-02T03:04:05Z", {text: text, "ratings": 3000}, f"{text}\n\nsecond", [known, alone], 61.0)


@pytest.fixture(scope="module")
def evaluation():
    return evaluation_of()


@pytest.fixture(scope="module")
def page(evaluation):
    return Page(page_of(evaluation))


def test_the_json_reads_back_and_the_page_lies_beside_it(evaluation, tmp_path):
    write(evaluation, tmp_path / "made")
    read = msgspec.json.decode((tmp_path / "made" / "evaluation.json").read_bytes(), type=Evaluation)
    assert read == evaluation
    assert (tmp_path / "made" / "evaluation.html").read_text(encoding="utf-8") == page_of(read)


def test_planted_markup_is_shown_as_text(page):
    html = page_of(evaluation_of(names=("recommender", f"{PLANTED}1", f"{PLANTED}2"), text=PLANTED))
    planted = Page(html)
    assert "<script" not in html.lower()
    assert PLANTED in planted.texts
    assert [tag for tag, _ in planted.elements] == [tag for tag, _ in page.elements]


def test_the_page_loads_nothing_and_closes_everything(evaluation, page):
    assert page.open == []
    assert not any(word in page_of(evaluation) for word in ("http://", "https://", "url(", "@import", "<script"))
    for tag, attributes in page.elements:
        for name in {"src", "href"} & set(attributes):
            assert attributes[name].startswith(("#", "data:,")), f"{tag} {name}"
    targets = {attributes.get("id") for _, attributes in page.elements}
    assert {a["href"][1:] for tag, a in page.elements if tag == "a"} <= targets


def test_every_number_of_the_verdict_stands_in_the_page_and_the_table(evaluation, page):
    split, shown = evaluation.splits[0], table_of(evaluation)
    for of in split.contestants.values():
        assert number(of.measures["ndcg_10"].value) in page.texts
        assert number(of.measures["ndcg_10"].value) in shown
    for of in split.diversity:
        assert number(of.price.value) in page.texts
        assert f"diversity {of.diversity:g}: NDCG@10 {number(of.ndcg_10.value)}" in shown
    assert "asked once" in shown
    assert "nan" not in page_of(evaluation)
    # A dot a contestant in three pictures, once in what was asked once, a pair in two, a source, a level.
    dots = sum(tag == "circle" for tag, _ in page.elements)
    assert dots == 3 * 3 + 1 + 2 * 2 + 1 + len(LEVELS) + 3 * 1 + 1


def test_no_diversity_costs_nothing_and_more_makes_lists_less_alike(evaluation):
    none, *more = evaluation.splits[0].diversity
    assert none.diversity == none.price.value == 0.0
    likeness = [of.likeness for of in (none, *more)]
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[-1] < likeness[0]
    for of in more:
        assert of.price.value == pytest.approx(none.ndcg_10.value - of.ndcg_10.value)

from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_preference.training.evaluation.charts import place_forest
from cellar_preference.training.evaluation.judge import judge_split
from cellar_preference.training.evaluation.report import best, page_of, summary_lines, write
from cellar_preference.training.evaluation.verdict import Evaluation, PairedDifference
from cellar_shared.evaluation.estimate import Estimate
from cellar_shared.evaluation.wording import duration, fact, number, ticks

PLANTED = "<script>alert('x')</script>\"&"
VOID = {"meta", "link", "br", "hr", "img", "input"}
LOADING = {"src", "srcset", "href", "xlink:href", "action", "data", "poster", "style", "background"}


class Page(HTMLParser):
    """Reads a page as a browser would: which elements, which attributes, what text, and whether every element closes."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.marked, self.open = [], [], [], []
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
        if self.open and self.open[-1] == "b":
            self.marked.append(data.strip())

    def count(self, tag, **attributes):
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return sum(t == tag and wanted.items() <= a.items() for t, a in self.elements)


def evaluation_of(names=("ensemble", "forest", "popularity"), text="plain"):
    generator = np.random.default_rng(5)
    members, wines = generator.integers(0, 30, 300), generator.integers(0, 20, 300)
    true = 1 / (1 + np.exp(-generator.normal(size=30)[members] - generator.normal(size=20)[wines]))
    labels = (generator.random(300) < true).astype(float)
    contestants = dict(zip(names, (true, 0.6 * true + 0.2, np.full(300, 0.5)), strict=True))
    pairs = [(names[0], names[1]), (names[0], names[2])]
    known = judge_split(text, text, labels, members, wines, contestants, "member", pairs, 1, trained_through="2020-06-01")
    fresh = judge_split("new wines", text, labels, members, wines, {names[0]: true}, "wine", note=text)
    return Evaluation(text, "2026-01-02T03:04:05Z", {text: text, "rows": 300}, f"{text}\n\nsecond", [known, fresh], 61.0)


@pytest.fixture(scope="module")
def evaluation():
    return evaluation_of()


@pytest.fixture(scope="module")
def page(evaluation):
    return Page(page_of(evaluation))


def test_the_json_reads_back_as_the_evaluation_and_the_page_lies_beside_it(evaluation, tmp_path):
    folder = tmp_path / "made" / "here"
    write(evaluation, folder)
    read = msgspec.json.decode((folder / "evaluation.json").read_bytes(), type=Evaluation)
    assert read == evaluation
    assert (folder / "evaluation.html").read_text(encoding="utf-8") == page_of(read)
    assert sorted(file.name for file in folder.iterdir()) == ["evaluation.html", "evaluation.json"]


def test_writing_again_replaces_what_was_there(evaluation, tmp_path):
    write(evaluation, tmp_path)
    write(msgspec.structs.replace(evaluation, model="second"), tmp_path)
    assert msgspec.json.decode((tmp_path / "evaluation.json").read_bytes())["model"] == "second"
    assert "Evaluation of second" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")


def test_planted_markup_is_shown_as_text_wherever_a_name_can_stand(page):
    planted = tuple(f"{PLANTED}{i}" for i in range(3))
    html = page_of(evaluation_of(names=planted, text=PLANTED))
    planted_page = Page(html)
    assert "<script" not in html.lower()
    assert PLANTED in planted_page.texts
    assert [(tag, sorted(attrs)) for tag, attrs in planted_page.elements] == [(tag, sorted(attrs)) for tag, attrs in page.elements]


def test_the_page_loads_nothing_and_forbids_loading(evaluation, page):
    assert "http://" not in page_of(evaluation)
    assert "https://" not in page_of(evaluation)
    assert "url(" not in page_of(evaluation)
    assert "@import" not in page_of(evaluation)
    for tag, attributes in page.elements:
        for name in LOADING & set(attributes):
            assert attributes[name].startswith(("#", "data:,")), f"{tag} {name}"
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_every_element_closes_and_every_link_has_its_target(page):
    assert page.open == []
    targets = {attributes.get("id") for _, attributes in page.elements}
    links = {a["href"] for t, a in page.elements if t == "a"}
    assert links == {"#split-1", "#split-2"}
    assert {link[1:] for link in links} <= targets


def test_every_contestant_has_a_diagram_and_every_pair_an_interval_per_metric(evaluation, page):
    contestants = sum(len(split.contestants) for split in evaluation.splits)
    bins = sum(len(c.reliability) for split in evaluation.splits for c in split.contestants.values())
    assert page.count("line", class_="diagonal") == contestants
    assert page.count("circle", class_="dot") == page.count("line", class_="whisker") == bins
    assert page.count("line", class_="span") == page.count("circle", class_="middle") == 2 * 3
    assert page.count("line", class_="zero") == 3
    assert page.count("line", class_="margin") == 1
    assert ".005 margin" in page.texts


def test_the_page_shows_the_numbers_of_the_verdict_and_marks_the_best(evaluation, page):
    found = evaluation.splits[0].contestants["ensemble"]
    for text in (number(found.log_loss.value), number(found.brier.value), f"floor {number(found.smece.noise_floor)}"):
        assert text in page.texts
    assert number(min(c.log_loss.value for c in evaluation.splits[0].contestants.values())) in page.marked
    assert number(max(c.auc.value for c in evaluation.splits[0].contestants.values())) in page.marked


def test_the_best_is_the_highest_auc_and_the_lowest_loss_and_nobody_alone(evaluation):
    known, fresh = evaluation.splits
    losses = {name: c.log_loss.value for name, c in known.contestants.items()}
    assert best(known, "log_loss") == (min(losses, key=losses.get),)
    assert best(known, "auc") == ("ensemble", "forest")  # the forest here is a rising map of the ensemble
    assert best(known, "bias") == ()
    assert best(fresh, "log_loss") == ()


def test_a_page_without_splits_or_with_undefined_numbers_is_still_a_page():
    none = Page(page_of(Evaluation("m", "2026-01-02T03:04:05Z", {}, "", [], 1.0)))
    assert "No split was judged." in none.texts
    one_class = judge_split("s", "S", [1, 1], ["m", "m"], [1, 1], {"a": [0.5, 0.6], "b": [0.5, 0.5]}, "member", [("a", "b")])
    undefined = Page(page_of(Evaluation("m", "2026-01-02T03:04:05Z", {}, "", [one_class], 1.0)))
    assert undefined.open == []
    assert undefined.texts.count("\u2013") >= 6  # AUC twice in the summary, AUC and AUC within members in the table
    assert not any(word in text.split() for text in undefined.texts for word in ("nan", "None"))


def test_the_terminal_gets_a_heading_per_split_and_an_aligned_line_per_contestant(evaluation):
    lines = summary_lines(evaluation)
    assert [line for line in lines if not line.startswith(" ")] == [
        "plain (300 rows, 30 members, 20 wines)",
        "plain (300 rows, 30 members, 20 wines)",
    ]
    loss = evaluation.splits[0].contestants["forest"].log_loss
    shown = f"log loss {loss.value:.4f} [{loss.low:.4f}, {loss.high:.4f}]"
    assert lines[2].startswith(f"  forest      {shown}  AUC ")
    assert len(lines) == 2 + 3 + 1
    assert len({len(line) for line in lines[1:4]}) == 1


def difference(value, low, high, metric="log_loss"):
    return PairedDifference("a", "b", metric, Estimate(value, low, high))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(*[st.floats(-0.5, 0.5)] * 3), min_size=1, max_size=5), st.sampled_from(["log_loss", "brier", "auc"]))
def test_a_forest_keeps_every_mark_inside_and_in_order(triples, metric):
    forest = place_forest(metric, [difference(*(sorted(t)[i] for i in (1, 0, 2)), metric) for t in triples], width=360)
    for one in forest.intervals:
        assert 0 <= one.x_low <= one.x <= one.x_high <= 360
    assert 0 < forest.zero < 360
    assert (forest.margin is not None) == (metric == "log_loss")
    if forest.margin is not None:
        assert forest.zero < forest.margin <= 360
    assert all(0 <= place <= 360 for place, _ in forest.ticks)


def test_a_forest_says_which_of_the_pair_is_proved_better():
    def sides(metric):
        chosen = [(-0.2, -0.3, -0.1), (0.2, 0.1, 0.3), (0.0, -0.1, 0.1), (None, None, None)]
        return [one.side for one in place_forest(metric, [difference(*c, metric) for c in chosen]).intervals]

    assert sides("log_loss") == ["better", "worse", "open", "open"]
    assert sides("auc") == ["worse", "better", "open", "open"]


def test_long_names_are_cut_in_the_picture_and_whole_in_its_title():
    long = "a contestant with a name that goes on and on"
    one = place_forest("brier", [PairedDifference(long, "b", "brier", Estimate(0.1, 0.0, 0.2))]).intervals[0]
    assert len(one.label) == 34
    assert one.full_label == f"{long} \u2212 b"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-10, 10), st.floats(1e-4, 10))
def test_ticks_are_few_distinct_and_inside(start, width):
    found = ticks(start, start + width)
    assert 1 <= len(found) <= 6
    assert len({label for _, label in found}) == len(found)
    assert all(start - 1e-9 <= value <= start + width + 1e-9 for value, _ in found)
    assert all(float(label.replace("\u2212", "-")) == pytest.approx(value) for value, label in found)


def test_numbers_are_written_as_people_read_them():
    assert [number(0.12345), number(-0.5, 2), number(0.5, 2, signed=True), number(None)] == [
        "0.1235",
        "\u22120.50",
        "+0.50",
        "\u2013",
    ]
    assert number(-0.00001) == number(0.00001, signed=True) == "0.0000"
    assert [fact(1234567), fact("1234"), fact(True), fact({"from": 2, "of": [1, 2.5]})] == [
        "1,234,567",
        "1234",
        "true",
        "from 2, of 1, 2.5",
    ]
    assert [duration(1.26), duration(59.7), duration(754), duration(7300)] == ["1.3 s", "1 min 0 s", "12 min 34 s", "2 h 1 min"]

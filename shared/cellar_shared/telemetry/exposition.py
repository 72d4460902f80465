"""Prometheus' text format: families written as text and read back; `snapshots` writes it, `scrape` adds it up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from cellar_shared.telemetry.recorder import Family

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# Label pairs as they stand in the text, sorted by name and escaped: equal text is the same series.
Pairs = tuple[tuple[str, str], ...]

_COMMENT = re.compile(r"# (?P<what>HELP|TYPE) (?P<name>\S+) (?P<text>.*)")
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)",?')


@dataclass(slots=True)
class Buckets:
    """One histogram series: values up to and including each bound, counted cumulatively, and their sum."""

    upto: dict[float, float] = field(default_factory=dict)
    total: float = 0.0

    def at(self, bound: float) -> float:
        """How many values are known to be at most `bound`."""
        return max((count for known, count in self.upto.items() if known <= bound), default=0.0)


@dataclass(slots=True)
class TextFamily:
    """One metric as its text has it; `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    description: str
    numbers: dict[Pairs, float] = field(default_factory=dict)
    buckets: dict[Pairs, Buckets] = field(default_factory=dict)


def of_recorded(families: Iterable[Family]) -> Iterator[TextFamily]:
    """What a recorder holds, in the text's terms."""
    for family in families:
        metric = family.metric
        text = TextFamily(metric.prometheus, metric.kind, metric.description)
        names = [name.replace(".", "_") for name in metric.attributes]
        for labels, value in family.numbers.items():
            text.numbers[_pairs(names, labels)] = value
        for labels, seen in family.distributions.items():
            bounds = (*metric.bounds, math.inf)
            text.buckets[_pairs(names, labels)] = Buckets(dict(zip(bounds, accumulate(seen.counts), strict=True)), seen.total)
        yield text


def _pairs(names: list[str], labels: tuple[str | int, ...]) -> Pairs:
    return tuple(sorted((name, _escaped(str(value))) for name, value in zip(names, labels, strict=True)))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def written(families: Iterable[TextFamily]) -> str:
    """The families as text, in order of name and labels."""
    lines = []
    for family in sorted(families, key=lambda family: family.name):
        description = family.description.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {family.name} {description}", f"# TYPE {family.name} {family.kind}"]
        lines += [_line(family.name, pairs, value) for pairs, value in sorted(family.numbers.items())]
        for pairs, buckets in sorted(family.buckets.items()):
            counted = sorted(buckets.upto.items())
            lines += [_line(f"{family.name}_bucket", (*pairs, ("le", _number(bound))), count) for bound, count in counted]
            lines.append(_line(f"{family.name}_sum", pairs, buckets.total))
            lines.append(_line(f"{family.name}_count", pairs, buckets.at(math.inf)))
    return "\n".join([*lines, ""]) if lines else ""


def _line(name: str, pairs: Pairs, value: float) -> str:
    labels = ",".join(f'{label}="{text}"' for label, text in pairs)
    return f"{name}{{{labels}}} {_number(value)}" if labels else f"{name} {_number(value)}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def read(text: str) -> list[TextFamily]:
    """The families in a text that `written` made; ValueError for any other."""
    families: dict[str, TextFamily] = {}
    descriptions: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            continue
        if line.startswith("#"):
            comment = _COMMENT.fullmatch(line)
            if comment and comment["what"] == "HELP":
                descriptions[comment["name"]] = comment["text"].replace("\\n", "\n").replace("\\\\", "\\")
            elif comment:
                families[comment["name"]] = TextFamily(comment["name"], comment["text"], descriptions.get(comment["name"], ""))
            continue
        sample = _SAMPLE.fullmatch(line)
        if sample is None:
            raise ValueError(f"no line of Prometheus' text: {line[:80]}")
        _take(families, sample["name"], sample["labels"] or "", float(sample["value"]))
    return list(families.values())


def _take(families: dict[str, TextFamily], name: str, labels: str, value: float) -> None:
    pairs = [(match["name"], match["value"]) for match in _LABEL.finditer(labels)]
    if name in families:
        families[name].numbers[tuple(pairs)] = value
        return
    stem, _, part = name.rpartition("_")
    if stem not in families:
        raise ValueError(f"a sample of a metric that was not announced: {name}")
    bounds = [text for label, text in pairs if label == "le"]
    buckets = families[stem].buckets.setdefault(tuple(pair for pair in pairs if pair[0] != "le"), Buckets())
    if part == "bucket" and bounds:
        buckets.upto[float(bounds[0])] = value
    elif part == "sum":
        buckets.total = value

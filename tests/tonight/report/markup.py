"""Reads a page as a tree, strictly: what is opened is closed, in order; for tests to look at what stands where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "col", "br", "hr", "img", "input", "base", "area", "embed", "source", "track", "wbr"})


@dataclass
class Node:
    """An element with what is in it: text and elements, in order."""

    tag: str
    attributes: dict[str, str]
    inside: list[Node | str] = field(default_factory=list)

    def elements(self) -> Iterator[Node]:
        """All elements below, in the document's order."""
        for each in self.inside:
            if isinstance(each, Node):
                yield each
                yield from each.elements()

    def children(self) -> list[Node]:
        return [each for each in self.inside if isinstance(each, Node)]

    def all(self, *tags: str) -> list[Node]:
        return [each for each in self.elements() if each.tag in tags]

    def first(self, tag: str, **attributes: str) -> Node:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return next(each for each in self.all(tag) if wanted.items() <= each.attributes.items())

    def text(self) -> str:
        return "".join(each if isinstance(each, str) else each.text() for each in self.inside)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}: {names}"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open, line {self.getpos()[0]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def read(page: str) -> Node:
    """The page's tree; AssertionError where elements are not closed in order."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [reader.root], [node.tag for node in reader.open]
    return reader.root


def outer_svgs(page: str) -> list[str]:
    """The source of every SVG that is not within another one."""
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)svg\b", page):
        start = tag.start() if not depth else start
        depth += -1 if tag[1] else 1
        if not depth:
            found.append(page[start : tag.end() + 1])
    return found


def shape(node: Node) -> list[tuple[str, tuple[str, ...]]]:
    """Every element's name and its attributes' names, in the document's order: what no text may change."""
    return [(each.tag, tuple(each.attributes)) for each in node.elements()]

"""Pieces of SVG, every text escaped. Widths are shares of the chart's: it is as wide as its place, and its letters stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

NOTHING: Final = Markup()


def share(of_width: float) -> str:
    """0.125 as 12.5%."""
    return f"{100 * of_width:.2f}".rstrip("0").rstrip(".") + "%"


def at(pixels: float) -> str:
    """Pixels with at most one decimal."""
    return f"{pixels:.1f}".removesuffix(".0")


def element(name: str, inside: object = NOTHING, **attributes: object) -> Markup:
    """An element. Of an attribute's name an underscore at its end goes, others become hyphens; None leaves the attribute away."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{written}>") + escape(inside) + Markup(f"</{name}>")  # noqa: S704  both parts are escaped above


def joined(parts: Iterable[Markup]) -> Markup:
    """One after the other."""
    return NOTHING.join(parts)


def chart(name: str, title: str, desc: str, height: float, inside: Markup) -> Markup:
    """A whole chart, as an image with a title and a description for who does not see it. `name` is unique in the page."""
    told = element("title", title, id=f"{name}-title") + element("desc", desc, id=f"{name}-desc")
    return element(
        "svg",
        told + inside,
        class_=f"chart {name.partition('-')[0]}",
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        width="100%",
        height=at(height),
    )


def rect(kind: str, x: float, width: float, y: float, height: float, says: str | None = None) -> Markup:
    """A bar, x and width as shares; `says` is shown when a mouse rests on it."""
    tip = element("title", says) if says else NOTHING
    return element("rect", tip, class_=kind, x=share(x), y=at(y), width=share(width), height=at(height))


def text(kind: str, x: float, y: float, says: object, anchor: str = "middle", dx: float | None = None) -> Markup:
    """A line of text, x as a share."""
    return element("text", says, class_=kind, x=share(x), y=at(y), text_anchor=anchor, dx=None if dx is None else at(dx))


def rule(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """A line, x as shares."""
    return element("line", class_=kind, x1=share(x1), y1=at(y1), x2=share(x2), y2=at(y2))


def year_label(x: float, y: float, year: int) -> Markup:
    """A year that loses its century where there is little room."""
    century = element("tspan", f"{year // 100}", class_="century")
    return text("tick", x, y, century + escape(f"{year % 100:02d}"))

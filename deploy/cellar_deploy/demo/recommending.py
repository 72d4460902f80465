"""The demo's questions to the recommender: what the member may buy, and which bottle of their own to open tonight; as tables."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from cellar_deploy.demo.asking import WIDEST, Demo, console
from cellar_deploy.demo.world import has_cellars

TO_BUY: Final = 4
TO_OPEN: Final = 3


def show_recommendations(demo: Demo) -> None:
    """Ask the recommender two questions about the demo's member, as of its evening, and print the answers."""
    _to_buy(demo)
    if has_cellars(demo.folder):
        _to_open(demo)
    else:
        console.print("\nThis data has no cellars, or no windows that critics stated: there is no bottle to open tonight.")


def _ask(demo: Demo, intent: str, limit: int) -> Any:
    request = {"member_id": demo.member_id, "intent": intent, "limit": limit, "as_of": demo.evening.isoformat(), "explain": True}
    return demo.ask("recommender", request)


def _to_buy(demo: Demo) -> None:
    """Wines that the member has neither rated nor in the cellar."""
    answer = _ask(demo, "buy", TO_BUY)
    table = _table(f"What member {demo.member_id} may buy next, asked as of {answer['as_of']}")
    prices = [_price(demo, item) for item in answer["items"]]
    if any(prices):  # X-Wines says none
        table.add_column("price", justify="right")
    table.add_column("will like it", justify="right")
    table.add_column("from", no_wrap=True)
    table.add_column("why")
    for item, price in zip(answer["items"], prices, strict=True):
        source = item["source"].replace("_", " ")
        table.add_row(*_named(demo, item), *([price] if any(prices) else []), _chance(item), source, _why(item))
    console.print(table)
    proposed = ", ".join(f"{told['proposed']} of {name.replace('_', ' ')}" for name, told in answer["sources"].items() if told["proposed"])
    console.print(
        f"model {answer['model']['version']}, ranked: {proposed}; {answer['matched']:,} wines matched, "
        f"degraded: {answer['degraded'] or 'nothing'}"
    )


def _to_open(demo: Demo) -> None:
    """Bottles of their own, out of those within their windows."""
    answer = _ask(demo, "open", TO_OPEN)
    if not answer["items"]:
        console.print(f"\nNo bottle of member {demo.member_id}'s is ready to be opened.")
        return
    table = _table(f"Which of their own bottles member {demo.member_id} may open then")
    for name in ("will like it", "phase", "drink by"):
        table.add_column(name, no_wrap=True)
    table.add_column("why")
    for item in answer["items"]:
        bottle = item["bottles"][0]
        table.add_row(*_named(demo, item), _chance(item), bottle["phase"] or "unknown", _day(bottle["drink_by"]), _why(item))
    console.print(table)


def _table(title: str) -> Table:
    console.print()
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("", justify="right")
    table.add_column("wine", max_width=WIDEST - 12)
    return table


def _named(demo: Demo, item: dict[str, Any]) -> tuple[str, Text]:
    return str(item["position"]), Text(demo.label(item["wine_id"], item["vintage"]))


def _price(demo: Demo, item: dict[str, Any]) -> str:
    wine = demo.wine(item["wine_id"])
    return "" if wine["price"] is None else f"{wine['currency'] or ''} {wine['price']:.0f}".strip()


def _chance(item: dict[str, Any]) -> str:
    return "" if item["probability"] is None else f"{item['probability']:.0%}"


def _day(written: str | None) -> str:
    return "not known" if written is None else f"{date.fromisoformat(written):%b %Y}"


def _why(item: dict[str, Any]) -> Text:
    """A line for each reason, with what it does to the wine's place."""
    return Text("\n".join(f"{'-' if reason['effect'] < 0 else '+'} {reason['text']}" for reason in item["reasons"]))

"""Shows an evening in the terminal: tonight's bottle and why, the runners-up, what is at risk, what to buy, and how the cellar stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cellar_tonight.evening import SECTIONS, Evening, Line, Pick, Suggestion

SHOWN: Final = 10
PHASE_STYLES: Final = {"hold": "grey50", "early": "gold3", "peak": "bold magenta", "late": "dark_orange3", "past": "red"}
SECTION_NAMES: Final = {"open": "open now", "at_risk": "at risk", "leave": "leave", "unknown": "unknown"}


def shown(evening: Evening) -> RenderableType:
    """The evening for people. Text of an export is shown as it is, never read as markup."""
    parts: list[RenderableType] = [_heading(evening)]
    if evening.picks:
        parts += [_first(evening, evening.picks[0]), _runners_up(evening)]
    else:
        parts.append(Text("No bottle of which enough is known can be opened tonight.", style="bold"))
    parts += [_at_risk(evening), Text("")]
    if evening.to_buy is not None:
        parts += [_to_buy(evening.to_buy), Text("")]
    parts += [Text(f"· {note}", style="grey50") for note in evening.notes]
    return Group(*parts)


def _heading(evening: Evening) -> Text:
    counts = {section: sum(line.bottles for _, line in evening.of_section(section)) for section in SECTIONS}
    told = ", ".join(f"{count:,} {SECTION_NAMES[section]}" for section, count in counts.items())
    awaited = sum(line.awaited for line in evening.lines)
    more = f", {awaited:,} awaited" if awaited else ""
    return Text.assemble((f"{evening.as_of:%-d %B %Y}", "bold"), f"  {sum(counts.values()):,} bottles here: {told}{more}\n")


def _first(evening: Evening, pick: Pick) -> RenderableType:
    line = evening.lines[pick.line]
    many = f"{pick.open} x " if pick.open > 1 else ""
    head = Text.assemble("Tonight: ", (f"{many}{line.wine.label}", "bold"), f"  {size_of(line)}")
    facts = Text.assemble((line.standing.phase or "unknown", PHASE_STYLES.get(line.standing.phase or "", "")), f"  {_facts(line)}")
    whys = [Text(f"- {why.text}") for why in pick.whys]
    return Group(head, Padding(Group(facts, *whys), (0, 0, 1, 2)))


def _facts(line: Line) -> str:
    chance = [] if line.standing.drinkability is None else [f"{100 * line.standing.drinkability:.0f} % within its window"]
    taste = [f"{100 * line.taste.chance:.0f} % that you like it"] if line.taste.basis == "preference" and line.taste.chance else []
    place = [line.places[0].label] if line.places else []
    return "  ·  ".join([*chance, *taste, *place, f"drink by {_drink_by(line)}", f"{line.bottles:,} left"])


def _runners_up(evening: Evening) -> RenderableType:
    table = Table("or", "size", "where", "phase", "drink by", "left", "why", box=None, pad_edge=False, header_style="grey50")
    for pick in evening.picks[1:SHOWN]:
        line = evening.lines[pick.line]
        table.add_row(*_cells(line), Text(pick.whys[0].text if pick.whys else ""))
    return Padding(table, (0, 0, 1, 0)) if table.rows else Text("")


def _at_risk(evening: Evening) -> RenderableType:
    lines = [line for _, line in evening.of_section("at_risk")]
    if not lines:
        return Text("Nothing is at risk.")
    table = Table("at risk", "size", "where", "phase", "drink by", "left", box=None, pad_edge=False, header_style="grey50")
    for line in lines[:SHOWN]:
        table.add_row(*_cells(line))
    more = [Text(f"and {len(lines) - SHOWN:,} more", style="grey50")] if len(lines) > SHOWN else []
    return Group(table, *more)


def _to_buy(suggestions: Sequence[Suggestion]) -> RenderableType:
    if not suggestions:
        return Text("There is nothing to buy: the catalogue has no other wine.")
    has_prices = any(each.price is not None for each in suggestions)
    table = Table("to buy", box=None, pad_edge=False, header_style="grey50")
    for name in ("price", "liking it") if has_prices else ("liking it",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for each in suggestions:
        price = "" if each.price is None else f"{each.currency or ''} {each.price:,.0f}".strip()
        chance = "" if each.chance is None else f"{100 * each.chance:.0f} %"
        whys = "\n".join(f"{'-' if why.effect < 0 else '+'} {why.text}" for why in each.whys)
        table.add_row(Text(each.wine.label), *([Text(price)] if has_prices else []), Text(chance), Text(whys))
    return table


def _cells(line: Line) -> list[Text]:
    phase = line.standing.phase or "unknown"
    left = f"{line.bottles:,}" + (f" + {line.awaited:,}" if line.awaited else "")
    where = line.places[0].label if line.places else ""
    return [
        Text(line.wine.label), Text(size_of(line)), Text(where), Text(phase, PHASE_STYLES.get(phase, "")), Text(_drink_by(line)), Text(left)
    ]  # fmt: skip


def _drink_by(line: Line) -> str:
    return "not known" if line.standing.drink_by is None else f"{line.standing.drink_by:%b %Y}"


def size_of(line: Line) -> str:
    """The bottles' size as people say it."""
    if line.size_ml is None:
        return ""
    return f"{line.size_ml} ml" if line.size_ml < 1000 else f"{line.size_ml / 1000:g} l"

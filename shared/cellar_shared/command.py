"""The thin `cellar` entry: collects the commands that installed distributions offer and runs the one asked for.

A distribution offers a command by an entry point in the group `cellar.commands`. Its name is the words of the command
joined by dots (`data.import.xwines`), its value a function whose parameters Typer reads. Nothing is imported until a
command is run or listed, so a serving install starts fast and never needs what only training needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from cellar_shared.errors import CellarError

GROUP = "cellar.commands"

TOPICS = {
    "": "Three wine models in production: recommender, preference, drinkability.",
    "data": "Bring events in, make them up, look at them.",
    "data import": "Read ratings and wines from a source into cellar's tables.",
    "bench": "Measure what things cost.",
    "train": "Learn a model and write it as a bundle.",
    "evaluate": "Judge a recipe or a bundle on splits of its own past.",
    "labels": "What became of answers, joined to what had been said.",
    "serve": "Answer requests over HTTP.",
    "keys": "Keys that callers of a service show.",
    "api": "The HTTP contract as files: documents, what would break, typed clients.",
}


def command_of(function: Callable[..., Any], name: str) -> Any:
    """The Typer command that runs `function`, named `name`."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(name=name)(function)
    return typer.main.get_command(app)


def group_of(offered: Iterable[EntryPoint], words: tuple[str, ...] = ()) -> TyperGroup:
    """The group below `words`; its children load when they are asked for."""
    depth = len(words)
    children: dict[str, list[EntryPoint]] = {}
    for point in sorted(offered, key=lambda point: point.name):
        children.setdefault(point.name.split(".")[depth], []).append(point)

    class Branch(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(children)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            points = children.get(cmd_name)
            if points is None:
                return None
            path = (*words, cmd_name)
            if len(points) == 1 and points[0].name == ".".join(path):
                return command_of(points[0].load(), cmd_name)
            return group_of(points, path)

    return Branch(name=words[-1] if words else "cellar", help=TOPICS.get(" ".join(words), ""), no_args_is_help=True)


def main() -> None:
    """Run the command that the process's arguments name; a refusal is one red sentence and its own exit status."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        group_of(entry_points(group=GROUP))(prog_name="cellar")
    except CellarError as refusal:
        console.print("error:", style="bold red", end=" ")
        console.print(str(refusal), markup=False, highlight=False)
        sys.exit(refusal.exit_status)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("cellar_"):
            raise
        console.print(
            f"error: this command needs the module {missing.name}, which this installation leaves out. "
            "Install the distribution's extra that brings it ('training' of the model, 'data' of cellar-shared).",
            markup=False,
        )
        sys.exit(1)

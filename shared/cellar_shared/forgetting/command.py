"""The command `cellar forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter


def forget(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR")],
    bundle: Annotated[
        list[Path] | None, typer.Option("--bundle", help="Say whether this bundle learnt from them (again for more).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Forget a member: hide them at once, delete what was kept, and print a receipt of what remains where."""
    import msgspec

    from cellar_shared.forgetting.forget import forget as work
    from cellar_shared.store.opening import open_store

    reporter = Reporter(as_json)
    receipt = work(member, data, open_store(store), bundles=bundle or (), say=reporter.say)
    reporter.result(msgspec.to_builtins(receipt), receipt.text())

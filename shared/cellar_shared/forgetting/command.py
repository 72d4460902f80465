"""The command `cellar forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput


def forget(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    data: Annotated[Path, typer.Option("--data", help="The data folder.")],
    store: Annotated[str, typer.Option("--store", help="lmdb://DIR or redis://HOST:PORT/DB?generations=DIR")],
    bundle: Annotated[
        list[Path] | None, typer.Option("--bundle", help="Say whether this bundle learnt from them (again for more).")
    ] = None,
    prediction_log: Annotated[
        list[Path] | None, typer.Option("--prediction-log", help="Take them out of this prediction log (again for more).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Forget a member: hide them at once, delete what was kept, and print a receipt of what remains where."""
    import msgspec

    from cellar_shared.forgetting.forget import forget as work
    from cellar_shared.store.opening import open_store
    from cellar_shared.telemetry import forgetting
    from cellar_shared.telemetry.predictions import PredictionSettings

    def forget_predictions(member_id: str) -> forgetting.Forgotten:
        rows = pending = 0
        for folder in prediction_log or ():
            if (settings := PredictionSettings.from_environment(folder)) is not None:
                forgotten = forgetting.forget(folder, [settings.member_hash().of(member_id)])
                rows, pending = rows + forgotten.rows, pending + forgotten.pending
        return forgetting.Forgotten(rows, pending)

    reporter = Reporter(as_json)
    if missing := [folder for folder in prediction_log or () if not folder.is_dir()]:
        raise BadInput(f"{missing[0]} is no folder; name the folder of a prediction log")
    receipt = work(member, data, open_store(store), bundles=bundle or (), forget_predictions=forget_predictions, say=reporter.say)
    reporter.result(msgspec.to_builtins(receipt), receipt.text())

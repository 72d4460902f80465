"""The demo's questions to preference: ratings the model has not seen, an anonymous history, a wine no catalogue knows; as tables."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.table import Table

from cellar_deploy.demo.asking import WIDEST, Demo, console
from cellar_shared.events.tables import DataFolder


def show_chances(demo: Demo) -> None:
    """Ask preference three questions about the data's members and wines and print the answers."""
    _stored_member(demo)
    _anonymous(demo)
    _unheard_of(demo)


def _stored_member(demo: Demo) -> None:
    """What the model gives wines that the member rated later, beside what they said (and the truth, in a made-up world)."""
    rows = demo.rows
    as_of = rows["rated_at"].min()
    request = {
        "member_id": demo.member_id,
        "wines": [
            {"wine_id": row["wine_id"], "vintage": "NV" if row["vintage"] == 0 else row["vintage"]} for row in rows.iter_rows(named=True)
        ],
        "as_of": as_of.isoformat(),  # type: ignore[union-attr]
    }
    answer = demo.ask("preference", request)
    truth = _truth(demo.folder, rows)
    table = Table(title=f"Member {demo.member_id}, asked as of {answer['as_of']}: ratings the model has not seen", title_justify="left")
    table.add_column("wine", no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    for name in ("will like it", "own tastings", "its ratings"):
        table.add_column(name, justify="right")
    table.add_column("liked it", no_wrap=True)
    if truth:
        table.add_column("true chance", justify="right")
    for row, result in zip(rows.iter_rows(named=True), answer["results"], strict=True):
        said = f"{'yes' if row['like'] else 'no'}, {row['rating_raw']:g}"
        table.add_row(
            demo.label(row["wine_id"], row["vintage"]), *_figures(result), said, *([f"{truth[row['event_id']]:.0%}"] if truth else [])
        )
    console.print(table)
    console.print(
        f"model {answer['model']['version']} on generation {answer['model']['generation']}, "
        f"features as of {answer['features_as_of']}, degraded: {answer['degraded'] or 'nothing'}\n"
    )


def _anonymous(demo: Demo) -> None:
    """The same wines for two people without an account: one who loved what the member loved, one who did not."""
    unseen, ratings = demo.unseen, demo.folder.scan("ratings")
    tasted = ratings.filter(pl.col("member_id") == demo.member_id, pl.col("rated_at") < unseen["rated_at"].min()).tail(6).collect()
    if not tasted.height:
        return
    asked = [{"wine_id": row["wine_id"]} for row in unseen.unique("wine_id", maintain_order=True).head(4).iter_rows(named=True)]
    table = Table(title=f"Two people without an account, each with {tasted.height} ratings of the same wines", title_justify="left")
    table.add_column("wine", no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    columns = []
    as_of = unseen["rated_at"].max().isoformat()  # type: ignore[union-attr]
    for title, rating in (("loved them all", 5.0), ("liked none", 2.0)):
        history = [{"wine_id": row["wine_id"], "rating": rating} for row in tasted.iter_rows(named=True)]
        answer = demo.ask("preference", {"history": history, "scale": "1-5", "wines": asked, "as_of": as_of})
        columns.append(answer["results"])
        table.add_column(title, justify="right")
    for place, wine in enumerate(asked):
        table.add_row(demo.label(wine["wine_id"], None), *(f"{results[place]['probability']:.0%}" for results in columns))
    console.print(table)


def _unheard_of(demo: Demo) -> None:
    """A wine that no catalogue knows, described and not described, for somebody with no history at all."""
    known = demo.wines.filter(pl.col("region").is_not_null(), pl.col("type").is_not_null()).row(0, named=True)
    about = {"type": known["type"], "country": known["country"], "region": known["region"], "grapes": known["grapes"]}
    asked = [{"wine_id": "nobody-knows-it", "about": about}, {"wine_id": "nor-this"}]
    answer = demo.ask("preference", {"history": [], "wines": asked})
    told = ", ".join(f"{result['basis']}: {result['probability']:.0%}" for result in answer["results"])
    console.print(f"\nA wine of {known['region']} that the catalogue lacks, for somebody new, asked now: {told}")
    console.print(f"degraded: {answer['degraded'] or 'nothing'}")


def _truth(folder: DataFolder, rows: pl.DataFrame) -> dict[str, float]:
    """The true chance behind each rating where the world is made up."""
    if "truth" not in folder.manifest.tables:
        return {}
    known = folder.scan("truth").join(rows.lazy().select("event_id"), on="event_id", how="semi").collect()
    return dict(zip(known["event_id"], known["probability"], strict=True))


def _figures(result: dict[str, Any]) -> list[str]:
    evidence = result["evidence"]
    return [f"{result['probability']:.0%}", f"{evidence['own_tastings']:,}", f"{evidence['wine_ratings']:,}"]

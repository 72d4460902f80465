"""The demo's questions: ratings the model has not seen, an anonymous history, a wine no catalogue knows; answers as tables."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from rich.console import Console
from rich.table import Table

from cellar_preference.demo.server import ask
from cellar_shared.errors import CellarError
from cellar_shared.events.tables import DataFolder

ASKED: Final = 4
WIDEST: Final = 44
console = Console(width=120)


def show_answers(url: str, folder: DataFolder, trained_through: str) -> None:
    """Ask the service at `url` three questions about `folder`'s members and wines and print the answers."""
    wines = folder.scan("wines").collect()
    unseen = _unseen(folder, trained_through)
    member_id, rows = _well_known(folder, unseen)
    _stored_member(url, folder, wines, member_id, rows)
    _anonymous(url, wines, folder, unseen, member_id)
    _unheard_of(url, wines)


def _unseen(folder: DataFolder, trained_through: str) -> pl.DataFrame:
    after = pl.lit(trained_through).str.to_datetime(time_unit="us", time_zone="UTC")
    return folder.scan("ratings").filter(pl.col("rated_at") >= after).sort("rated_at", "event_id").collect()


def _well_known(folder: DataFolder, unseen: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Of the members with the most ratings that the model has not seen (at most ASKED), the one with the longest history."""
    ratings = folder.scan("ratings").group_by("member_id").len("ratings").collect()
    counts = unseen.group_by("member_id").len().join(ratings, on="member_id").with_columns(pl.col("len").clip(upper_bound=ASKED))
    member_id = str(counts.sort("len", "ratings", "member_id", descending=[True, True, False])["member_id"][0])
    return member_id, unseen.filter(pl.col("member_id") == member_id).head(ASKED)


def _stored_member(url: str, folder: DataFolder, wines: pl.DataFrame, member_id: str, rows: pl.DataFrame) -> None:
    """What the model gives wines that the member rated later, beside what they said (and the truth, in a made-up world)."""
    as_of = rows["rated_at"].min()
    request = {
        "member_id": member_id,
        "wines": [
            {"wine_id": row["wine_id"], "vintage": "NV" if row["vintage"] == 0 else row["vintage"]} for row in rows.iter_rows(named=True)
        ],
        "as_of": as_of.isoformat(),  # type: ignore[union-attr]
    }
    answer = _answer(url, request)
    truth = _truth(folder, rows)
    table = Table(title=f"Member {member_id}, asked as of {answer['as_of']}: ratings the model has not seen", title_justify="left")
    table.add_column("wine", no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    for name in ("will like it", "own tastings", "its ratings"):
        table.add_column(name, justify="right")
    table.add_column("liked it", no_wrap=True)
    if truth:
        table.add_column("true chance", justify="right")
    for row, result in zip(rows.iter_rows(named=True), answer["results"], strict=True):
        said = f"{'yes' if row['like'] else 'no'}, {row['rating_raw']:g}"
        table.add_row(
            _label(wines, row["wine_id"], row["vintage"]), *_figures(result), said, *([f"{truth[row['event_id']]:.0%}"] if truth else [])
        )
    console.print(table)
    console.print(
        f"model {answer['model']['version']} on generation {answer['model']['generation']}, "
        f"features as of {answer['features_as_of']}, degraded: {answer['degraded'] or 'nothing'}\n"
    )


def _anonymous(url: str, wines: pl.DataFrame, folder: DataFolder, unseen: pl.DataFrame, member_id: str) -> None:
    """The same wines for two people without an account: one who loved what the member loved, one who did not."""
    tasted = (
        folder.scan("ratings").filter(pl.col("member_id") == member_id, pl.col("rated_at") < unseen["rated_at"].min()).tail(6).collect()
    )
    if not tasted.height:
        return
    asked = [{"wine_id": row["wine_id"]} for row in unseen.unique("wine_id", maintain_order=True).head(4).iter_rows(named=True)]
    table = Table(title=f"Two people without an account, each with {tasted.height} ratings of the same wines", title_justify="left")
    table.add_column("wine", no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    columns = []
    as_of = unseen["rated_at"].max().isoformat()  # type: ignore[union-attr]
    for title, rating in (("loved them all", 5.0), ("liked none", 2.0)):
        history = [{"wine_id": row["wine_id"], "rating": rating} for row in tasted.iter_rows(named=True)]
        columns.append(_answer(url, {"history": history, "scale": "1-5", "wines": asked, "as_of": as_of})["results"])
        table.add_column(title, justify="right")
    for place, wine in enumerate(asked):
        table.add_row(_label(wines, wine["wine_id"], None), *(f"{results[place]['probability']:.0%}" for results in columns))
    console.print(table)


def _unheard_of(url: str, wines: pl.DataFrame) -> None:
    """A wine that no catalogue knows, described and not described, for somebody with no history at all."""
    known = wines.filter(pl.col("region").is_not_null(), pl.col("type").is_not_null()).row(0, named=True)
    about = {"type": known["type"], "country": known["country"], "region": known["region"], "grapes": known["grapes"]}
    answer = _answer(url, {"history": [], "wines": [{"wine_id": "nobody-knows-it", "about": about}, {"wine_id": "nor-this"}]})
    told = ", ".join(f"{result['basis']}: {result['probability']:.0%}" for result in answer["results"])
    console.print(f"\nA wine of {known['region']} that the catalogue lacks, for somebody new, asked now: {told}")
    console.print(f"degraded: {answer['degraded'] or 'nothing'}")


def _answer(url: str, request: dict[str, Any]) -> Any:
    status, answer = ask(url, request)
    if status != 200:
        raise CellarError(f"the service answered {status}: {answer}")
    return answer


def _truth(folder: DataFolder, rows: pl.DataFrame) -> dict[str, float]:
    """The true chance behind each rating where the world is made up."""
    if "truth" not in folder.manifest.tables:
        return {}
    known = folder.scan("truth").join(rows.lazy().select("event_id"), on="event_id", how="semi").collect()
    return dict(zip(known["event_id"], known["probability"], strict=True))


def _figures(result: dict[str, Any]) -> list[str]:
    evidence = result["evidence"]
    return [f"{result['probability']:.0%}", f"{evidence['own_tastings']:,}", f"{evidence['wine_ratings']:,}"]


def _label(wines: pl.DataFrame, wine_id: str, vintage: int | None) -> str:
    row = wines.row(by_predicate=pl.col("wine_id") == wine_id, named=True)
    parts = [str(vintage) if vintage else None, row["producer"], row["name"]]
    return " ".join(part for part in parts if part)

"""What a member said of wines: ratings and notes out of table Notes, scores that other tables repeat, and what was said of a bottle drunk.

A like is `fLikeIt` where the member uses it, else a rating of 90 or more (judgement); a defective bottle keeps its rating and the mark, and
whoever learns leaves it out. A score that stands beside a wine (MY, PScore) is the member's own, of a day nobody knows: it counts where
table Notes has no rating of that wine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from typing import Any

from cellar_shared.events.scales import SCALES
from cellar_shared.events.sources.cellartracker.files import Row, TableFile
from cellar_shared.events.sources.cellartracker.texts import Manner, day_of, prose_of, text_of, truth_of
from cellar_shared.events.sources.cellartracker.wines import PREFIX, Refused, read, score_in

SCALE = SCALES["0-100"]
SOURCE = "cellartracker"


@dataclass(frozen=True, slots=True)
class Tasting:
    """A row of table Notes as it was read."""

    note_id: str
    rating: float | None
    likes: bool | None
    is_defective: bool
    tasted_on: date | None
    text: str | None


def uses_likes(file: TableFile) -> bool:
    """Does the member use `fLikeIt` (in lists `LikeIt`)? Where no row says so, its False is the site's default and no dislike."""
    return any(
        (text_of(row[column]) or "").casefold() in ("true", "1", "-1", "yes") for row in file.rows for column in ("fLikeIt", "LikeIt")
    )


def tasting_in(row: Row, manner: Manner) -> Tasting:
    """A row of table Notes; Refused where it cannot be read."""
    number = text_of(row["iNote"])
    if number is None:
        raise Refused("iNote", row["iNote"] or "", "a note's number")
    return Tasting(
        f"{PREFIX}n{number}", score_in(row, "Rating", manner), read(row, "fLikeIt", truth_of), read(row, "Defective", truth_of) or False,
        read(row, "TastingDate", day_of, manner), prose_of(row["TastingNotes"]),
    )  # fmt: skip


def own_score_in(row: Row, manner: Manner, by_likes: bool) -> tuple[float, bool] | None:
    """The member's own score beside a wine, and whether it is a like; None where the table has none."""
    score = next((score for column in ("MY", "PScore") if (score := score_in(row, column, manner))), None)
    if score is None:
        return None
    likes = read(row, "LikeIt", truth_of) if by_likes else None
    return score, score >= SCALE.liked_from if likes is None else likes


def rating_row(tasting: Tasting, by_likes: bool, **of: Any) -> dict[str, Any] | None:
    """The row of table ratings; None for a note without a rating."""
    if tasting.rating is None:
        return None
    like = tasting.likes if by_likes and tasting.likes is not None else tasting.rating >= SCALE.liked_from
    return _rating(tasting.note_id, tasting.rating, like, tasting.tasted_on, tasting.is_defective, **of)


def score_row(score: float, like: bool, **of: Any) -> dict[str, Any]:
    """The row of table ratings for a score beside a wine; its id holds the score: a rating never changes, a newer one is another."""
    facts = f"{of['member_id']}\x1f{of['wine_id']}\x1f{score:g}"
    return _rating(f"{PREFIX}s{blake2b(facts.encode(), digest_size=8).hexdigest()}", score, like, None, False, **of)


def _rating(event_id: str, rating: float, like: bool, day: date | None, is_defective: bool, **of: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, **of, "rating_raw": rating, "scale": SCALE.name, "like": like,
        "rated_at": datetime.combine(day, time(), UTC) if day else None, "time_precision": "date" if day else "unknown",
        "defective": is_defective, "source": SOURCE,
    }  # fmt: skip


def note_row(event_id: str, text: str | None, day: date | None, **of: Any) -> dict[str, Any] | None:
    """The row of table notes; None without a text. Nothing else says that only the day is known, so it counts from the next midnight."""
    return {"event_id": event_id, **of, "text": text, "noted_at": end_of(day)} if text else None


def end_of(day: date | None) -> datetime | None:
    """The last moment of a day, UTC."""
    return datetime.combine(day, time(23, 59, 59, 999_999), UTC) if day else None


def liked_row(tasting: Tasting, by_likes: bool, **of: Any) -> dict[str, Any] | None:
    """The outcome of a note that says by `fLikeIt` alone whether it was liked; None with a rating, which says it, or without a day."""
    if not by_likes or tasting.likes is None or tasting.rating is not None or tasting.is_defective or tasting.tasted_on is None:
        return None
    when = end_of(tasting.tasted_on)
    return {
        "outcome_id": f"{tasting.note_id}:liked", "request_id": None, **of, "bottle_id": None, "kind": "liked",
        "value": float(tasting.likes), "occurred_at": when, "recorded_at": when,
    }  # fmt: skip

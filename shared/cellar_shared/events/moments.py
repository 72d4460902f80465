"""When an event counts: microseconds since 1970 in UTC, days, and the midnight rule; everyone's arithmetic of time.

An event has an effective moment e and is known to a question asked at T when e < T. A rating dated only to a day is known
from the following midnight, so its effective moment is one microsecond before it. An event whose time nobody knows has no
effective moment (`NEVER`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

MICROSECONDS_PER_DAY: Final = 86_400_000_000
NEVER: Final = np.iinfo(np.int64).max

Moments = npt.NDArray[np.int64]


def moment_of(when: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime."""
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone; give one (UTC: {when.isoformat()}Z)")
    span = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def datetime_of(moment: int) -> datetime:
    """The aware UTC datetime of a moment."""
    days, rest = divmod(int(moment), MICROSECONDS_PER_DAY)
    return datetime.fromtimestamp(days * 86_400, UTC).replace(
        hour=rest // 3_600_000_000,
        minute=rest // 60_000_000 % 60,
        second=rest // 1_000_000 % 60,
        microsecond=rest % 1_000_000,
    )


def iso_of(moment: int) -> str:
    """The moment as RFC 3339 text in UTC, ending in Z."""
    return datetime_of(moment).isoformat().replace("+00:00", "Z")


def day_of(moments: Moments) -> npt.NDArray[np.int64]:
    """Whole days since 1970 UTC; the day's own midnight begins it."""
    return np.floor_divide(moments, MICROSECONDS_PER_DAY)


def counted_before(features_as_of: Moments) -> npt.NDArray[np.int64]:
    """The day before whose midnight wine features count: a midnight's own day, and the next one's within a day.

    Features reach into a day only where the data ends there, and then all of it counts.
    """
    return -np.floor_divide(-features_as_of, MICROSECONDS_PER_DAY)


def midnight_before(moments: Moments) -> Moments:
    """00:00 UTC of each moment's day."""
    return moments - moments % MICROSECONDS_PER_DAY


def end_of_day(moments: Moments) -> Moments:
    """The last microsecond of each moment's day: when an event known only by its date has surely happened."""
    return midnight_before(moments) + (MICROSECONDS_PER_DAY - 1)

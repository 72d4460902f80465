"""One part of a night: its members are read, who changed gets a new list, and everybody else the one that stands."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from cellar_recommender.night.knowing import Knowing
from cellar_recommender.night.layout import Folder, Receipt, SetAside, Terms, days
from cellar_recommender.night.made_of import made_of
from cellar_recommender.night.members import read_members
from cellar_recommender.night.scoring import Scorer
from cellar_recommender.serving.sources import SOURCES
from cellar_shared.store.generation import Generation, Known
from cellar_shared.store.list_packing import MemberList
from cellar_shared.store.lists import Lists
from cellar_shared.store.port import MemberDamaged

READ_AT_ONCE: Final = 1024  # members whose histories are in memory; enough that many are as long (judgement)
SCHEMA: Final = {
    "member_id": pl.String(),
    "position": pl.Int32(),
    "wine_id": pl.String(),
    "score": pl.Float32(),
    "source": pl.String(),
    "precomputed_at": pl.Datetime("us", "UTC"),
}


@dataclass(slots=True)
class _Lists:
    """Lists by member, and what came of the others."""

    made: dict[str, tuple[bytes, MemberList]] = field(default_factory=dict)
    computed: int = 0
    forgotten: int = 0
    set_aside: list[SetAside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PartWork:
    """What every part is made with; `standing` are the bundle's lists in use, None where there are none."""

    terms: Terms
    folder: Folder
    scorer: Scorer
    knowing: Knowing
    standing: Lists | None

    def do(self, part: int, tell: Callable[[int], None]) -> Receipt:
        """Make the part's lists and write them; `tell` hears how many members were done. CellarError when the store cannot be read."""
        member_ids = read_members(self.folder.members_of(part))
        lists = _Lists()
        for start in range(0, len(member_ids), READ_AT_ONCE):
            some = member_ids[start : start + READ_AT_ONCE]
            self._make(some, lists)
            tell(len(some))
        by_key = [(member_id, *lists.made[member_id]) for member_id in member_ids if member_id in lists.made]
        rows = _parquet(frame_of([(member_id, made) for member_id, _, made in by_key], self.scorer.generation))
        receipt = Receipt(
            lists=len(by_key),
            computed=lists.computed,
            forgotten=lists.forgotten,
            rows=sum(len(made.wines) for _, _, made in by_key),
            sha256=hashlib.sha256(rows).hexdigest(),
            set_aside=lists.set_aside,
        )
        self.folder.finish(self.terms.night, part, rows, ((key, made) for _, key, made in by_key), receipt)
        return receipt

    def _make(self, member_ids: list[str], lists: _Lists) -> None:
        generation, moment = self.scorer.generation, self.terms.precomputed_at
        to_do: list[tuple[str, Known, bytes]] = []
        for member_id, known in zip(member_ids, self.knowing.of(member_ids), strict=True):
            if isinstance(known, MemberDamaged):
                lists.set_aside.append(SetAside(member_id, str(known)))
                continue
            if known.forgotten_at > generation.manifest.overlay_through:
                lists.forgotten += 1  # nobody would read a list that this generation gave
                continue
            digest = made_of(known, self.terms.bundle, generation, moment)
            standing = self._standing(known, digest)
            if standing is None:
                to_do.append((member_id, known, digest))
            else:
                lists.made[member_id] = (known.key, standing)
        for (member_id, known, digest), ranked in zip(
            to_do, self.scorer.lists([(member_id, known) for member_id, known, _ in to_do]), strict=True
        ):
            lists.made[member_id] = (known.key, MemberList(ranked.wines, ranked.scores, ranked.sources, moment, digest))
        lists.computed += len(to_do)

    def _standing(self, known: Known, digest: bytes) -> MemberList | None:
        """The member's list in use, where it still says what would be said: made of the same, not too old, of wines that are there."""
        made = None if self.standing is None else self.standing.of_known(known)
        if made is None or made.made_of != digest:
            return None
        age = self.terms.precomputed_at - made.precomputed_at
        if not 0 <= age < days(self.terms.max_age_days):
            return None
        return made if (self.scorer.generation.index.rows_of(made.wines) >= 0).all() else None


def frame_of(lists: list[tuple[str, MemberList]], generation: Generation) -> pl.DataFrame:
    """The rows of lists by member, of SCHEMA: positions from 1, wines and sources by name."""
    lengths = [len(made.wines) for _, made in lists]
    nothing: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    wines = np.concatenate([made.wines for _, made in lists] or nothing)
    sources = np.concatenate([made.sources for _, made in lists] or nothing)
    columns = {
        "member_id": [member_id for (member_id, _), length in zip(lists, lengths, strict=True) for _ in range(length)],
        "position": np.concatenate([np.arange(1, length + 1) for length in lengths] or nothing),
        "wine_id": generation.wine_ids(generation.index.rows_of(wines)),
        "score": np.concatenate([made.scores for _, made in lists] or nothing),
        "source": [SOURCES[source] for source in sources.tolist()],
        "precomputed_at": np.repeat(np.array([made.precomputed_at for _, made in lists], dtype=np.int64), lengths),
    }
    return pl.DataFrame(columns).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, compression="zstd", compression_level=1, statistics=False)
    return stream.getvalue()

"""Reads what is known of many members, with patience: a store that is away for a moment is waited for, a damaged member is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from cellar_shared.errors import CellarError
from cellar_shared.store.generation import Generation, Known
from cellar_shared.store.port import MemberDamaged, Store, StoreUnavailable

AT_ONCE: Final = 32  # reads on their way together: more would wait for each other longer than a store gives one
# Before a read is tried again: a dropped connection, a store that starts again; a breaker looks after 5 s at the latest.
PAUSES_S: Final = (0.1, 1.0, 5.0, 10.0, 20.0)


class Knowing:
    """Reads a generation's members in an event loop of its own, while it is entered."""

    def __init__(self, store: Store, generation: Generation, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._store, self._generation, self._pauses_s = store, generation, pauses_s

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._generation.close()
        self._runner.run(self._store.aclose())
        self._runner.close()

    def of(self, member_ids: Sequence[str]) -> list[Known | MemberDamaged]:
        """What is known of each of the members, or that it is damaged; CellarError when the store cannot tell, however long it is asked."""
        found: list[Known | MemberDamaged] = []
        for start in range(0, len(member_ids), AT_ONCE):
            found += self._runner.run(self._some(member_ids[start : start + AT_ONCE]))
        return found

    async def _some(self, member_ids: Sequence[str]) -> list[Known | MemberDamaged]:
        return await asyncio.gather(*(self._one(member_id) for member_id in member_ids))

    async def _one(self, member_id: str) -> Known | MemberDamaged:
        for pause_s in (*self._pauses_s, None):
            try:
                return await self._generation.known(member_id)
            except MemberDamaged as damaged:
                return damaged
            except StoreUnavailable as error:
                if pause_s is None:
                    raise CellarError(
                        f"{error}; what is finished stays: run `cellar score recommender` again when the store can be read"
                    ) from error
                await asyncio.sleep(pause_s)
        raise AssertionError("the last try ends it")

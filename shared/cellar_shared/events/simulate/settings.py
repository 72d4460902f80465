"""What a made-up world is asked to be: its size, its seed, its family, and the ten years it lasts; every maker here reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from cellar_shared.errors import BadInput
from cellar_shared.events.moments import moment_of
from cellar_shared.events.simulate.families import Family, family_named

WORLD_BEGINS: Final = moment_of(datetime(2012, 1, 1, tzinfo=UTC))
WORLD_ENDS: Final = moment_of(datetime(2022, 1, 1, tzinfo=UTC))
MOMENTS_PER_YEAR: Final = 365.25 * 86_400e6

FEWEST_WINES: Final = 20


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """A world's arguments: equal arguments give equal bytes; BadInput where one is out of range."""

    members: int
    wines: int
    seed: int
    family_name: str = "base"
    ratings_per_member: float = 13.0
    family: Family = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "family", family_named(self.family_name))
        for name, value, lowest, highest in (
            ("members", self.members, 1, 100_000_000),
            ("wines", self.wines, FEWEST_WINES, 10_000_000),
            ("seed", self.seed, 0, 2**63 - 1),
            ("ratings-per-member", self.ratings_per_member, 1, 1_000),
        ):
            if not lowest <= value <= highest:
                raise BadInput(f"--{name} {value:,} is out of range; give {lowest:,} to {highest:,}")

    def generator(self, *path: int) -> np.random.Generator:
        """The random stream of one piece of the world, the same whatever else is made before or beside it."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=path)))

"""One run of members of each family's world, made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import MEMBERS_PER_RUN, Run, World


@pytest.fixture(scope="session")
def made() -> Callable[[str], tuple[World, Run]]:
    """The world of the family named, with 600 wines, and its first run of members."""

    @cache
    def make(family: str) -> tuple[World, Run]:
        world = World.make(WorldSettings(members=MEMBERS_PER_RUN, wines=600, seed=3, family_name=family))
        return world, world.run(0)

    return make

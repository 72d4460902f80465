"""Small worlds with cellars, one for each way of ageing, made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from cellar_shared.events.simulate.catalogue import make_catalogue
from cellar_shared.events.simulate.cellars.settings import CellarSettings
from cellar_shared.events.simulate.cellars.writing import Cellars
from cellar_shared.events.simulate.settings import WorldSettings


@pytest.fixture(scope="session")
def cellars_of() -> Callable[[str], Cellars]:
    """The cellars of 800 wines, 900 members, 40,000 bottles and 4,000 statements, ageing as named."""

    @cache
    def make(ageing: str) -> Cellars:
        settings = WorldSettings(members=900, wines=800, seed=9)
        return Cellars.make(settings, CellarSettings(40_000, 4_000, ageing), make_catalogue(settings))

    return make

"""What the bench measures where no bundle and store are named: a small world to learn from, a large one of its family to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cellar_recommender.training.fit import Recipe
from cellar_recommender.training.learn import Settings, steps_of
from cellar_recommender.training.train import train
from cellar_shared.display import Reporter
from cellar_shared.events.simulate.settings import WorldSettings
from cellar_shared.events.simulate.world import simulate_world
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.materialize import materialize

LEARNT_WINES: Final = 5_000
LEARNT_MEMBERS: Final = 4_000
# Vectors of the size that is served, spread as learning spreads them; how well they rank is not asked.
SETTINGS: Final = Settings(Recipe(epochs=2), rounds=100)


def make_world(
    folder: Path,
    *,
    wines: int,
    members: int,
    learnt_wines: int,
    learnt_members: int,
    settings: Settings,
    seed: int,
    reporter: Reporter,
) -> tuple[Path, str]:
    """Write worlds, a bundle and a store to `folder`; the bundle, and the store's URL."""
    reporter.say(f"making up {learnt_wines:,} wines to learn from, and {wines:,}")
    simulate_world(WorldSettings(learnt_members, learnt_wines, seed), folder / "learnt", progress=lambda _: None)
    simulate_world(WorldSettings(members, wines, seed + 1), folder / "served", progress=lambda _: None)
    bundle, store = folder / "bundle", folder / "store"
    with reporter.advancing("training", steps_of(settings) + 3) as step:
        train(folder / "learnt", bundle, hold_out_days=0, settings=settings, threads=1, step=step)  # so little gains nothing by more
    materialize(folder / "served", LmdbStore(store), say=reporter.say)
    return bundle, f"lmdb://{store}"

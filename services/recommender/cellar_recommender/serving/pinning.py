"""Opens what the service answers with: one bundle on each generation that becomes current, with the bundle's newest lists."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from cellar_recommender.serving.answering import Engine
from cellar_recommender.serving.catalogue import Catalogues, day_of_features, open_catalogue
from cellar_recommender.serving.recommender import MODEL, Recommender
from cellar_recommender.serving.rules import Rules
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.calibration.trailing import TrailingOffset
from cellar_shared.errors import CellarError
from cellar_shared.events.moments import moment_of
from cellar_shared.liking.offsets import trailing_now
from cellar_shared.service.wire import ModelNamed
from cellar_shared.store.generation import Generation
from cellar_shared.store.lists import Lists, lists_id
from cellar_shared.store.port import Store
from cellar_shared.telemetry import names
from cellar_shared.telemetry.recorder import RECORDER

logger = logging.getLogger("cellar.recommender")


@dataclass(frozen=True, slots=True)
class Pinned:
    """What one request works on from beginning to end."""

    engine: Engine
    named: ModelNamed

    @property
    def generation(self) -> Generation:
        return self.engine.generation


class Pinning:
    """Pins a bundle to a store's generations, for the one thread that follows them."""

    def __init__(self, recommender: Recommender, store: Store, rules: Rules, deployment: str) -> None:
        self._recommender = recommender
        self._store = store
        self._rules = rules
        self._deployment = deployment
        self._newest: Engine | None = None

    def pin(self, generation_id: str) -> Pinned:
        """What requests work on once the generation is current, or newer lists of the same one are there."""
        recommender = self._recommender
        manifest = recommender.manifest
        lists = self._lists()
        before = self._newest
        if before is not None and before.generation.manifest.id == generation_id:
            engine = replace(before, lists=lists, track=before.track or self._trailing(before.generation))
        else:
            generation = Generation.open(self._store, manifest.feature_fingerprint, generation_id)
            require_same_data(manifest, generation.manifest.namespace, generation.manifest.scale)
            own = open_catalogue(recommender, generation, self._store, say=logger.info)
            catalogues = Catalogues(recommender, generation, own)
            # Events of today move the own day to tomorrow: what today's requests see is made here, and not when the first one comes.
            catalogues.at(day_of_features(generation, moment_of(datetime.now(UTC))))
            engine = Engine(
                recommender,
                generation,
                catalogues,
                generation.index.rows_of(recommender.sources.item_item.identities).astype(np.int64),
                self._trailing(generation),
                lists,
                self._rules,
            )
        named = ModelNamed(MODEL, manifest.version, self._deployment, generation_id, manifest.trained_through)
        RECORDER.set(names.GENERATION_INFO, 1, (manifest.version, generation_id), alone=True)
        self._newest = engine
        return Pinned(engine, named)

    def _trailing(self, generation: Generation) -> TrailingOffset | None:
        liking = self._recommender.liking
        return None if liking is None else trailing_now(liking, generation, self._store)

    def _lists(self) -> Lists | None:
        """The bundle's lists in use; whatever is wrong with them, answers are ranked as well without."""
        try:
            return Lists.open_current(self._store, self._recommender.manifest.version)
        except (CellarError, OSError, ValueError) as error:  # deleted while they are opened, say
            logger.error("precomputed lists are not read: %s", error)
            return None

    def could_be_newer(self, pinned: Pinned) -> bool:
        """Are there offsets to be made that could not be, or lists that came since?"""
        engine = pinned.engine
        if engine.recommender.liking is not None and engine.track is None:
            return True
        standing = None if engine.lists is None else engine.lists.manifest.id
        try:
            return lists_id(self._store, engine.recommender.manifest.version) != standing
        except (CellarError, OSError):
            return False

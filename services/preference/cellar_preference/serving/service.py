"""The preference service: opens a bundle and a generation, answers requests by the contract; `cellar serve preference` runs it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lmdb

from cellar_preference.serving.contract import (
    EXAMPLE,
    REQUEST_RULES,
    Degradation,
    Evidence,
    ModelNamed,
    PreferenceAnswer,
    PreferenceRequest,
    WineAnswer,
)
from cellar_preference.serving.index import open_index
from cellar_preference.serving.predictor import MODEL, Prediction, Predictor, require_same_data
from cellar_preference.serving.questions import Asked, ask, moment_asked, require_one_member
from cellar_shared.calibration.trailing import TrailingOffset
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, counted_before, iso_of
from cellar_shared.features.histories import Events
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata
from cellar_shared.store.generation import Generation

logger = logging.getLogger("cellar.preference")

# A generation is written every night; past two days of silence the answers say that their features are old.
STALE_AFTER: Final = 2 * MICROSECONDS_PER_DAY
DEPLOYMENT_VARIABLE: Final = "CELLAR_DEPLOYMENT"
DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What one request works on from beginning to end."""

    predictor: Predictor
    generation: Generation
    track: TrailingOffset
    named: ModelNamed


class PreferenceService:
    """Answers "will this member like these wines?" with one bundle on one generation."""

    name = MODEL
    request_type = PreferenceRequest
    answer_type = PreferenceAnswer
    example = EXAMPLE
    request_rules = REQUEST_RULES

    def __init__(self, bundle: Path, store: Path, deployment: str | None = None) -> None:
        self._bundle = bundle
        self._store = store
        self._deployment = deployment or os.environ.get(DEPLOYMENT_VARIABLE, "local")
        self._pinned: _Pinned | None = None

    def load(self) -> None:
        """Verify the bundle, replay its golden cases, map the generation, open or build the index."""
        predictor = Predictor.open(self._bundle)
        generation = Generation.open(self._store, predictor.manifest.feature_fingerprint)
        manifest = predictor.manifest
        require_same_data(manifest, generation.manifest.namespace, generation.manifest.scale)
        named = ModelNamed(MODEL, manifest.version, self._deployment, generation.manifest.id, manifest.trained_through)
        self._pinned = _Pinned(predictor, generation, open_index(predictor, generation, self._store), named)

    def metadata(self) -> ModelMetadata:
        """What is served, in Open Inference Protocol's terms."""
        pinned = self._require()
        manifest, generation = pinned.predictor.manifest, pinned.generation.manifest
        return ModelMetadata(
            name=MODEL,
            versions=(manifest.version,),
            platform="onnx",
            inputs=(TensorMetadata("request", "BYTES", (1,)),),
            outputs=(TensorMetadata("probability", "FP64", (-1,)),),
            properties={
                "generation": generation.id,
                "events_through": iso_of(generation.events_through),
                "earliest_as_of": iso_of(generation.earliest_as_of),
                "trained_through": manifest.trained_through,
                "feature_fingerprint": manifest.feature_fingerprint,
                "deployment": self._deployment,
                "scale": generation.scale,
            },
        )

    def score(self, request: PreferenceRequest, context: RequestContext) -> PreferenceAnswer:
        """The answer to one request; Problem for what cannot be answered."""
        pinned = self._require()
        require_one_member(request)
        moment = moment_asked(request.as_of, context.received_at, pinned.generation)
        degraded: list[Degradation] = []
        stored = self._stored(request, pinned.generation, degraded)
        context.stages.lap("store")
        asked = ask(request, stored, moment, pinned.generation, pinned.predictor.history_limit)
        encoded = pinned.predictor.encode(asked.questions, pinned.generation.counts)
        context.stages.lap("features")
        offsets = pinned.track.at(counted_before(asked.questions.features_as_of))[asked.questions.member]
        prediction = pinned.predictor.predict_encoded(encoded, offsets)
        context.stages.lap("model")
        if moment - moment % MICROSECONDS_PER_DAY - asked.features_as_of > STALE_AFTER:
            degraded.append("features_stale")
        if asked.is_truncated:
            degraded.append("history_truncated")
        return PreferenceAnswer(
            request_id=context.request_id,
            model=pinned.named,
            as_of=iso_of(asked.as_of),
            features_as_of=iso_of(asked.features_as_of),
            history_ignored=asked.history_ignored,
            degraded=degraded,
            results=_results(request, asked, prediction),
        )

    def _require(self) -> _Pinned:
        if self._pinned is None:
            raise RuntimeError("the service was asked before it was loaded")
        return self._pinned

    @staticmethod
    def _stored(request: PreferenceRequest, generation: Generation, degraded: list[Degradation]) -> Events | None:
        """A stored member's events; with the store gone the member is answered as one nobody knows, and the answer says so."""
        if request.member_id is None:
            return None
        try:
            return generation.members.events_of(request.member_id)
        except (lmdb.Error, ValueError):  # gone, or holding something that is no member
            logger.exception("the member store cannot be read")
            degraded.append("store_unavailable")
            return None


def _results(request: PreferenceRequest, asked: Asked, prediction: Prediction) -> list[WineAnswer]:
    """One answer a wine. Without an interval no verdict is given: a bare percentage is not evidence."""
    rows = zip(
        request.wines,
        asked.bases,
        prediction.probabilities.round(DECIMALS).tolist(),
        prediction.own_tastings.tolist(),
        prediction.wine_ratings.tolist(),
        strict=True,
    )
    return [
        WineAnswer(
            index=index,
            wine_id=wine.wine_id,
            vintage=int(wine.vintage) if isinstance(wine.vintage, float) else wine.vintage,
            basis=basis,
            probability=probability,
            interval=None,
            verdict="not_enough_evidence",
            evidence=Evidence(tastings, ratings, None),
            reasons=[],
        )
        for index, (wine, basis, probability, tastings, ratings) in enumerate(rows)
    ]

"""The preference service: opens a bundle and a generation, answers requests by the contract; `cellar serve preference` runs it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_preference.serving.contract import (
    EXAMPLE,
    REQUEST_RULES,
    Degradation,
    Evidence,
    PreferenceAnswer,
    PreferenceRequest,
    WineAnswer,
)
from cellar_preference.serving.questions import Asked, ask, require_one_member
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.calibration.trailing import TrailingOffset
from cellar_shared.events.moments import counted_before, iso_of
from cellar_shared.features.histories import UNKNOWN_VINTAGE, Events
from cellar_shared.liking.offsets import trailing_now
from cellar_shared.liking.predictor import MODEL, Prediction, Predictor
from cellar_shared.service.asking import is_stale, moment_asked
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.following import Following, deployment_of
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata, served_properties
from cellar_shared.service.wire import ModelNamed
from cellar_shared.store.generation import Generation
from cellar_shared.store.opening import STORE_WITHIN_S
from cellar_shared.store.port import Store
from cellar_shared.store.swapping import LOOK_EVERY_S
from cellar_shared.telemetry import names
from cellar_shared.telemetry.predictions import Answered, PredictionSettings
from cellar_shared.telemetry.recorder import RECORDER

logger = logging.getLogger("cellar.preference")

DEPLOYMENT_VARIABLE: Final = "CELLAR_DEPLOYMENT"
DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What one request works on from beginning to end."""

    predictor: Predictor
    generation: Generation
    track: TrailingOffset | None  # None: the store could not be read when it was to be made
    named: ModelNamed


class PreferenceService:
    """Answers "will this member like these wines?" with one bundle on one generation."""

    name = MODEL
    request_type = PreferenceRequest
    answer_type = PreferenceAnswer
    example = EXAMPLE
    request_rules = REQUEST_RULES

    def __init__(
        self,
        bundle: Path,
        store: Store,
        deployment: str | None = None,
        predictions: PredictionSettings | None = None,
        *,
        store_within_s: float = STORE_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._bundle = bundle
        self._store = store
        self._deployment = deployment_of(deployment)
        self._predictor: Predictor | None = None
        self._following = Following[_Pinned](store, logger, predictions, store_within_s=store_within_s, look_every_s=look_every_s)

    def load(self) -> None:
        """Verify the bundle, replay its golden cases, map the generation, open or build the index; then follow the store (`Following`)."""
        predictor = self._predictor = self._predictor or Predictor.open(self._bundle)
        self._following.start(lambda generation_id: self._pin(predictor, generation_id), lambda pinned: pinned.track is None)

    async def close(self) -> None:
        """Let go of the store and of the prediction log."""
        await self._following.close()

    def _pin(self, predictor: Predictor, generation_id: str) -> _Pinned:
        """What requests work on once the generation is current."""
        generation = Generation.open(self._store, predictor.manifest.feature_fingerprint, generation_id)
        manifest = predictor.manifest
        require_same_data(manifest, generation.manifest.namespace, generation.manifest.scale)
        named = ModelNamed(MODEL, manifest.version, self._deployment, generation.manifest.id, manifest.trained_through)
        track = trailing_now(predictor, generation, self._store)
        pinned = _Pinned(predictor, generation, track, named)
        RECORDER.set(names.GENERATION_INFO, 1, (manifest.version, generation.manifest.id), alone=True)
        return pinned

    def metadata(self) -> ModelMetadata:
        """What is served, in Open Inference Protocol's terms."""
        pinned = self._following.pinned
        manifest, generation = pinned.predictor.manifest, pinned.generation.manifest
        return ModelMetadata(
            name=MODEL,
            versions=(manifest.version,),
            platform="onnx",
            inputs=(TensorMetadata("request", "BYTES", (1,)),),
            outputs=(TensorMetadata("probability", "FP64", (-1,)),),
            properties=served_properties(manifest, generation, self._deployment),
        )

    async def score(self, request: PreferenceRequest, context: RequestContext) -> PreferenceAnswer:
        """The answer to one request; Problem for what cannot be answered."""
        pinned = self._following.pinned
        require_one_member(request)
        moment = moment_asked(request.as_of, context.received_at, pinned.generation)
        degraded: list[Degradation] = []
        stored = await self._stored(request, pinned.generation, degraded)
        context.stages.lap("store")
        asked = ask(request, stored, moment, pinned.generation, pinned.predictor.history_limit)
        encoded = pinned.predictor.encode(asked.questions, pinned.generation.counts)
        context.stages.lap("features")
        offsets = _offsets(pinned.track, asked)
        prediction = pinned.predictor.predict_encoded(encoded, offsets)
        context.stages.lap("model")
        if pinned.track is None and not degraded:
            degraded.append("store_unavailable")
        if is_stale(moment, asked.features_as_of):
            degraded.append("features_stale")
        if asked.is_truncated:
            degraded.append("history_truncated")
        for reason in degraded:
            RECORDER.count(names.ANSWERS_DEGRADED, 1, (reason,))
        answer = PreferenceAnswer(
            request_id=context.request_id,
            model=pinned.named,
            as_of=iso_of(asked.as_of),
            features_as_of=iso_of(asked.features_as_of),
            history_ignored=asked.history_ignored,
            degraded=degraded,
            results=_results(request, asked, prediction),
        )
        if self._following.predictions is not None:
            self._following.predictions.record(_logged(request, context, answer, asked, prediction, pinned))
        return answer

    async def _stored(self, request: PreferenceRequest, generation: Generation, degraded: list[Degradation]) -> Events | None:
        """A stored member's events; with the store gone the member is answered as one nobody knows, and the answer says so."""
        if request.member_id is None:
            return None
        stored, is_there = await self._following.read(generation.members.events_of(request.member_id))
        if not is_there:
            degraded.append("store_unavailable")
        return stored


def _offsets(track: TrailingOffset | None, asked: Asked) -> npt.NDArray[np.float64]:
    """The trailing offset of each wine's answer; none where there is no index yet."""
    track = TrailingOffset.none() if track is None else track
    return track.at(counted_before(asked.questions.features_as_of))[asked.questions.member]


def _logged(
    request: PreferenceRequest, context: RequestContext, answer: PreferenceAnswer, asked: Asked, prediction: Prediction, pinned: _Pinned
) -> Answered:
    """The answer as the prediction log takes it: what was asked about and said, nothing of the history it stands on."""
    return Answered(
        request_id=context.request_id,
        asked_at=context.received_at,
        as_of=answer.as_of,
        member_id=request.member_id,
        wine_ids=[wine.wine_id for wine in request.wines],
        vintages=[None if vintage == UNKNOWN_VINTAGE else vintage for vintage in asked.questions.vintages.tolist()],
        raw_scores=prediction.logits.tolist(),
        probabilities=[result.probability for result in answer.results],
        bundle=pinned.named.version,
        generation=pinned.named.generation,
        deployment=pinned.named.deployment,
        attempt=context.attempt,
        degraded=answer.degraded,
        feature_fingerprint=pinned.predictor.manifest.feature_fingerprint,
    )


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

"""The recommender service: opens a bundle and a generation, answers requests by the contract; `cellar serve recommender` runs it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.ann.index import Index
from cellar_recommender.serving.ann.live import LiveRecall
from cellar_recommender.serving.answering import LAST_STAGE, Engine, recommend
from cellar_recommender.serving.asking import require_members
from cellar_recommender.serving.contract import EXAMPLE, REQUEST_RULES, SEED_MOST, Degradation, RecommenderAnswer, RecommenderRequest
from cellar_recommender.serving.ladder import Ladder, Rung
from cellar_recommender.serving.pinning import Pinned, Pinning
from cellar_recommender.serving.recommender import MODEL, Recommender
from cellar_recommender.serving.rules import NO_RULES, Rules
from cellar_recommender.serving.telling import items_of
from cellar_recommender.serving.understanding import members_of, understand
from cellar_shared.events.moments import iso_of
from cellar_shared.service.asking import is_stale, moment_asked, vintage_number
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.following import Following, deployment_of
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata, served_properties
from cellar_shared.store.generation import Known
from cellar_shared.store.opening import STORE_WITHIN_S
from cellar_shared.store.port import Store
from cellar_shared.store.swapping import LOOK_EVERY_S
from cellar_shared.telemetry import names
from cellar_shared.telemetry.predictions import Answered, PredictionSettings
from cellar_shared.telemetry.recorder import RECORDER

logger = logging.getLogger("cellar.recommender")

_ADMITTED: dict[Rung, Degradation] = {"precomputed": "precomputed_order", "popular": "popular_order"}


@dataclass(frozen=True, slots=True)
class _ListsRead:
    """The precomputed lists of those who ask: `wines` identities, best first, and when the oldest was computed."""

    wines: list[npt.NDArray[np.int64]]
    precomputed_at: int | None


class RecommenderService:
    """Answers "what should they open or buy next?" with one bundle on one generation."""

    name = MODEL
    request_type = RecommenderRequest
    answer_type = RecommenderAnswer
    example = EXAMPLE
    request_rules = REQUEST_RULES

    def __init__(
        self,
        bundle: Path,
        store: Store,
        deployment: str | None = None,
        predictions: PredictionSettings | None = None,
        rules: Rules = NO_RULES,
        *,
        ladder: Ladder | None = None,
        store_within_s: float = STORE_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._bundle = bundle
        self._store = store
        self._rules = rules
        self._deployment = deployment_of(deployment)
        self._ladder = ladder or Ladder()
        self._recommender: Recommender | None = None
        self._recall = LiveRecall()
        self._following = Following[Pinned](store, logger, predictions, store_within_s=store_within_s, look_every_s=look_every_s)

    def load(self) -> None:
        """Verify the bundle, replay its golden cases, map the generation, open or build the index; then follow the store (`Following`)."""
        recommender = self._recommender = self._recommender or Recommender.open(self._bundle)
        pinning = Pinning(recommender, self._store, self._rules, self._deployment)

        def pin(generation_id: str) -> Pinned:
            pinned = pinning.pin(generation_id)
            self._recall.follow(pinned.engine.catalogues.own.index)
            return pinned

        self._following.start(pin, pinning.could_be_newer)
        self._recall.start()

    async def close(self) -> None:
        """Let go of the store and of the prediction log."""
        await asyncio.to_thread(self._recall.stop)
        await self._following.close()

    def metadata(self) -> ModelMetadata:
        """What is served, in Open Inference Protocol's terms."""
        engine = self._following.pinned.engine
        manifest, generation = engine.recommender.manifest, engine.generation.manifest
        liking = engine.recommender.liking
        return ModelMetadata(
            name=MODEL,
            versions=(manifest.version,),
            platform="onnx",
            inputs=(TensorMetadata("request", "BYTES", (1,)),),
            outputs=(TensorMetadata("score", "FP64", (-1,)),),
            properties={
                **served_properties(manifest, generation, self._deployment),
                "preference": "" if liking is None else liking.manifest.version,
                "rules": self._rules.version or "",
                "index": _told(engine.catalogues.own.index),
            },
        )

    async def score(self, request: RecommenderRequest, context: RequestContext) -> RecommenderAnswer:
        """The answer to one request; Problem for what cannot be answered."""
        pinned = self._following.pinned
        engine, generation = pinned.engine, pinned.generation
        require_members(request)
        moment = moment_asked(request.as_of, context.received_at, generation)
        degraded: list[Degradation] = []
        stored: list[Known | None] = []
        for member in members_of(request):
            known, is_there = (None, True) if member.member_id is None else await self._following.read(generation.known(member.member_id))
            if not is_there and not degraded:
                degraded.append("store_unavailable")
            stored.append(known)
        context.stages.lap("store")
        context.deadline.require()
        recommender = engine.recommender
        liking_limit = recommender.history_limit if recommender.liking is None else recommender.liking.history_limit
        understood = understand(request, stored, moment, generation, recommender.history_limit, liking_limit)
        context.stages.lap("understand")
        lists = _lists(engine, request, stored, moment)
        seed = None if request.seed is None else int(request.seed)
        if seed is None and request.explore > 0:
            seed = secrets.randbelow(SEED_MOST + 1)
        catalogue = engine.catalogues.kept(understood.features_day)
        if catalogue is None:  # made on demand, which takes its time: beside the other requests
            catalogue = await asyncio.to_thread(engine.catalogues.at, understood.features_day)
            context.stages.lap("catalogue")
        ranking = _Ranking(self._ladder, context, bool(lists.wines), len(stored))
        make = partial(recommend, engine, request, understood, lists.wines, seed or 0, ranking.lap, ranking.rung, catalogue)
        # Chances of several members for every candidate take tenths of a second: beside the other requests.
        made = make() if len(stored) == 1 else await asyncio.to_thread(make)
        self._recall.saw(made.vectors)
        items = items_of(engine, made, understood, with_reasons=request.explain)
        context.stages.lap("tell")
        context.deadline.require()
        if recommender.liking is not None and engine.track is None and not degraded:
            degraded.append("store_unavailable")
        if is_stale(moment, understood.features_as_of):
            degraded.append("features_stale")
        if understood.is_truncated:
            degraded.append("history_truncated")
        if made.rung in _ADMITTED:
            degraded.append(_ADMITTED[made.rung])
        for reason in degraded:
            RECORDER.count(names.ANSWERS_DEGRADED, 1, (reason,))
        answer = RecommenderAnswer(
            request_id=context.request_id,
            model=pinned.named,
            as_of=iso_of(moment),
            features_as_of=iso_of(understood.features_as_of),
            precomputed_at=None if lists.precomputed_at is None else iso_of(lists.precomputed_at),
            degraded=degraded,
            seed=seed,
            rules_version=self._rules.version,
            sources=made.chosen.told,
            matched=made.matched,
            shortfall=made.shortfall,
            items=items,
        )
        if self._following.predictions is not None:
            self._following.predictions.record(_logged(request, context, answer, pinned))
        return answer


def _told(index: Index) -> str:
    """How the index searches, and how much of the exact answer it was seen to find."""
    return "exact" if index.compressed is None else f"compressed, recall {index.tried[-1].recall:.4f}"


class _Ranking:
    """One request's way down the ladder: what there is time for, and how long ranking then took."""

    def __init__(self, ladder: Ladder, context: RequestContext, has_list: bool, members: int) -> None:
        self._ladder, self._context, self._has_list, self._members = ladder, context, has_list, members
        self._began: float | None = None

    def rung(self) -> Rung:
        self._context.deadline.require()
        rung = self._ladder.rung(self._context.deadline.left_ms(), self._has_list, self._members)
        self._began = perf_counter() if rung == "ranked" else None
        return rung

    def lap(self, stage: str) -> None:
        self._context.stages.lap(stage)
        if stage == LAST_STAGE and self._began is not None:
            self._ladder.took((perf_counter() - self._began) * 1000, self._members)


def _lists(engine: Engine, request: RecommenderRequest, stored: Sequence[Known | None], moment: int) -> _ListsRead:
    """What a night computed for those who ask, where it was for such a question: a list is of what to buy, and never from after T."""
    lists = engine.lists
    found, computed = [], []
    if lists is not None and request.intent in ("buy", "gift") and request.candidates is None:
        for member, known in zip(members_of(request), stored, strict=True):
            one = None if member.member_id is None or known is None else lists.of_known(known)
            if one is not None and one.precomputed_at <= moment:
                found.append(one.wines)
                computed.append(one.precomputed_at)
    return _ListsRead(found, min(computed, default=None))


def _logged(request: RecommenderRequest, context: RequestContext, answer: RecommenderAnswer, pinned: Pinned) -> Answered:
    """The answer as the prediction log takes it: what was shown, nothing of the histories it stands on."""
    shown = [(item, item.probability) for item in answer.items if item.probability is not None]
    return Answered(
        request_id=context.request_id,
        asked_at=context.received_at,
        as_of=answer.as_of,
        member_id=request.member_id,
        wine_ids=[item.wine_id for item, _ in shown],
        vintages=[None if item.vintage is None else vintage_number(item.vintage) for item, _ in shown],
        raw_scores=[item.score for item, _ in shown],
        probabilities=[probability for _, probability in shown],
        bundle=pinned.named.version,
        generation=pinned.named.generation,
        deployment=pinned.named.deployment,
        attempt=context.attempt,
        degraded=answer.degraded,
        feature_fingerprint=pinned.engine.recommender.manifest.feature_fingerprint,
    )

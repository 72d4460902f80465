"""The recommender service: opens a bundle and a generation, answers requests by the contract; `cellar serve recommender` runs it."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.answering import Engine, Recommended, Rung, recommend
from cellar_recommender.serving.asking import require_members
from cellar_recommender.serving.catalogue import Catalogues
from cellar_recommender.serving.contract import (
    EXAMPLE,
    REQUEST_RULES,
    SEED_MOST,
    Degradation,
    Item,
    MemberAsked,
    MemberChance,
    RecommenderAnswer,
    RecommenderRequest,
)
from cellar_recommender.serving.offering import vintage_told
from cellar_recommender.serving.recommender import MODEL, Recommender
from cellar_recommender.serving.rules import NO_RULES, Rules
from cellar_recommender.serving.understanding import Understood, members_of, understand
from cellar_shared.bundle.manifest import require_same_data
from cellar_shared.events.moments import MICROSECONDS_PER_DAY, iso_of
from cellar_shared.liking.offsets import open_index
from cellar_shared.service.asking import STALE_AFTER, moment_asked
from cellar_shared.service.contract import RequestContext
from cellar_shared.service.deadline import Deadline
from cellar_shared.service.metadata import ModelMetadata, TensorMetadata
from cellar_shared.service.wire import ModelNamed
from cellar_shared.store.generation import Generation, Known
from cellar_shared.store.lists import Lists
from cellar_shared.store.opening import STORE_WITHIN_S
from cellar_shared.store.port import Store, StoreUnavailable, member_key
from cellar_shared.store.swapping import LOOK_EVERY_S
from cellar_shared.telemetry import names
from cellar_shared.telemetry.predictions import Answered, PredictionSettings
from cellar_shared.telemetry.recorder import RECORDER

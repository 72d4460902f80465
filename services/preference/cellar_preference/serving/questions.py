"""Turns a request into questions for the encoder: whose history, which moment, which wines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellar_preference.serving.contract import PreferenceRequest
from cellar_shared.features.histories import Events, Questions
from cellar_shared.service.asking import Basis, given_history, scale_asked, stored_history, vintage_number, wines_of
from cellar_shared.service.problems import FieldError, Problem
from cellar_shared.store.generation import Generation


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as questions, and what the answer says about how it was understood."""

    questions: Questions
    bases: Sequence[Basis]
    as_of: int
    features_as_of: int
    history_ignored: int
    is_truncated: bool


def require_one_member(request: PreferenceRequest) -> None:
    """Problem unless the request gives member_id or history, exactly one of the two ([] is a history)."""
    if (request.member_id is None) == (request.history is None):
        raise Problem(
            "member-ambiguous",
            "Give member_id for a stored member or history ([] included) for anybody else: exactly one of the two.",
            (FieldError("", "member-ambiguous", "needs exactly one of member_id and history"),),
        )


def ask(request: PreferenceRequest, stored: Events | None, moment: int, generation: Generation, limit: int) -> Asked:
    """The request as questions about one member; `stored` are a stored member's events, None for an anonymous history."""
    scale = scale_asked(request.scale, generation)
    if request.history is not None:
        histories, ignored, is_truncated = given_history(request.history, scale, moment, generation, limit)
    else:
        histories, ignored, is_truncated = stored_history(stored, moment, generation, limit)
    wines, bases = wines_of([(wine.wine_id, wine.about) for wine in request.wines], generation)
    features_as_of = generation.clamp(moment)
    questions = Questions(
        histories,
        np.array([moment], dtype=np.int64),
        np.zeros(len(request.wines), dtype=np.int64),
        wines,
        np.array([vintage_number(wine.vintage) for wine in request.wines], dtype=np.int16),
        np.array([features_as_of], dtype=np.int64),
    )
    return Asked(questions, bases, moment, features_as_of, ignored, is_truncated)

"""The two towers in torch: a member is what they tasted, a wine is what is known of it; `fit` trains them, `export` writes them.

No member id is seen. A wine's own name ("wine" among its codes) is one more embedding that training drops at random, so
that a wine nobody knows is placed by its facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from cellar_recommender.serving.towers import DAYS_PER_YEAR, WINE_INPUTS, MemberInputs, WineInputs
from cellar_shared.features.encoder import CODED
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.wines import GRAPES_KEPT, PAIRINGS_KEPT

CODES: Final = len(CODED) + GRAPES_KEPT + PAIRINGS_KEPT
WINE_CODE: Final = CODED.index("wine")
SEASON: Final = 2
ROWS_AT_ONCE: Final = 1024

# Means over a history, each shrunk to 0 by two tastings.
POOLED: Final = (
    "like_above",
    "strength_above",
    "liked",
    "strength",
    "expected_like",
    "expected_strength",
    "wine_ratings",
    "is_ageless",
    "age",
)
_POOLED: Final = [list(ITEM_FEATURES).index(name) for name in POOLED]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the towers."""

    embedding: int = 48
    vector: int = 64
    heads: int = 4
    hidden: int = 128
    dropout: float = 0.1


class TowersNet(nn.Module):
    """Both towers. A name has two embeddings: in a wine that is asked about, and in one that was tasted."""

    centre: Tensor
    spread: Tensor

    def __init__(self, vocabulary: int, shape: Shape, inputs: int = WINE_INPUTS) -> None:
        """Towers over a `vocabulary` of names, whose wine tower reads so many `inputs` beside them."""
        super().__init__()
        self.shape = shape
        width = shape.embedding
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.names = nn.Embedding(vocabulary, width)
        self.tasted_names = nn.Embedding(vocabulary, width)
        for table in (self.names, self.tasted_names):
            nn.init.normal_(table.weight, 0.0, 0.1)
        seen = width + len(ITEM_FEATURES) + 1
        self.item = nn.Linear(seen, shape.hidden)
        self.attention = nn.Linear(seen + SEASON, shape.heads)
        self.nothing = nn.Parameter(torch.zeros(shape.heads))
        self.member = _layers(shape.heads * width + shape.hidden + len(POOLED) + 3 + SEASON, shape, shape.dropout)
        self.member_direct = nn.Linear(shape.heads * width, shape.vector, bias=False)
        self.wine = _layers(width + inputs, shape, 0.0)
        self.wine_direct = nn.Linear(width + inputs, shape.vector)

    def standardise(self, wine: Tensor) -> None:
        """Take centre and spread of the wine tower's inputs from a sample."""
        self.centre.copy_(wine.mean(0))
        self.spread.copy_(torch.clamp(wine.std(0), min=0.02))

    def tastes(self, codes: Tensor, kept: Tensor | None = None) -> Tensor:
        """Sum of tasted wines' names' embeddings, (..., codes) to (..., embedding); `kept` drops names in training."""
        return _sum_of_names(self.tasted_names, codes, kept)

    def wines(self, wine: Tensor, wine_codes: Tensor, kept: Tensor | None = None) -> Tensor:
        """Vectors of wines out of the arrays of WineInputs; (W, vector)."""
        features = torch.clamp((wine - self.centre) / self.spread, -5.0, 5.0)
        seen = torch.cat([_sum_of_names(self.names, wine_codes, kept), features], dim=1)
        vectors: Tensor = self.wine(seen) + self.wine_direct(seen)
        return vectors

    def members(self, tastes: Tensor, item: Tensor, years_ago: Tensor, mask: Tensor, season: Tensor) -> Tensor:
        """Vectors of members out of `tastes` (M, L, embedding) and the arrays of MemberInputs; (M, vector)."""
        log_days = torch.log1p(years_ago * DAYS_PER_YEAR)[..., None] / 5.0
        seen = torch.cat([tastes, item, log_days], dim=-1)
        count = mask.sum(1, keepdim=True)
        scores = self.attention(torch.cat([seen, season[:, None].expand(-1, item.shape[1], -1)], dim=-1))
        scores = scores + (mask - 1.0)[..., None] * 30.0
        nothing = self.nothing.expand(mask.shape[0], 1, self.shape.heads)
        weights = torch.softmax(torch.cat([scores, nothing], dim=1), dim=1)[:, :-1] * mask[..., None]
        attended = torch.matmul(weights.transpose(1, 2), tastes).flatten(1)
        mean = (functional.gelu(self.item(seen), approximate="tanh") * mask[..., None]).sum(1) / (count + 1.0)
        pooled = (item[..., _POOLED] * mask[..., None]).sum(1) / (count + 2.0)
        about = torch.cat([log_days[:, 0] * mask[:, :1], torch.log1p(count), (count == 0).to(count.dtype), season], dim=1)
        vectors: Tensor = self.member(torch.cat([attended, mean, pooled, about], dim=1)) + self.member_direct(attended)
        return vectors


def _layers(inputs: int, shape: Shape, dropout: float) -> nn.Sequential:
    """Two layers with dropout before the first and between."""
    first, second = nn.Linear(inputs, shape.hidden), nn.Linear(shape.hidden, shape.vector)
    return nn.Sequential(nn.Dropout(dropout), first, nn.GELU(approximate="tanh"), nn.Dropout(shape.dropout), second)


def _sum_of_names(table: nn.Embedding, codes: Tensor, kept: Tensor | None) -> Tensor:
    known = (codes > 0).to(table.weight.dtype)
    if kept is not None:
        known = known * kept
    total: Tensor = (table(codes) * known[..., None]).sum(-2)
    return total


class MemberTower(nn.Module):
    """The member's half, as it is exported."""

    def __init__(self, net: TowersNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, item: Tensor, years_ago: Tensor, item_codes: Tensor, mask: Tensor, season: Tensor) -> Tensor:
        """Vectors (M, vector) for the arrays of MemberInputs."""
        return self.net.members(self.net.tastes(item_codes), item, years_ago, mask, season)


class WineTower(nn.Module):
    """The wine's half, as it is exported."""

    def __init__(self, net: TowersNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, wine: Tensor, wine_codes: Tensor) -> Tensor:
        """Vectors (W, vector) for the arrays of WineInputs."""
        return self.net.wines(wine, wine_codes)


class TorchTowers:
    """Towers that torch runs: what the exported ones must equal, and what training judges itself by."""

    def __init__(self, net: TowersNet) -> None:
        self.net = net

    def members(self, inputs: MemberInputs) -> npt.NDArray[np.float32]:
        """A vector for each member; (M, dimensions)."""
        return _run(MemberTower(self.net), inputs.inputs())

    def wines(self, inputs: WineInputs) -> npt.NDArray[np.float32]:
        """A vector for each wine; (W, dimensions)."""
        return _run(WineTower(self.net), inputs.inputs())


def _run(tower: nn.Module, arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    rows = len(next(iter(arrays.values())))
    parts = []
    with torch.inference_mode():
        for begin in range(0, max(rows, 1), ROWS_AT_ONCE):
            parts.append(tower(**tensors({name: values[begin : begin + ROWS_AT_ONCE] for name, values in arrays.items()})).numpy())
    return np.concatenate(parts)


def tensors(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """The encoder's arrays as tensors, without copying."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}

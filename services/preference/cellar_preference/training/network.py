"""The history-encoded two-tower network in torch: shapes, pooling, attention; `fit` trains it, `export` writes it as ONNX.

A member is what they tasted: fixed statistics of the history (how far likes and ratings lay above what everyone gave, over
all of it, lately, and among wines like the one asked about) and a learnt attention over it. No member id is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.encoder import CODED
from cellar_shared.features.matches import MATCHES
from cellar_shared.features.tastings import ITEM_FEATURES
from cellar_shared.features.wines import GRAPES_KEPT, PAIRINGS_KEPT

CODES: Final = len(CODED) + GRAPES_KEPT + PAIRINGS_KEPT
WINE_CODE: Final = CODED.index("wine")
DAYS_PER_YEAR: Final = 365.25

_ITEM = {name: place for place, name in enumerate(ITEM_FEATURES)}
_WINE = {name: place for place, name in enumerate(WINE_FEATURES)}

# Shrinkage of pooled means, in tastings; and how fast "lately" forgets, in tastings and in years.
OVERALL_BELIEF: Final = (1.0, 4.0)
MATCH_BELIEF: Final = 1.5
RECENT_TASTINGS: Final = 4.0
RECENT_YEARS: Final = 1.0
SIMILAR_STRENGTH: Final = 0.2  # units of the rating scale
SIMILAR_AGE: Final = 0.5  # of log(1 + years)
SPREAD_PRIOR: Final = 0.3


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network."""

    embedding: int = 24
    heads: int = 8
    key: int = 8
    value: int = 12
    hidden: tuple[int, int] = (192, 64)
    dropout: float = 0.1
    thresholds: int = 4


def pool(wine: Tensor, item: Tensor, years_ago: Tensor, mask: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
    """Fixed statistics of each pair's history, (pairs, statistics), and the pair's attention cues, (pairs, items, cues).

    All inputs are per pair: `item` (pairs, items, features) etc. Every mean is shrunk to 0, so that an empty history is
    the average member.
    """
    item = item * mask[..., None]
    like, strength = item[..., _ITEM["like_above"]], item[..., _ITEM["strength_above"]]
    count = mask.sum(1)

    def mean(values: Tensor, weights: Tensor, belief: float) -> Tensor:
        return (values * weights).sum(1) / (weights.sum(1) + belief)

    statistics = [torch.log1p(count), (count == 0).to(count.dtype), torch.clamp(count / 20.0, max=2.0)]
    for belief in OVERALL_BELIEF:
        statistics += [mean(like, mask, belief), mean(strength, mask, belief)]
    for name in ("surprise", "liked", "strength", "expected_strength", "expected_like"):
        statistics.append(mean(item[..., _ITEM[name]], mask, 2.0))
    place = torch.arange(mask.shape[1], dtype=mask.dtype, device=mask.device)
    for weights in (mask * torch.exp(-place / RECENT_TASTINGS), mask * torch.exp(-years_ago / RECENT_YEARS)):
        statistics += [mean(like, weights, 1.0), mean(strength, weights, 1.0)]
    centre = mean(strength, mask, 1.0)
    statistics.append(torch.sqrt(((strength - centre[:, None]) ** 2 * mask).sum(1) / (count + 1.0) + SPREAD_PRIOR / (count + 1.0)))
    log_days = torch.log1p(years_ago * DAYS_PER_YEAR) / 5.0 * mask
    statistics += [like[:, 0], strength[:, 0], item[:, 0, _ITEM["strength"]], log_days[:, 0], log_days.max(1).values]

    expected = wine[:, _WINE["everyone_strength"]] + wine[:, _WINE["wine_vintage_strengths"]]
    better = (item[..., _ITEM["expected_strength"]] - expected[:, None]) * mask
    as_good = torch.exp(-((better / SIMILAR_STRENGTH) ** 2)) * mask
    as_old = torch.exp(-torch.abs(item[..., _ITEM["age"]] - wine[:, _WINE["age"], None]) / SIMILAR_AGE) * mask
    weights = torch.cat(
        [match * mask[..., None], torch.stack([as_good, (better > 0) * mask, (better <= 0) * mask, as_old], dim=-1)], dim=-1
    )
    total = weights.sum(1)
    pooled = [
        torch.log1p(total),
        (weights * like[..., None]).sum(1) / (total + MATCH_BELIEF),
        (weights * strength[..., None]).sum(1) / (total + MATCH_BELIEF),
    ]
    cues = torch.cat([match * mask[..., None], torch.stack([as_good, better, log_days], dim=-1)], dim=-1)
    return torch.cat([torch.stack(statistics, dim=1), *pooled], dim=1), cues


STATISTICS: Final = 3 + 4 + 5 + 4 + 1 + 5 + 3 * (len(MATCHES) + 4)
CUES: Final = len(MATCHES) + 3


class PreferenceNet(nn.Module):
    """Logits of liking: output 0 the like itself, then the other thresholds and last the strength (training's side tasks)."""

    centre: Tensor
    spread: Tensor

    def __init__(self, vocabulary: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        features = len(WINE_FEATURES) + STATISTICS
        width = shape.embedding
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.names = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.names.weight, 0.0, 0.05)
        seen = width + len(ITEM_FEATURES)
        self.keys = nn.Linear(seen, shape.heads * shape.key)
        self.values = nn.Linear(seen, shape.heads * shape.value)
        self.queries = nn.Linear(width + len(WINE_FEATURES), shape.heads * shape.key)
        self.cues = nn.Linear(CUES, shape.heads, bias=False)
        nn.init.zeros_(self.cues.weight)
        self.nothing = nn.Parameter(torch.zeros(shape.heads))
        self.liked_names = nn.Linear(width, width, bias=False)
        inputs = features + width + shape.heads * shape.value + width
        self.first = nn.Linear(inputs, shape.hidden[0])
        self.second = nn.Linear(shape.hidden[0], shape.hidden[1])
        self.last = nn.Linear(shape.hidden[1], shape.thresholds + 1)
        self.direct = nn.Linear(features, shape.thresholds + 1)
        nn.init.zeros_(self.direct.weight)
        self.dropout = nn.Dropout(shape.dropout)

    def standardise(self, wine: Tensor, statistics: Tensor) -> None:
        """Take centre and spread of the inputs from a sample."""
        sample = torch.cat([wine, statistics], dim=1)
        self.centre.copy_(sample.mean(0))
        self.spread.copy_(torch.clamp(sample.std(0), min=0.02))

    def embed(self, codes: Tensor, kept: Tensor | None) -> Tensor:
        """Sum of a wine's names' embeddings; code 0 adds nothing. `kept` (..., codes) drops names in training."""
        known = (codes > 0).to(self.names.weight.dtype)
        if kept is not None:
            known = known * kept
        total: Tensor = (self.names(codes) * known[..., None]).sum(-2)
        return total

    def forward(
        self,
        wine: Tensor,
        wine_codes: Tensor,
        item: Tensor,
        years_ago: Tensor,
        item_codes: Tensor,
        mask: Tensor,
        match: Tensor,
        member: Tensor,
        kept_wine: Tensor | None = None,
        kept_item: Tensor | None = None,
    ) -> Tensor:
        """Outputs (pairs, thresholds + 1) for the arrays of `Encoded`."""
        shape = self.shape
        statistics, cues = pool(wine, item[member], years_ago[member], mask[member], match)
        features = torch.clamp((torch.cat([wine, statistics], dim=1) - self.centre) / self.spread, -5.0, 5.0)
        asked = self.embed(wine_codes, kept_wine)
        tasted = self.embed(item_codes, kept_item)
        seen = torch.cat([tasted, item], dim=-1)
        members, items = mask.shape
        keys = self.keys(seen).view(members, items, shape.heads, shape.key)[member]
        values = self.values(seen).view(members, items, shape.heads, shape.value)[member]
        queries = self.queries(torch.cat([asked, features[:, : len(WINE_FEATURES)]], dim=1)).view(-1, 1, shape.heads, shape.key)
        score = (queries * keys).sum(-1) / shape.key**0.5 + self.cues(cues)
        score = score + (mask[member] - 1.0)[..., None] * 30.0
        nothing = self.nothing.expand(score.shape[0], 1, shape.heads)
        weight = torch.softmax(torch.cat([score, nothing], dim=1), dim=1)[:, :-1]
        attended = (weight[..., None] * values).sum(1).flatten(1)
        above = (item[..., _ITEM["strength_above"]] * mask)[..., None]
        liked = ((self.liked_names(tasted) * above).sum(1) / (mask.sum(1, keepdim=True) + 3.0))[member]
        hidden = self.dropout(torch.cat([features, asked, attended, liked * asked], dim=1))
        hidden = functional.gelu(self.first(hidden), approximate="tanh")
        hidden = functional.gelu(self.second(self.dropout(hidden)), approximate="tanh")
        outputs: Tensor = self.last(hidden) + self.direct(features)
        return outputs


class Served(nn.Module):
    """Several networks as one: the mean of their logits of the like; what is exported and served."""

    def __init__(self, networks: list[PreferenceNet]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(
        self,
        wine: Tensor,
        wine_codes: Tensor,
        item: Tensor,
        years_ago: Tensor,
        item_codes: Tensor,
        mask: Tensor,
        match: Tensor,
        member: Tensor,
    ) -> Tensor:
        """Logits (pairs,)."""
        outputs = [net(wine, wine_codes, item, years_ago, item_codes, mask, match, member)[:, 0] for net in self.networks]
        return torch.stack(outputs).mean(0)


def tensors(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """The encoder's arrays as tensors, without copying."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}

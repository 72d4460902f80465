"""Trains the network: histories cut at random so that short and empty ones are right, some wines shown as new; seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from cellar_preference.training.network import CODES, WINE_CODE, PreferenceNet, Served, Shape, pool, tensors
from cellar_preference.training.rows import HISTORY_LIMIT, RatedRows
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.store.looking_back import Span

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run; equal recipe, data and seed give equal networks on one machine."""

    shape: Shape = field(default_factory=Shape)
    networks: int = 1
    epochs: int = 5
    batch: int = 1024
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    half_life_days: float = 1095.0  # of a row's weight: taste and rating habits drift
    full_share: float = 0.5  # of rows that look back at all their history
    empty_share: float = 0.12  # of rows that look back at nothing
    first_share: float = 0.08  # of rows that look back at their oldest five
    hidden_share: float = 0.1  # of rows whose wine is shown as one that nobody has rated
    names_dropped: float = 0.1  # of each wine's names, in the candidate and in histories
    side_weight: float = 1.0  # of the other thresholds and the rating itself, beside the like
    thresholds: tuple[float, ...] = (0.0, -1.0, -0.5, 0.5)  # strengths: like first
    seed: int = 20

    def with_networks(self, networks: int) -> Recipe:
        """The same recipe with another number of networks."""
        return replace(self, networks=networks)


def cut_histories(full: Span, recipe: Recipe, rng: np.random.Generator) -> Span:
    """A random part of each row's history: all, none, the oldest five, or a stretch of any length."""
    rows = len(full.begin)
    begin, end = np.maximum(full.begin, full.end - HISTORY_LIMIT), full.end.copy()
    length = end - begin
    draw = rng.random(rows)
    empty = draw < recipe.empty_share
    few = ~empty & (draw < recipe.empty_share + recipe.first_share)
    some = ~empty & ~few & (draw < 1 - recipe.full_share)
    kept = np.floor(rng.random(rows) * (length + 1)).astype(np.int64)
    older = np.where(rng.random(rows) < 0.5, 0, np.floor(rng.random(rows) * (length - kept + 1)).astype(np.int64))
    begin = np.where(few, full.begin, begin)
    end = np.where(few, np.minimum(full.begin + 5, end), end)
    end = np.where(some, end - older, end)
    begin = np.where(some, end - kept, begin)
    return Span(np.where(empty, end, begin), end)


def fit_networks(rows: RatedRows, recipe: Recipe, step: Callable[[str], None]) -> Served:
    """Train `recipe.networks` networks on every row; `step` hears each epoch."""
    return Served([_fit_one(rows, recipe, recipe.seed + place, step) for place in range(recipe.networks)]).eval()


def _fit_one(rows: RatedRows, recipe: Recipe, seed: int, step: Callable[[str], None]) -> PreferenceNet:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = PreferenceNet(len(rows.encoder.vocabulary), recipe.shape)
    sample = rng.choice(len(rows), size=min(8000, len(rows)), replace=False)
    arrays = tensors(rows.batch(sample, cut_histories(rows.full.only(sample), recipe, rng)).inputs())
    net.standardise(arrays["wine"], pool(*(arrays[name] for name in ("wine", "item", "years_ago", "mask", "match")))[0])
    hidden = rows.hidden_wine_features()
    batches = max(1, len(rows) // recipe.batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=batches * recipe.epochs + 1, pct_start=0.15)
    strengths = torch.from_numpy(rows.strengths.astype(np.float32))
    thresholds = torch.tensor(recipe.thresholds)
    age_days = (rows.as_of.max() - rows.as_of) / MICROSECONDS_PER_DAY
    recency = torch.from_numpy(np.exp2(-age_days / recipe.half_life_days).astype(np.float32))
    net.train()
    for epoch in range(recipe.epochs):
        spans = cut_histories(rows.full, recipe, rng)
        losses = []
        for places in _batches_of_like_length(spans.lengths, recipe.batch, rng):
            is_hidden = rng.random(len(places)) < recipe.hidden_share
            inputs = tensors(rows.batch(places, spans.only(places), (*hidden, is_hidden)).inputs())
            kept_wine = (torch.rand(len(places), CODES) >= recipe.names_dropped).float()
            kept_wine[:, WINE_CODE] *= (torch.rand(len(places)) >= 0.3).float()
            kept_item = (torch.rand(*inputs["item_codes"].shape) >= recipe.names_dropped).float()
            outputs = net(**inputs, kept_wine=kept_wine, kept_item=kept_item)
            loss = _loss(outputs, strengths[places], thresholds, recipe.side_weight, recency[places])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        step(f"epoch {epoch + 1}, loss {np.mean(losses):.4f}")
    return net.eval()


def _loss(
    outputs: torch.Tensor, strengths: torch.Tensor, thresholds: torch.Tensor, side_weight: float, weights: torch.Tensor
) -> torch.Tensor:
    """Weighted mean of the log loss of the like, and beside it that of the other thresholds and the squared error of the strength."""
    passed = (strengths[:, None] >= thresholds).to(outputs.dtype)
    losses = functional.binary_cross_entropy_with_logits(outputs[:, :-1], passed, reduction="none")
    side = losses[:, 1:].mean(1) + (outputs[:, -1] - strengths) ** 2
    return (weights * (losses[:, 0] + side_weight * side)).sum() / weights.sum()


def _batches_of_like_length(lengths: Int64s, size: int, rng: np.random.Generator) -> Iterator[Int64s]:
    """A shuffled pass in batches whose histories are of like length, so that little is padding."""
    order = rng.permutation(len(lengths))
    stretch = size * 16
    batches = []
    for begin in range(0, len(order), stretch):
        part = order[begin : begin + stretch]
        part = part[np.argsort(lengths[part] + rng.random(len(part)))]
        batches += [part[place : place + size] for place in range(0, len(part) - size + 1, size)]
    if not batches:
        batches = [order]
    for place in rng.permutation(len(batches)):
        yield batches[place]


def logits_of(network: nn.Module, rows: RatedRows, span: Span, size: int = 4096) -> npt.NDArray[np.float64]:
    """The network's logits for every row, looking back at `span`; (rows,) float64."""
    logits = np.zeros(len(rows))
    order = np.argsort(span.lengths, kind="stable")
    with torch.inference_mode():
        for begin in range(0, len(order), size):
            places = order[begin : begin + size]
            logits[places] = network(**tensors(rows.batch(places, span.only(places)).inputs())).double().numpy()
    return logits

"""Trains the towers: softmax over the wines of a batch and some of the catalogue, corrected for how likely each was offered.

A batch's rows lie close together in time, so its wines are shown as they stood before the first of them. What a wine is
offered for is how often it was liked lately; without taking the log of that chance off the scores (logQ: Yi et al.,
"Sampling-bias-corrected neural modeling", RecSys 2019) the towers would learn to avoid what is popular.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from cellar_recommender.serving.towers import wine_inputs
from cellar_recommender.training.cutting import Shares, cut_histories
from cellar_recommender.training.network import CODES, WINE_CODE, Shape, TorchTowers, TowersNet, tensors
from cellar_recommender.training.rows import LikedRows
from cellar_shared.events.moments import MICROSECONDS_PER_DAY
from cellar_shared.features.identity import UNKNOWN
from cellar_shared.store.looking_back import Span

Int64s = npt.NDArray[np.int64]
Judge = Callable[[TorchTowers], float]
Step = Callable[[str], None]

WARM_UP: Final = 0.15  # of a run, judgement
MEMORY: Final = 0.985  # of the running mean of the weights, a step; less in the first steps, which start from nothing
PATIENCE: Final = 3  # epochs without a better one before training stops
SHARES: Final = Shares(whole=0.7, nothing=0.08, first=0.07)
BLOCKED: Final = -1e4  # the score of a wine that is no answer to a row: its member had rated it, or liked it next


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run of the towers; equal recipe, data and seed give equal towers on one machine."""

    shape: Shape = field(default_factory=Shape)
    epochs: int = 6
    batch: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    half_life_days: float = 1095.0  # of a row's weight: tastes drift
    shares: Shares = SHARES  # of rows, by how much of their histories they look back at
    hidden_share: float = 0.25  # of wines shown as ones that nobody has rated
    new_producers: float = 0.7  # of the wines shown so, whose producer is unknown too: many have one wine only, and tell it by name
    names_dropped: float = 0.1  # of each wine's names, asked and tasted
    wine_dropped: float = 0.2  # of wines asked whose own name is dropped
    uniform: int = 1024  # wines of the catalogue offered beside the batch's own ("mixed negatives"); 0: none
    logq: bool = True  # False is an ablation: the plain in-batch softmax
    block: int = 8  # batches' worth of rows, one after the other in time, that a batch is drawn from
    seed: int = 20


def fit_towers(
    rows: LikedRows, recipe: Recipe, step: Step, judge: Judge | None = None, epochs: int | None = None
) -> tuple[TorchTowers, int]:
    """Train on every row; the towers and the number of epochs that they learnt for.

    With `judge` (higher is better), training stops PATIENCE epochs after the best one, whose towers are given back; with `epochs`,
    after so many of the recipe's. `step` hears each epoch.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    days = np.quantile(rows.days, (0.3, 0.5, 0.7, 0.9)).astype(np.int64)
    sample = [wine_inputs(rows.encoder, rows.log.wines, rows.counts, int(day), with_notes=rows.with_notes)[0].wine for day in days]
    net = TowersNet(len(rows.encoder.vocabulary), recipe.shape, sample[0].shape[1])
    net.standardise(torch.from_numpy(np.concatenate(sample)))
    trainer = _Trainer(net, rows, recipe, rng)
    best, best_at, kept = -np.inf, 0, None
    for epoch in range(1, (epochs or recipe.epochs) + 1):
        loss = trainer.epoch(epoch - 1)
        judged = "" if judge is None else f", judged {(value := judge(TorchTowers(trainer.mean))):.4f}"
        step(f"epoch {epoch}, loss {loss:.4f}{judged}")
        if judge is not None and value > best:
            best, best_at, kept = value, epoch, deepcopy(trainer.mean.state_dict())
        elif judge is not None and epoch - best_at >= PATIENCE:
            break
    if kept is not None:
        trainer.mean.load_state_dict(kept)
    return TorchTowers(trainer.mean), best_at or (epochs or recipe.epochs)


def pace(progress: float) -> float:
    """The share of the learning rate at `progress` (0 to 1) of a run: a rise over the first WARM_UP, then half a cosine to nothing."""
    if progress < WARM_UP:
        return float(0.04 + 0.96 * progress / WARM_UP)
    return float(0.5 + 0.5 * np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))


class _Trainer:
    """One run: the network that learns, and the running mean of its weights, which is what is kept."""

    def __init__(self, net: TowersNet, rows: LikedRows, recipe: Recipe, rng: np.random.Generator) -> None:
        self.net, self.rows, self.recipe, self.rng = net, rows, recipe, rng
        # What is kept is the running mean of the weights: single steps are noisy (on a validation slice NDCG@10 .1455 against .1435).
        self.mean, self.steps = deepcopy(net).eval(), 0
        self.in_time = np.argsort(rows.as_of, kind="stable")
        age_days = (rows.as_of.max() - rows.as_of) / MICROSECONDS_PER_DAY
        self.recency = torch.from_numpy(np.exp2(-age_days / recipe.half_life_days).astype(np.float32))
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))

    def epoch(self, number: int) -> float:
        """One pass over the rows; the mean loss."""
        self.net.train()
        spans = cut_histories(self.rows.full, self.recipe.shares, self.rng)
        losses = []
        batches = self._batches(spans.lengths)
        for place, (places, drawn_from) in enumerate(batches):
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.learning_rate * pace((number + place / len(batches)) / self.recipe.epochs)
            losses.append(self._step(spans, places, drawn_from))
        return float(np.mean(losses))

    def _batches(self, lengths: Int64s) -> list[tuple[Int64s, Int64s]]:
        """Batches of rows that lie close together in time and look back at about equally much, and the rows each is drawn from."""
        stretch = self.recipe.batch * self.recipe.block
        shift = int(self.rng.integers(0, stretch))
        batches = []
        for block in np.split(self.in_time, range(shift, len(self.in_time), stretch)):
            block = block[np.argsort(lengths[block] + self.rng.random(len(block)))]  # noqa: PLW2901
            batches += [(part, block) for part in np.array_split(block, max(1, round(len(block) / self.recipe.batch))) if len(part)]
        return [batches[place] for place in self.rng.permutation(len(batches))]

    def _step(self, spans: Span, places: Int64s, drawn_from: Int64s) -> float:
        rows, recipe = self.rows, self.recipe
        positives = rows.wine_rows[places]
        catalogue = len(rows.log.wines)
        uniform = min(recipe.uniform, catalogue) if recipe.logq else 0
        offered = np.union1d(positives, self.rng.choice(catalogue, uniform, replace=False))
        scores = self._scores(spans.only(places), places, offered)
        liked = np.searchsorted(offered, positives)
        if recipe.logq:
            times = np.bincount(rows.wine_rows[drawn_from], minlength=catalogue)[offered]
            missed = (1 - times / len(drawn_from)) ** len(places) * (1 - uniform / catalogue)
            scores = scores - torch.from_numpy(np.log(1 - missed).astype(np.float32))
        else:
            scores = scores + torch.from_numpy(np.log(np.bincount(liked)).astype(np.float32))
        scores = scores.masked_fill(torch.from_numpy(self._rated(places, offered, liked)), BLOCKED)
        losses = functional.cross_entropy(scores, torch.from_numpy(liked), reduction="none")
        weights = self.recency[places]
        loss = (losses * weights).sum() / weights.sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            for mean, weights in zip(self.mean.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(weights, 1 - min(MEMORY, (1 + self.steps) / (10 + self.steps)))
        self.steps += 1
        return float(loss.detach())

    def _scores(self, span: Span, places: Int64s, offered: Int64s) -> Tensor:
        rows, recipe = self.rows, self.recipe
        is_hidden = self.rng.random(len(offered)) < recipe.hidden_share
        day = int(rows.days[places].min())
        wines = rows.log.wines[offered]
        wines["producer"][is_hidden & (self.rng.random(len(offered)) < recipe.new_producers)] = UNKNOWN
        wine = tensors(wine_inputs(rows.encoder, wines, rows.counts, day, is_hidden, with_notes=rows.with_notes)[0].inputs())
        kept_wine = (torch.rand(len(offered), CODES) >= recipe.names_dropped).float()
        kept_wine[:, WINE_CODE] = (torch.rand(len(offered)) >= recipe.wine_dropped).float()
        member = tensors(rows.batch(places, span).inputs())
        del member["item_codes"]
        # Many look back at the same few wines: each one's names are added up once.
        tasted, of_item = rows.tasted(places, span)
        codes = torch.from_numpy(rows.encoder.codes_of(rows.log.wines[tasted]))
        kept_tasted = (torch.rand(*codes.shape) >= recipe.names_dropped).float()
        tastes = self.net.tastes(codes, kept_tasted)[torch.from_numpy(of_item)]
        scores: Tensor = self.net.members(tastes, **member) @ self.net.wines(**wine, kept=kept_wine).T
        return scores

    def _rated(self, places: Int64s, offered: Int64s, liked: Int64s) -> npt.NDArray[np.bool_]:
        """Wines that are no wrong answer to a row: what its member had rated before, or likes in another row of the batch."""
        rows = self.rows
        rated = np.zeros((len(places), len(offered)), dtype=bool)
        full = rows.full.only(places)
        wines = rows.past["row"][full.flat()]
        at = np.minimum(np.searchsorted(offered, wines), len(offered) - 1)
        is_offered = offered[at] == wines
        rated[np.repeat(np.arange(len(places)), full.lengths)[is_offered], at[is_offered]] = True
        same = rows.members[places][:, None] == rows.members[places][None, :]
        row, other = np.nonzero(same)
        rated[row, liked[other]] = True
        rated[np.arange(len(places)), liked] = False
        return rated

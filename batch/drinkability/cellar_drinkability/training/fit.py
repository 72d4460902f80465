"""Fits a window model to statements: the processes first, then the network to what they say of wines with some facts left out.

The network learns from wines of the statements and wines near them, each with facts dropped at random as catalogues lack them, so that
its answer without a fact is the average over what the fact may be, and its spread holds that too. What it is told is the process's
answer plus an error drawn from those the process makes on wineries that it was not told of, with either sign: the likelihood of the
logistic then learns the middle and the spread at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cellar_drinkability.scoring.features import FIELDS, NUMBERS, Vocabulary, WineFacts
from cellar_drinkability.training.gaussian import SIDES, Inputs, Process, Scales, written_scales
from cellar_drinkability.training.network import Averaged, WindowNetwork, tensors
from cellar_drinkability.training.rows import Rows
from cellar_drinkability.training.scales import learn_scales
from cellar_shared.ageing.curve import LEVEL, REACH

Floats = npt.NDArray[np.float64]
Step = Callable[[str], None]

# Shares of made-up wines that lack a fact (judgement): a catalogue has no points, often no price, and names it in words no critic used.
LACKING: Final = {"points": 0.4, "log_price": 0.35, "vintage": 0.1, "place": 0.25, "country": 0.1, "grapes": 0.12, "type": 0.08}
COMPLETE: Final = 0.55  # share of wines that keep all they have
NEAR: Final = (1.5, 0.25)  # standard deviations by which points and log price of wines nearby differ
FEWEST_LIKE: Final = 50  # errors of a type before they stand for it alone
OTHER_VINTAGE: Final = 0.4  # share of wines nearby that get another statement's vintage


class Recipe(msgspec.Struct, frozen=True):
    """How a model is made. `copies`: wines near each statement that the network sees; `epochs`: passes over them."""

    seed: int = 20
    networks: int = 1
    copies: int = 8
    epochs: int = 30
    batch: int = 512
    rate: float = 4e-3
    learn_scales: bool = False


def steps_of(recipe: Recipe) -> int:
    """How often `fit` calls its `step`."""
    return len(SIDES) + recipe.networks * recipe.epochs


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model: what it reads, what it answers, and the processes behind it with the scales they used."""

    vocabulary: Vocabulary
    network: Averaged
    processes: tuple[Process, Process]

    def answers(self, facts: WineFacts) -> Floats:
        """m1, s1, m2, s2 as rows of (4, rows) float64."""
        return answers_of(self.network, facts)


def fit(rows: Rows, recipe: Recipe, step: Step = lambda _: None) -> Fitted:
    """A model of the statements in `rows`; equal rows and recipe on one machine give an equal model."""
    vocabulary = Vocabulary.of(rows.wines)
    facts = vocabulary.encode(rows.wines)
    inputs = Inputs.of(facts, rows.winery)
    processes = []
    for name, ages, written in zip(SIDES, rows.ages, written_scales(), strict=True):
        stated = np.flatnonzero(np.isfinite(ages))
        mine, log_ages = inputs.take(torch.from_numpy(stated)), np.log(ages[stated])
        scales: Scales = learn_scales(mine, log_ages, written) if recipe.learn_scales else written
        processes.append(Process.fit(mine, log_ages, rows.winery[stated], scales))
        step(f"process of the {name}")
    begin, end = processes
    networks = [
        _fit_network(rows, facts, vocabulary, (begin, end), recipe, recipe.seed + number, step) for number in range(recipe.networks)
    ]
    network = Averaged(networks)
    network.eval()
    _calibrate(network, rows, facts, (begin, end))
    return Fitted(vocabulary, network, (begin, end))


def answers_of(network: torch.nn.Module, facts: WineFacts) -> Floats:
    """A network's m1, s1, m2, s2 for wines: (4, rows) float64."""
    with torch.inference_mode():
        return np.asarray(network(**tensors(facts)).double().numpy().T)


def _fit_network(
    rows: Rows, facts: WineFacts, vocabulary: Vocabulary, processes: tuple[Process, Process], recipe: Recipe, seed: int, step: Step
) -> WindowNetwork:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    wines, origin = nearby(facts, recipe.copies, rng)
    told = torch.from_numpy(np.stack([process.log_ages(Inputs.of(wines, np.full(len(wines), -1))) for process in processes])).float()
    types = facts.codes[origin, FIELDS.index("type")]
    network = WindowNetwork(vocabulary.sizes())
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    batches = -(-len(wines) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.epochs * batches, pct_start=0.1)
    for _ in range(recipe.epochs):
        lacking = tensors(without_some(wines, rng))
        errors = torch.from_numpy(
            np.stack([_errors(rows, facts, process, side, types, rng) for side, process in enumerate(processes)])
        ).float()
        for places in torch.split(torch.from_numpy(rng.permutation(len(wines))), recipe.batch):
            out = network(lacking["codes"][places], lacking["numbers"][places])
            off = told[:, places] - out.T[::2]
            # Each error counts with both its signs: the middle is the process's own.
            plus, minus = (logistic_loss(off + sign * errors[:, places], out.T[1::2]).mean() for sign in (1, -1))
            loss = plus + minus
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        step("network")
    return network


def logistic_loss(off: Tensor, scale: Tensor) -> Tensor:
    """Negative log density of the logistic of `scale` at `off` from its middle, elementwise, in nats."""
    away = off.abs() / scale
    return away + 2 * torch.log1p(torch.exp(-away)) + torch.log(scale)


def nearby(facts: WineFacts, copies: int, rng: np.random.Generator) -> tuple[WineFacts, npt.NDArray[np.int64]]:
    """The wines themselves, then `copies` - 1 times wines like them with other points, prices and vintages; and each one's origin."""
    origin = np.tile(np.arange(len(facts)), copies)
    numbers = facts.numbers[origin]
    new = np.arange(len(origin)) >= len(facts)
    for place, spread in enumerate(NEAR):
        numbers[:, place] += np.where(new, rng.normal(0, spread, len(origin)), 0)
    moved = new & (rng.random(len(origin)) < OTHER_VINTAGE)
    numbers[moved, 2] = rng.permutation(facts.numbers[origin, 2])[moved]
    return WineFacts(facts.codes[origin], numbers), origin


def without_some(facts: WineFacts, rng: np.random.Generator) -> WineFacts:
    """The same wines with facts left out at random, as LACKING and COMPLETE say. Place is region, or region and province."""
    rows = len(facts)
    incomplete = rng.random(rows) >= COMPLETE
    lacks = {name: incomplete & (rng.random(rows) < share / (1 - COMPLETE)) for name, share in LACKING.items()}
    codes, numbers = facts.codes.copy(), facts.numbers.copy()
    for name in NUMBERS:
        numbers[lacks[name], NUMBERS.index(name)] = np.nan
    wider = lacks["place"] & (rng.random(rows) < 0.8)
    for field, which in (
        ("region", lacks["place"]), ("province", wider), ("country", lacks["country"] & wider), ("style", lacks["grapes"]),
        ("grape", lacks["grapes"]), ("type", lacks["type"] & (lacks["grapes"] | (rng.random(rows) < 0.5))),
    ):  # fmt: skip
        codes[which, FIELDS.index(field)] = 0
    return WineFacts(codes, numbers)


def _errors(rows: Rows, facts: WineFacts, process: Process, side: int, types: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """For wines of `types` each an error that the process made on a left-out wine of that type, drawn anew."""
    stated = facts.codes[np.isfinite(rows.ages[side]), FIELDS.index("type")]
    errors = rng.choice(process.left_out, len(types))
    for kind in np.unique(types):
        like = process.left_out[stated == kind]
        if len(like) >= FEWEST_LIKE:
            errors[types == kind] = rng.choice(like, int((types == kind).sum()))
    return np.asarray(errors)


def _calibrate(network: Averaged, rows: Rows, facts: WineFacts, processes: tuple[Process, Process]) -> None:
    """Widen or narrow all spreads of a side so that its intervals hold the left-out statements as often as they say."""
    spreads = answers_of(network, facts)[1::2]
    factors = []
    for side, process in enumerate(processes):
        stated = np.isfinite(rows.ages[side])
        factors.append(float(np.quantile(np.abs(process.left_out) / (REACH * spreads[side][stated]), LEVEL)))
    for each in network.parts():
        each.spread.copy_(torch.tensor(factors))

"""What is learnt of wines' windows: a Gaussian process over their facts on the log of ages, one for each side; the network is fitted to it.

Wines that share a style, a place, both, lie together, and smooth functions of points, price and vintage differ between styles and
places. How much each counts is `Scales`, learnt by marginal likelihood. One-sided statements say nothing of their other side. Errors of
statements have heavier tails than a normal's (Student's t with 5 degrees of freedom, by reweighting). The winery is an effect in
learning only: it keeps one winery's many statements from counting as many wineries'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cellar_drinkability.scoring.features import FIELDS, UNKNOWN, WineFacts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GROUPS: Final = (
    ("style",), ("type",), ("grape",), ("country",), ("province",), ("region",), ("style", "country"), ("style", "province"),
    ("style", "region"), ("type", "country"), ("winery",),
)  # fmt: skip
SMOOTH: Final = ((), ("style",), ("country",), ("style", "country"), ("province",))
UNITS: Final = (
    (92.0, 2.5),
    (4.0, 0.75),
    (2012.0, 2.5),
)  # centre and unit of points, log price, vintage: about mean and sd of the statements
LEVEL_SD: Final = 2.0  # of the overall level, on the log of years: as good as free
TAIL: Final = 5.0  # degrees of freedom of a statement's error
REWEIGHTINGS: Final = 3
SIDES: Final = ("begin", "end")


@dataclass(frozen=True, slots=True)
class Scales:
    """Logs of a side's scales, float64: noise (1,), groups (GROUPS,), smooth (SMOOTH,), lengths (SMOOTH, 3)."""

    noise: Tensor
    groups: Tensor
    smooth: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Scales from plain numbers, as scales.json has them."""
        return cls(*(torch.tensor(given[name], dtype=torch.float64).log() for name in ("noise", "groups", "smooth", "lengths")))

    def plain(self) -> dict[str, Any]:
        """The numbers `of` takes."""
        return {name: np.round(getattr(self, name).exp().numpy(), 4).tolist() for name in ("noise", "groups", "smooth", "lengths")}


def written_scales() -> tuple[Scales, Scales]:
    """The scales that were learnt once, of begin and end."""
    given = json.loads(resources.files(__package__).joinpath("scales.json").read_text("utf-8"))
    return Scales.of(given["begin"]), Scales.of(given["end"])


@dataclass(frozen=True, slots=True)
class Inputs:
    """Wines as the kernel reads them: `groups` (rows, GROUPS) and `smooth` (rows, SMOOTH), negative is unknown; `numbers` (rows, 3)."""

    groups: Tensor
    smooth: Tensor
    numbers: Tensor

    @classmethod
    def of(cls, facts: WineFacts, winery: Ints) -> Self:
        """Unknown numbers are read as the usual ones; unknown names share nothing."""
        columns = {field: facts.codes[:, place] for place, field in enumerate(FIELDS)} | {"winery": winery}

        def joined(fields: tuple[str, ...]) -> Ints:
            if not fields:
                return np.zeros(len(facts), np.int64)
            together = np.zeros(len(facts), np.int64)
            known = np.ones(len(facts), np.bool_)
            for field in fields:
                together = together * 100_000 + columns[field]
                known &= columns[field] >= 0 if field == "winery" else columns[field] != UNKNOWN
            return np.where(known, together, -1)

        centre, unit = np.array(UNITS).T
        numbers = np.nan_to_num((facts.numbers - centre) / unit, nan=0.0)
        stacked = [np.stack([joined(fields) for fields in which], axis=1) for which in (GROUPS, SMOOTH)]
        return cls(torch.from_numpy(stacked[0]), torch.from_numpy(stacked[1]), torch.from_numpy(numbers))

    def take(self, places: Tensor) -> Inputs:
        """Only those rows."""
        return Inputs(self.groups[places], self.smooth[places], self.numbers[places])


class Alike:
    """What two lots of wines share, reckoned once and weighed by scales as often as wanted; memory grows with rows x columns."""

    def __init__(self, rows: Inputs, columns: Inputs) -> None:
        def shared(of: Tensor, other: Tensor) -> list[Tensor]:
            return [((a[:, None] == b[None]) & (a >= 0)[:, None]).double() for a, b in zip(of.T, other.T, strict=True)]

        self.groups = shared(rows.groups, columns.groups)
        self.smooth = shared(rows.smooth, columns.smooth)
        self.apart = [(a[:, None] - b[None]).square() for a, b in zip(rows.numbers.T, columns.numbers.T, strict=True)]

    def covariance(self, scales: Scales) -> Tensor:
        """The prior covariance of the wines' log ages, (rows, columns)."""
        total = torch.full_like(self.apart[0], LEVEL_SD**2)
        for log_sd, same in zip(scales.groups, self.groups, strict=True):
            total = total + torch.exp(2 * log_sd) * same
        for log_sd, lengths, same in zip(scales.smooth, scales.lengths, self.smooth, strict=True):
            inverse = torch.exp(-2 * lengths)
            bent = sum((scale * apart for scale, apart in zip(inverse, self.apart, strict=True)), start=torch.zeros_like(total))
            total = total + torch.exp(2 * log_sd - bent / 2) * same
        return total


@dataclass(frozen=True, slots=True)
class Process:
    """One side's process, conditioned on statements: weights (statements,) and what they stand on.

    `left_out` (statements,) are the errors (stated less answered, logs of years) when a statement's whole winery is left out.
    """

    scales: Scales
    inputs: Inputs
    weights: Tensor
    level: float
    left_out: Floats

    @classmethod
    def fit(cls, inputs: Inputs, log_ages: Floats, winery: Ints, scales: Scales) -> Self:
        """Condition on the stated `log_ages` (statements,)."""
        level = float(np.median(log_ages))
        stated = torch.from_numpy(log_ages - level)
        prior = Alike(inputs, inputs).covariance(scales)
        _, precision = reweigh(prior, stated, scales, torch.ones_like(stated), REWEIGHTINGS)
        weights = precision @ stated
        errors = np.empty(len(log_ages))
        for mine in _members(winery):
            errors[mine] = torch.linalg.solve(precision[mine][:, mine], weights[mine]).numpy()
        return cls(scales, inputs, weights, level, errors)

    def log_ages(self, inputs: Inputs, rows_at_once: int = 400) -> Floats:
        """The answer for wines, (rows,) float64: the log of the age in years."""
        parts = [
            Alike(inputs.take(some), self.inputs).covariance(self.scales) @ self.weights
            for some in torch.split(torch.arange(len(inputs.numbers)), rows_at_once)
        ]
        return np.asarray(torch.cat(parts).numpy() + self.level) if parts else np.empty(0)


def reweigh(prior: Tensor, stated: Tensor, scales: Scales, importance: Tensor, times: int) -> tuple[Tensor, Tensor]:
    """Each statement's importance (statements,), low for one far off, and the inverse of the covariance that follows from it."""
    variance = torch.exp(2 * scales.noise)
    precision = torch.linalg.inv(prior + torch.diag(variance / importance))
    for _ in range(times):
        noise = variance / importance
        error = noise * (precision @ stated)
        spread = noise - noise.square() * torch.diagonal(precision)
        importance = (TAIL + 1) / (TAIL + (error.square() + spread) / variance)
        precision = torch.linalg.inv(prior + torch.diag(variance / importance))
    return importance, precision


def _members(groups: Ints) -> list[Ints]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)

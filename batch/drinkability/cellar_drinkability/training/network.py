"""The network that ships: facts in, begin and end of the window with their spreads out; fitted by `fit`, exported by `export`.

Order holds by construction: m2 = m1 + softplus(.), s1 and s2 are positive, for any input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from cellar_drinkability.scoring.features import WineFacts
from cellar_drinkability.training.gaussian import UNITS

WIDTH: Final = 160
BUMPS: Final = (2003.0, 2005.0, 2007.0, 2009.0, 2010.0, 2011.0, 2012.0, 2013.0, 2014.0, 2015.0, 2016.0)  # vintages differ: a place for each
BUMP_WIDTH: Final = 0.8  # years
NARROWEST_SCALE: Final = 0.02
# Where the output starts, before anything is learnt: log ages of about 6 and 13 years, scales of about .12.
FIRST: Final = (1.8, 0.3, -2.0, -2.0)


def tensors(facts: WineFacts) -> dict[str, Tensor]:
    """The network's inputs by name: codes (rows, fields) int64 and numbers (rows, 3) float32, NaN for unknown."""
    return {"codes": torch.from_numpy(facts.codes), "numbers": torch.from_numpy(facts.numbers).float()}


class WindowNetwork(nn.Module):
    """(rows, 4) float32: m1, s1, m2, s2 on the log of effective years."""

    centre: Tensor
    unit: Tensor
    bumps: Tensor
    first: Tensor
    spread: Tensor

    def __init__(self, sizes: Sequence[int], width: int = WIDTH) -> None:
        super().__init__()
        self.names = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        for table in self.names:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]
        centre, unit = zip(*UNITS, strict=True)
        self.register_buffer("centre", torch.tensor(centre))
        self.register_buffer("unit", torch.tensor(unit))
        self.register_buffer("bumps", (torch.tensor(BUMPS) - centre[2]) / unit[2])
        self.numbers = nn.Linear(6 + len(BUMPS), width)
        self.middle = nn.Linear(width, width)
        self.last = nn.Linear(width, 4)
        nn.init.zeros_(self.last.weight)
        self.register_buffer("first", torch.tensor(FIRST))
        self.register_buffer("spread", torch.ones(2))

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        unknown = torch.isnan(numbers)
        known = torch.where(unknown, torch.zeros_like(numbers), (numbers - self.centre) / self.unit).clamp(-4.0, 4.0)
        near = torch.exp(-(((known[:, 2:] - self.bumps) * (UNITS[2][1] / BUMP_WIDTH)) ** 2) / 2) * (~unknown[:, 2:]).float()
        hidden = self.numbers(torch.cat([known, unknown.float(), near], dim=1))
        for place, table in enumerate(self.names):
            hidden = hidden + table(codes[:, place])
        hidden = functional.silu(hidden)
        hidden = hidden + functional.silu(self.middle(hidden))
        out = self.last(hidden) + self.first
        begin = out[:, 0]
        end = begin + functional.softplus(out[:, 1])
        scales = (functional.softplus(out[:, 2:]) + NARROWEST_SCALE) * self.spread
        return torch.stack([begin, scales[:, 0], end, scales[:, 1]], dim=1)


class Averaged(nn.Module):
    """Several networks as one: the mean of their answers, which keeps the order of begin and end."""

    def __init__(self, networks: Sequence[WindowNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._parts = tuple(networks)

    def parts(self) -> tuple[WindowNetwork, ...]:
        """The networks themselves."""
        return self._parts

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        return torch.stack([network(codes, numbers) for network in self.networks]).mean(dim=0)

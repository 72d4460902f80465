"""Learns how much each kind of likeness counts: the scales of a side's process by marginal likelihood; `train --learn-scales` calls it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from cellar_drinkability.training.gaussian import Alike, Inputs, Scales, reweigh

STEPS: Final = 36
RATE: Final = 0.08
# Pull of each log scale towards where it started, in nats: keeps those that the data says nothing of from wandering.
PULL: Final = 0.3
REWEIGH_AT: Final = (15, 30)


def learn_scales(inputs: Inputs, log_ages: npt.NDArray[np.float64], start: Scales, steps: int = STEPS) -> Scales:
    """Scales under which the stated `log_ages` (statements,) are likeliest, sought from `start`; each step costs statements cubed."""
    stated = torch.from_numpy(log_ages - float(np.median(log_ages)))
    alike = Alike(inputs, inputs)
    names = ("noise", "groups", "smooth", "lengths")
    begun = [getattr(start, name) for name in names]
    sought = [value.clone().requires_grad_(True) for value in begun]
    optimizer = torch.optim.Adam(sought, lr=RATE)
    importance = torch.ones_like(stated)
    for step in range(steps):
        scales = Scales(*sought)
        if step in REWEIGH_AT:
            with torch.no_grad():
                importance, _ = reweigh(alike.covariance(scales), stated, scales, importance, 2)
        optimizer.zero_grad()
        factor = torch.linalg.cholesky(alike.covariance(scales) + torch.diag(torch.exp(2 * scales.noise) / importance))
        weights = torch.cholesky_solve(stated[:, None], factor)[:, 0]
        unlikely = stated @ weights / 2 + torch.log(torch.diagonal(factor)).sum()
        strayed = sum(((value - first).square().sum() for value, first in zip(sought, begun, strict=True)), start=torch.zeros(()))
        (unlikely + PULL * strayed).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return Scales(*(value.detach() for value in sought))

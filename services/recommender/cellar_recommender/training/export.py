"""Writes both towers as ONNX graphs and proves that ONNX Runtime answers as torch does; training calls it."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from cellar_recommender.serving.towers import MemberInputs, OnnxTowers, WineInputs
from cellar_recommender.training.network import MemberTower, TorchTowers, WineTower, tensors
from cellar_shared.errors import CellarError

# Two implementations of the same float32 arithmetic, in another order of sums: vectors of size 1 differ by some 1e-6.
EXPORT_TOLERANCE: Final = 2e-5
OPSET: Final = 18


def export_towers(towers: TorchTowers, member: MemberInputs, wine: WineInputs) -> tuple[bytes, bytes]:
    """The member and the wine tower as ONNX bytes, with free numbers of rows and items; the samples must have two or more of each.

    CellarError when ONNX Runtime's vectors of the samples differ from torch's by more than EXPORT_TOLERANCE.
    """
    rows, items = torch.export.Dim("rows", min=1), torch.export.Dim("items", min=1)
    by_item = {0: rows, 1: items}
    member_free = {"item": by_item, "years_ago": by_item, "item_codes": by_item, "mask": by_item, "season": {0: rows}}
    member_onnx = _export(MemberTower(towers.net), member.inputs(), member_free)
    wine_onnx = _export(WineTower(towers.net), wine.inputs(), {"wine": {0: rows}, "wine_codes": {0: rows}})
    exported = OnnxTowers(member_onnx, wine_onnx)
    for given, wanted in ((exported.members(member), towers.members(member)), (exported.wines(wine), towers.wines(wine))):
        difference = float(np.abs(given - wanted).max())
        if not difference <= EXPORT_TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise CellarError(
                f"an exported tower differs from torch's by {difference:.2e} (tolerance {EXPORT_TOLERANCE:g}); do not release it"
            )
    return member_onnx, wine_onnx


def _export(tower: nn.Module, arrays: dict[str, npt.NDArray[Any]], free: dict[str, Any]) -> bytes:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; what it writes is compared
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            tower.eval(),
            kwargs=tensors(arrays),
            dynamo=True,
            dynamic_shapes=free,
            opset_version=OPSET,
            output_names=["vectors"],
            verbose=False,
        )
        if program is None:
            raise CellarError("a tower could not be exported to ONNX; this is a defect of the network's code")
        program.optimize()
        content: bytes = program.model_proto.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(content))
    return content

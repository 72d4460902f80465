"""Writes the network as ONNX and proves that ONNX Runtime answers as torch does; training and evaluation call it."""

from __future__ import annotations

import logging
import warnings
from typing import Final

import numpy as np
import onnx
import torch

from cellar_drinkability.scoring.features import WineFacts
from cellar_drinkability.training.fit import answers_of
from cellar_drinkability.training.network import Averaged, tensors
from cellar_shared.bundle.network import Network
from cellar_shared.errors import CellarError

# Two implementations of the same float32 arithmetic, in another order of sums: log ages of size 3 differ by some 1e-6.
EXPORT_TOLERANCE: Final = 2e-5
OPSET: Final = 18


def export_onnx(network: Averaged, sample: WineFacts) -> bytes:
    """The network as ONNX bytes with a free number of rows; `sample` must have two or more.

    CellarError when ONNX Runtime's answers to `sample` differ from torch's by more than EXPORT_TOLERANCE.
    """
    rows = torch.export.Dim("rows", min=1)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; what it writes is compared below
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network, kwargs=tensors(sample), dynamo=True, dynamic_shapes={"codes": {0: rows}, "numbers": {0: rows}}, opset_version=OPSET,
            output_names=["windows"], verbose=False,
        )  # fmt: skip
        if program is None:
            raise CellarError("the network could not be exported to ONNX; this is a defect of the network's code")
        program.optimize()
        content: bytes = program.model_proto.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(content))
    given = Network(content).run({"codes": sample.codes, "numbers": sample.numbers.astype(np.float32)})
    difference = float(np.abs(given.T - answers_of(network, sample)).max())
    if not difference <= EXPORT_TOLERANCE:
        raise CellarError(
            f"the exported network differs from torch's by {difference:.2e} (tolerance {EXPORT_TOLERANCE:g}); do not release it"
        )
    return content

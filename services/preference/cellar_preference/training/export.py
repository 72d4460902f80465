"""Writes trained networks as one ONNX graph and proves that ONNX Runtime answers as torch does; training calls it."""

from __future__ import annotations

import logging
import warnings
from typing import Final

import numpy as np
import onnx
import torch

from cellar_preference.training.network import Served, tensors
from cellar_shared.errors import CellarError
from cellar_shared.features.encoder import Encoded
from cellar_shared.liking.runtime import OnnxNetwork

# Two implementations of the same float32 arithmetic, in another order of sums: logits of size 1 differ by some 1e-6.
EXPORT_TOLERANCE: Final = 2e-5
OPSET: Final = 18


def export_onnx(network: Served, sample: Encoded) -> bytes:
    """The network as ONNX bytes, with free numbers of pairs, members and items; `sample` must have two or more of each.

    CellarError when ONNX Runtime's logits on `sample` differ from torch's by more than EXPORT_TOLERANCE.
    """
    inputs = tensors(sample.inputs())
    pairs, members, items = (torch.export.Dim(name, min=1) for name in ("pairs", "members", "items"))
    free = {
        "wine": {0: pairs},
        "wine_codes": {0: pairs},
        "item": {0: members, 1: items},
        "years_ago": {0: members, 1: items},
        "item_codes": {0: members, 1: items},
        "mask": {0: members, 1: items},
        "match": {0: pairs, 1: items},
        "member": {0: pairs},
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; what it writes is compared below
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network, kwargs=inputs, dynamo=True, dynamic_shapes=free, opset_version=OPSET, output_names=["logits"], verbose=False
        )
        if program is None:
            raise CellarError("the network could not be exported to ONNX; this is a defect of the network's code")
        program.optimize()
        content: bytes = program.model_proto.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(content))
    with torch.inference_mode():
        expected = network(**inputs).double().numpy()
    difference = float(np.abs(OnnxNetwork(content).logits(sample) - expected).max())
    if not difference <= EXPORT_TOLERANCE:
        raise CellarError(
            f"the exported network differs from torch's by {difference:.2e} (tolerance {EXPORT_TOLERANCE:g}); do not release it"
        )
    return content

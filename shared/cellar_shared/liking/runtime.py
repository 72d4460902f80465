"""The preference network as its callers see it: encoded questions in, logits out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.network import Network
from cellar_shared.features.encoder import Encoded


class OnnxNetwork:
    """A preference network from its ONNX bytes; Incompatible when ONNX Runtime cannot load it."""

    def __init__(self, content: bytes) -> None:
        self._network = Network(content)

    def logits(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """The logit of a like for each pair; (pairs,) float64."""
        return self._network.run(encoded.inputs())

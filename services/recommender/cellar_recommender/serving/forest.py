"""The ranker as it is served: features in, out what to add to the towers' scores so that they order one answer better."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.network import Network

INPUT = "features"


class Forest:
    """A ranker from its ONNX bytes; Incompatible when ONNX Runtime cannot load it."""

    def __init__(self, content: bytes) -> None:
        self._network = Network(content)

    def scores(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Corrections for (..., features); in the shape without the last axis."""
        flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]))
        return self._network.run({INPUT: flat}).reshape(features.shape[:-1])

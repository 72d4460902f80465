"""Runs a bundle's network in ONNX Runtime: the one adapter that a change of runtime would touch. Needs onnxruntime, which models bring."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

# Read by the library when it loads; a service sends nothing anywhere that its operator did not ask for.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from cellar_shared.errors import Incompatible

onnxruntime.disable_telemetry_events()


class Network:
    """A network with one output, from its ONNX bytes; one thread, since callers run many at once or small batches."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own per failure; all mean the same here
            raise Incompatible(f"the bundle's network cannot be loaded by onnxruntime {onnxruntime.__version__}: {error}") from error
        self._names = [given.name for given in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        """The output for `inputs` by name; those that the network does not read may be there too."""
        (output,) = self._session.run(None, {name: inputs[name] for name in self._names})
        return np.asarray(output, dtype=np.float64)

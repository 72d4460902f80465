"""Golden cases: questions with their whole input and the answer that training gave; replayed before a service is ready."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import Incompatible
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.npy import read_npz

# What another machine's vector instructions and another build of the runtime may move a probability. Measured on the
# exported network against torch: under 1e-6; a wrong feature moves it by 1e-3 and more.
REPLAY_TOLERANCE: Final = 1e-5

_HISTORY = ("offsets", "wines", "moments", "vintages", "liked", "strengths")
_QUESTION = ("as_of", "features_as_of", "member", "wines", "vintages")
_COUNTS = ("keys", "steps", "totals", "days", "everyone")

Arrays = dict[str, Any]  # as savez wants them: its own stubs let no narrower type through
Answer = Callable[[Questions, RunningCounts], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class GoldenCases:
    """Questions, the counts they read, and the probabilities (pairs,) float64 they had when the bundle was made."""

    questions: Questions
    counts: RunningCounts
    probabilities: npt.NDArray[np.float64]

    def to_bytes(self) -> bytes:
        """The cases as a NumPy archive of plain arrays."""
        arrays = asked_to_arrays(self.questions.histories, self.counts)
        arrays |= {f"question_{name}": getattr(self.questions, name) for name in _QUESTION}
        stream = io.BytesIO()
        np.savez_compressed(stream, probabilities=self.probabilities, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> GoldenCases:
        """The cases that `to_bytes` wrote."""
        arrays = read_npz(io.BytesIO(content))
        histories, counts = asked_of_arrays(arrays)
        questions = Questions(histories=histories, **{name: arrays[f"question_{name}"] for name in _QUESTION})
        return cls(questions, counts, arrays["probabilities"])

    def replay(self, answer: Answer) -> float:
        """Ask every question again; the largest difference found. Incompatible when it is past REPLAY_TOLERANCE."""
        given = answer(self.questions, self.counts)
        differences = np.nan_to_num(np.abs(given - self.probabilities), nan=np.inf)
        difference = float(differences.max(initial=0.0))
        if difference > REPLAY_TOLERANCE:
            worst = int(differences.argmax())
            raise Incompatible(
                f"golden case {worst} answers {given[worst]:.6f}, training had {self.probabilities[worst]:.6f} "
                f"(tolerance {REPLAY_TOLERANCE:g}); the code or the runtime differs from the bundle's: train again or go back"
            )
        return difference


def asked_to_arrays(histories: Histories, counts: RunningCounts) -> Arrays:
    """Histories and the counts they are read with, without notes, as arrays of a golden file by name."""
    arrays: Arrays = {f"history_{name}": getattr(histories, name) for name in _HISTORY}
    return arrays | {f"counts_{name}": np.asarray(getattr(counts, name)) for name in _COUNTS}


def asked_of_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[Histories, RunningCounts]:
    """What `asked_to_arrays` wrote; KeyError where an array is missing."""
    histories = Histories(**{name: arrays[f"history_{name}"] for name in _HISTORY})
    counts: Arrays = {name: arrays[f"counts_{name}"] for name in _COUNTS}
    return histories, RunningCounts(**counts)

"""From questions to percentages with one bundle: encoder, network, calibrator; the same object serves, replays and evaluates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from cellar_shared.bundle.arrays import array_of
from cellar_shared.bundle.golden import GoldenCases
from cellar_shared.bundle.manifest import BundleManifest
from cellar_shared.bundle.opening import read_bundle
from cellar_shared.calibration.apply import Calibrator
from cellar_shared.errors import BadInput
from cellar_shared.features.candidates import WINE_FEATURES
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoded, Encoder
from cellar_shared.features.histories import Questions
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.liking.runtime import OnnxNetwork

MODEL: Final = "preference"
NETWORK_FILE: Final = "network.onnx"
VOCABULARY_FILE: Final = "vocabulary.npy"
CALIBRATOR_FILE: Final = "calibrator.json"
GOLDEN_FILE: Final = "golden.npz"

_WINE_RATINGS: Final = list(WINE_FEATURES).index("wine_ratings")


def wine_ratings_of(encoded_wine: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """How many ratings each wine's features stand on, out of the features themselves; (pairs,) int64."""
    return np.rint(np.expm1(encoded_wine[:, _WINE_RATINGS].astype(np.float64))).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers to some questions, one a pair: chance of a like, the evidence behind it and the bare logit."""

    probabilities: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    own_tastings: npt.NDArray[np.int64]
    wine_ratings: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Predictor:
    """One bundle, ready to answer."""

    manifest: BundleManifest
    encoder: Encoder
    network: OnnxNetwork
    calibrator: Calibrator
    history_limit: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the bundle at `path`: digests, fingerprint, then every golden case; BadInput or Incompatible say why not."""
        return cls.replayed(*read_bundle(path, MODEL))

    @classmethod
    def replayed(cls, manifest: BundleManifest, files: Mapping[str, bytes]) -> Self:
        """The predictor out of the files of a bundle that was checked, once every golden case answers as in training."""
        predictor = cls.of_files(manifest, files)
        GoldenCases.from_bytes(files[GOLDEN_FILE]).replay(lambda questions, counts: predictor.predict(questions, counts).probabilities)
        return predictor

    @classmethod
    def of_files(cls, manifest: BundleManifest, files: Mapping[str, bytes]) -> Self:
        """The predictor out of a bundle's files; BadInput when one is missing or is not what its name says."""
        try:
            vocabulary = Vocabulary(array_of(files[VOCABULARY_FILE]))
            calibrator = Calibrator.from_json(msgspec.json.decode(files[CALIBRATOR_FILE]))
            network = OnnxNetwork(files[NETWORK_FILE])
            limit = int(manifest.settings["history_limit"])
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise BadInput(f"the bundle lacks or garbles {error}; take it from where it was written") from error
        return cls(manifest, Encoder(vocabulary), network, calibrator, limit)

    def encode(self, questions: Questions, counts: RunningCounts) -> Encoded:
        """The network's inputs for `questions`."""
        return self.encoder.encode(questions, counts)

    def predict_encoded(self, encoded: Encoded, trailing: npt.NDArray[np.float64] | None = None) -> Prediction:
        """Answers for encoded questions, moved by `trailing` offsets (pairs,) if given."""
        logits = self.network.logits(encoded)
        tastings = encoded.mask.sum(axis=1).astype(np.int64)[encoded.member]
        ratings = wine_ratings_of(encoded.wine)
        return Prediction(self.calibrator.apply(logits, tastings, ratings, trailing), logits, tastings, ratings)

    def predict(self, questions: Questions, counts: RunningCounts) -> Prediction:
        """Answers for `questions`, wine features read from `counts`."""
        return self.predict_encoded(self.encode(questions, counts))

"""One bundle, ready to answer: opened with digests, fingerprint and golden cases; serving, batch and evaluation hold one."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cellar_recommender.serving.contributions import TREES_FILE, Trees
from cellar_recommender.serving.forest import Forest
from cellar_recommender.serving.golden import GoldenCases
from cellar_recommender.serving.item_item import ItemItem
from cellar_recommender.serving.recommending import order_of_candidates, rank, retrieve
from cellar_recommender.serving.sources import TOWERS, Asked, Sources
from cellar_recommender.serving.towers import MemberInputs, OnnxTowers
from cellar_shared.bundle.arrays import array_of
from cellar_shared.bundle.manifest import BundleManifest, require_same_data
from cellar_shared.bundle.opening import read_bundle, unpacked
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.events.moments import counted_before
from cellar_shared.features.counts import RunningCounts
from cellar_shared.features.encoder import Encoder
from cellar_shared.features.histories import Histories, Questions
from cellar_shared.features.terms import terms_fingerprint
from cellar_shared.features.vocabulary import Vocabulary
from cellar_shared.features.wines import Wines, no_wines
from cellar_shared.liking.predictor import Predictor
from cellar_shared.npy import read_npz

MODEL: Final = "recommender"
MEMBER_TOWER_FILE: Final = "member_tower.onnx"
WINE_TOWER_FILE: Final = "wine_tower.onnx"
RANKER_FILE: Final = "ranker.onnx"
VOCABULARY_FILE: Final = "vocabulary.npy"
ITEM_ITEM_FILE: Final = "item_item.npz"
GOLDEN_FILE: Final = "golden.npz"
LIKING: Final = "preference"  # the folder of the preference bundle packed in, and the fact that names its version

# Settings of a bundle: whether its towers read tasting notes, and then what their words became terms by.
NOTES: Final = "notes"
TERMS_FINGERPRINT: Final = "terms_fingerprint"

_ITEM_ITEM: Final = ("identities", "weights", "columns", "offsets")


@dataclass(frozen=True, slots=True)
class Recommender:
    """A bundle's sources and forest, the forest once more as plain `trees` that tell why, and how many ratings back it looks.

    `liking` tells the chance of a like, where a preference bundle was packed in.
    """

    manifest: BundleManifest
    sources: Sources
    forest: Forest
    history_limit: int
    trees: Trees
    liking: Predictor | None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the bundle at `path`: digests, fingerprint, then every golden case; BadInput or Incompatible say why not."""
        manifest, files = read_bundle(path, MODEL)
        recommender = cls.of_files(manifest, files)
        GoldenCases.from_bytes(files[GOLDEN_FILE]).replay(recommender.answer)
        return recommender

    @classmethod
    def of_files(cls, manifest: BundleManifest, files: Mapping[str, bytes]) -> Self:
        """The recommender out of a bundle's files; BadInput when one is missing or is not what its name says.

        The preference bundle packed in is replayed here; Incompatible when it answers otherwise, or belongs to other data, or
        when the bundle read other terms of tasting notes than this code makes.
        """
        try:
            vocabulary = Vocabulary(array_of(files[VOCABULARY_FILE]))
            towers = OnnxTowers(files[MEMBER_TOWER_FILE], files[WINE_TOWER_FILE])
            item_item = item_item_of_bytes(files[ITEM_ITEM_FILE])
            limit = int(manifest.settings["history_limit"])
            forest = Forest(files[RANKER_FILE])
            trees = Trees.from_bytes(files[TREES_FILE])
            with_notes = bool(manifest.settings.get(NOTES, False))
        except (KeyError, ValueError) as error:
            raise BadInput(f"the bundle lacks or garbles {error}; take it from where it was written") from error
        if with_notes and manifest.settings[TERMS_FINGERPRINT] != terms_fingerprint():
            raise Incompatible(f"bundle {manifest.version} learnt with other terms of tasting notes than this code has; train again")
        sources = Sources(Encoder(vocabulary), towers, item_item, with_notes)
        return cls(manifest, sources, forest, limit, trees, _liking(manifest, files))

    def asked(self, questions: Questions, counts: RunningCounts) -> Asked:
        """What sources and ranker read of the members who ask; histories no longer than `history_limit`."""
        encoded = self.sources.encoder.encode(questions, counts)
        return Asked(MemberInputs.of(encoded, questions.as_of), tasted_of(questions.histories))

    def answer(self, cases: GoldenCases) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Tower scores and the forest's scores of every wine, -inf for what is no candidate, as golden cases ask for them."""
        asked = self.asked(cases.questions, cases.counts)
        shelf = self.sources.shelf(cases.wines, cases.counts, int(counted_before(np.array([cases.as_of]))[0]))
        tasted = asked.tasted["wine"]
        rated = (shelf.wines["wine"][None, :, None] == tasted[:, None, :]).any(axis=2)
        retrieved = retrieve(self.sources, asked, shelf, rated)
        ranked = rank(self.forest, self.sources, asked, shelf, retrieved)
        return retrieved.scores[TOWERS], order_of_candidates(retrieved, ranked)


def _liking(manifest: BundleManifest, files: Mapping[str, bytes]) -> Predictor | None:
    """The preference bundle packed in, which must be the one that the manifest names; None where it names none."""
    packed = unpacked(files, LIKING)
    if (packed and packed[0].version) != manifest.facts.get(LIKING):
        raise BadInput(
            f"bundle {manifest.version} names preference bundle {manifest.facts.get(LIKING)}, packed in is "
            f"{packed and packed[0].version}; take the bundle from where it was written"
        )
    if packed is None:
        return None
    require_same_data(packed[0], manifest.namespace, manifest.scale)
    return Predictor.replayed(*packed)


def tasted_of(histories: Histories) -> Wines:
    """WINE records of each history, newest first, padded with wines of which nothing is known; (members, items)."""
    lengths = histories.lengths
    place = np.arange(max(1, int(lengths.max(initial=0))))
    mask = place < lengths[:, None]
    tasted = no_wines(mask.size).reshape(mask.shape)
    tasted[mask] = histories.wines[(histories.offsets[1:, None] - 1 - place)[mask]]
    return tasted


def item_item_to_bytes(item_item: ItemItem) -> bytes:
    """The weights as a NumPy archive of plain arrays."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(item_item, name) for name in _ITEM_ITEM}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def item_item_of_bytes(content: bytes) -> ItemItem:
    """The weights that `item_item_to_bytes` wrote."""
    arrays = read_npz(io.BytesIO(content))
    return ItemItem(*(arrays[name] for name in _ITEM_ITEM))

"""What each feature adds to a forest's score, along the path that a row takes through every tree; the reasons are made of it.

A step from a node to its child is credited, child's value minus node's, to the feature that the node asks (Saabas, "Interpreting
random forests", 2014). A node's value is what its rows were given on average, so the steps of a path add up to the leaf's value.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cellar_shared.errors import BadInput
from cellar_shared.npy import read_npz

TREES_FILE: Final = "forest.npz"

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Trees:
    """A forest as plain arrays, node after node, `roots` (trees,) int32 telling where each tree begins.

    A row goes on to `left` (nodes,) int32 where its `feature` (nodes,) int32 is at most `threshold` (nodes,) float32, as it does in the
    ONNX file, else to `right`; where the feature is NaN, to the left if `is_missing_left` (nodes,) bool. A leaf leads to itself.
    `value` (nodes,) float64: a leaf's own, an inner node's the mean of its leaves, each counted by the rows it was learnt from.
    """

    roots: Int32s
    feature: Int32s
    threshold: Float32s
    is_missing_left: npt.NDArray[np.bool_]
    left: Int32s
    right: Int32s
    value: Float64s

    def to_bytes(self) -> bytes:
        """The arrays as a NumPy archive."""
        stream = io.BytesIO()
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The arrays that `to_bytes` wrote; KeyError or ValueError when they are not."""
        arrays = read_npz(io.BytesIO(content))
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @property
    def base(self) -> float:
        """The score of a row of which nothing is asked."""
        return float(self.value[self.roots].sum())


def contributions(trees: Trees, features: Float32s) -> tuple[float, Float64s]:
    """The forest's base, and what each feature adds to it: (rows, features) float64; base and a row's sum are the row's score.

    `features` (rows, features) float32 as the forest reads them. BadInput when the forest asks for more than there are.
    """
    rows, width = features.shape
    if trees.feature.max(initial=0) >= width:
        raise BadInput(f"the forest asks for {int(trees.feature.max()) + 1} features and was given {width}; give it those of its bundle")
    given = np.ascontiguousarray(features, dtype=np.float32).ravel()
    # One path for each row and tree; those that have come to a leaf are dropped on the way.
    first = np.repeat(np.arange(rows) * width, len(trees.roots))
    node = np.tile(trees.roots, rows)
    cells, steps = [], []
    while len(node):
        cell = first + trees.feature[node]
        asked = given[cell]
        is_left = np.where(np.isnan(asked), trees.is_missing_left[node], asked <= trees.threshold[node])
        child = np.where(is_left, trees.left[node], trees.right[node])
        on = child != node
        first, node, child = first[on], node[on], child[on]
        cells.append(cell[on])
        steps.append(trees.value[child] - trees.value[node])
        node = child
    if not cells:
        return trees.base, np.zeros((rows, width))
    added = np.bincount(np.concatenate(cells), np.concatenate(steps), minlength=rows * width)
    return trees.base, np.asarray(added, dtype=np.float64).reshape(rows, width)

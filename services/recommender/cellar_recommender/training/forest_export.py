"""Writes a LightGBM forest as an ONNX tree ensemble in which every row of float32 takes the same leaf, and this as plain arrays.

Training calls it. LightGBM compares x <= t in float64, ONNX Runtime in float32. For a float32 x both agree when the float32
threshold is the greatest one that is not above t, so thresholds are rounded down, never to the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

from cellar_recommender.serving.contributions import Trees
from cellar_recommender.serving.forest import INPUT
from cellar_shared.errors import CellarError

IR_VERSION: Final = 9
OPSET: Final = 18
TREES_OPSET: Final = 3
ZERO: Final = np.float32(1e-35)  # LightGBM's kZeroThreshold
INFINITE: Final = 1e300  # LightGBM's AvoidInf


def threshold_of(threshold: float) -> np.float32:
    """The float32 that parts float32 values as LightGBM's `threshold` does.

    That is the greatest one that is not above it, -inf where it is below all finite ones. LightGBM reads what is no further from 0
    than ZERO as 0 itself, so thresholds within are moved to the edge; and it writes an infinite threshold, which parts what is there
    from what is missing, as INFINITE.
    """
    if abs(threshold) >= INFINITE:
        return np.float32(np.copysign(np.inf, threshold))
    with np.errstate(over="ignore"):
        rounded = np.float32(threshold)
        down = np.float32(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded)
    if -ZERO <= down < 0:
        return np.float32(np.nextafter(-ZERO, np.float32(-np.inf)))
    return ZERO if 0 <= down < ZERO else down


@dataclass
class _Nodes:
    """The attributes of a tree ensemble, node after node and leaf after leaf."""

    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def add(self, tree: int, structure: dict[str, Any]) -> int:
        """Add a tree's node and all below it; its number within the tree."""
        number = self.node[-1] + 1 if self.tree and self.tree[-1] == tree else 0
        place = len(self.node)
        self.tree.append(tree)
        self.node.append(number)
        if "leaf_value" in structure:
            for column, nothing in ((self.feature, 0), (self.true, 0), (self.false, 0), (self.missing, 0)):
                column.append(nothing)
            self.value.append(0.0)
            self.rows.append(float(structure.get("leaf_count", 0)))  # a tree that is one leaf tells none
            self.mode.append("LEAF")
            self.leaf_tree.append(tree)
            self.leaf_node.append(number)
            self.weight.append(float(structure["leaf_value"]))
            return number
        if structure["decision_type"] != "<=" or structure["missing_type"] == "Zero":
            raise CellarError(
                f"the ranker has a split of a kind that is not exported: {structure['decision_type']}, {structure['missing_type']}"
            )
        threshold = float(structure["threshold"])
        # Without missing values in training LightGBM reads NaN as 0.
        goes_left = structure["default_left"] if structure["missing_type"] == "NaN" else threshold >= 0.0
        self.feature.append(int(structure["split_feature"]))
        self.value.append(float(threshold_of(threshold)))
        self.mode.append("BRANCH_LEQ")
        self.missing.append(int(goes_left))
        self.rows.append(0.0)
        self.true.append(0)
        self.false.append(0)
        self.true[place] = self.add(tree, structure["left_child"])
        right = len(self.node)
        self.false[place] = self.add(tree, structure["right_child"])
        self.rows[place] = self.rows[place + 1] + self.rows[right]
        return number


def export_forest(booster: lightgbm.Booster, trees: Sequence[int] | None = None) -> bytes:
    """The raw scores of the booster, or of some of its `trees`, as ONNX bytes; CellarError for splits that are no plain comparison.

    Hit rates are the rows that each node was learnt from: nobody needs them to score, `plain_trees` does to tell what a node is worth.
    """
    dumped = booster.dump_model()
    nodes = _Nodes()
    for tree in dumped["tree_info"] if trees is None else [dumped["tree_info"][place] for place in trees]:
        nodes.add(int(tree["tree_index"]), tree["tree_structure"])
    width = booster.num_feature()
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        ["scores"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=nodes.tree,
        nodes_nodeids=nodes.node,
        nodes_featureids=nodes.feature,
        nodes_values=nodes.value,
        nodes_modes=nodes.mode,
        nodes_truenodeids=nodes.true,
        nodes_falsenodeids=nodes.false,
        nodes_missing_value_tracks_true=nodes.missing,
        nodes_hitrates=nodes.rows,
        target_treeids=nodes.leaf_tree,
        target_nodeids=nodes.leaf_node,
        target_ids=[0] * len(nodes.weight),
        target_weights=nodes.weight,
    )
    graph = helper.make_graph(
        [ensemble],
        "ranker",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def plain_trees(ranker: bytes) -> Trees:
    """The forest that `export_forest` wrote, as plain arrays: the same leaves, by the same comparisons."""
    (ensemble,) = onnx.load_model_from_string(ranker).graph.node
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in ensemble.attribute}
    tree, number = (np.array(given[f"nodes_{name}"]) for name in ("treeids", "nodeids"))
    roots = np.flatnonzero(number == 0)
    begin = np.repeat(roots, np.diff([*roots, len(tree)]))
    is_leaf = np.array(given["nodes_modes"]) == b"LEAF"
    here = np.arange(len(tree))
    left, right = (np.where(is_leaf, here, begin + np.array(given[f"nodes_{name}nodeids"])) for name in ("true", "false"))
    value, rows = np.zeros(len(tree)), np.array(given["nodes_hitrates"], dtype=np.float64)
    value[is_leaf] = given["target_weights"]
    for node in np.flatnonzero(~is_leaf)[::-1]:  # children stand behind their parent
        below = np.array([left[node], right[node]])
        value[node] = np.average(value[below], weights=rows[below])
    return Trees(
        roots=roots.astype(np.int32),
        feature=np.array(given["nodes_featureids"], dtype=np.int32),
        threshold=np.array(given["nodes_values"], dtype=np.float32),
        is_missing_left=np.array(given["nodes_missing_value_tracks_true"]) > 0,
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=value,
    )

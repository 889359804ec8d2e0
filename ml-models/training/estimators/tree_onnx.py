"""XGBoost's trees as one ONNX `TreeEnsembleRegressor` node, read from the booster's own JSON."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import xgboost

from contracts.encoders.onnx_graphs import ML_DOMAIN, GraphBuilder

Tree = Mapping[str, Any]


def append_trees(graph: GraphBuilder, booster: xgboost.Booster, inputs: str) -> str:
    """Append the sum of all leaves (without the base score), float32 (N,).

    `inputs` is float32 (N, columns). XGBoost goes left when `value < split`; a missing value follows the
    branch that the node learned.
    """
    attributes = ensemble_attributes(read_trees(booster))
    total = graph.add("TreeEnsembleRegressor", inputs, domain=ML_DOMAIN, n_targets=1, **attributes)
    return graph.add("Squeeze", total, graph.axes(1))


def read_trees(booster: xgboost.Booster) -> list[Tree]:
    """The trees of the booster's JSON model."""
    model = json.loads(booster.save_raw("json"))
    trees: list[Tree] = model["learner"]["gradient_booster"]["model"]["trees"]
    return trees


def ensemble_attributes(trees: list[Tree]) -> dict[str, Any]:
    """The node's attributes: branches, and leaves as the target's weights."""
    left = _joined(trees, "left_children", np.int64)
    leaf = left < 0
    tree_of, node_of = _positions(trees)
    split = _joined(trees, "split_conditions", np.float32)
    return {
        "nodes_treeids": tree_of.tolist(),
        "nodes_nodeids": node_of.tolist(),
        "nodes_featureids": np.where(leaf, 0, _joined(trees, "split_indices", np.int64)).tolist(),
        "nodes_values": np.where(leaf, np.float32(0), split).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LT").tolist(),
        "nodes_truenodeids": np.where(leaf, 0, left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, _joined(trees, "right_children", np.int64)).tolist(),
        "nodes_missing_value_tracks_true": np.where(
            leaf, 0, _joined(trees, "default_left", np.int64)
        ).tolist(),
        "target_treeids": tree_of[leaf].tolist(),
        "target_nodeids": node_of[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights": split[leaf].tolist(),
    }


def _joined(trees: list[Tree], key: str, dtype: type) -> np.ndarray[Any, Any]:
    return np.concatenate([np.asarray(tree[key], dtype=dtype) for tree in trees])


def _positions(trees: list[Tree]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Each node's tree and its place in the tree."""
    sizes = [len(tree["left_children"]) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    nodes = np.concatenate([np.arange(end - start) for start, end in pairwise(starts)])
    return np.repeat(np.arange(len(trees)), sizes), nodes

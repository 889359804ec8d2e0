"""Ways to tamper with a registered bundle: what a careless copy does, and what an attacker would try."""

import json
import os
import pickle
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.bundle.contract import CONTRACT_FILE, MODEL_FILE, NATIVE_FILE, NATIVE_FOLDER, Contract
from inference.explanation.trees import TREES_FILE
from tests.inference.bundles import COLUMNS
from training.bundle_writer import digests

Damage = Callable[[Path], object]
PICKLED = pickle.dumps({"os": "system"})


def relist(folder: Path, besides: Mapping[str, str] = {}, **changes: str) -> None:
    """Make the contract agree with what lies there, as a forger would; with files besides, and changes."""
    path = folder / CONTRACT_FILE
    contract = Contract.parse(path.read_bytes())
    files = {**digests(folder), **besides}
    path.write_text(contract.model_copy(update={"files": files, **changes}).model_dump_json())


def added(name: str, content: bytes) -> Damage:
    """A file more, that the contract lists."""

    def add(folder: Path) -> None:
        (folder / name).write_bytes(content)
        relist(folder)

    return add


def regraphed(change: Callable[[onnx.ModelProto], object]) -> Damage:
    """Another graph, that the contract lists."""

    def rewrite(folder: Path) -> None:
        model = onnx.load(folder / MODEL_FILE)
        change(model)
        (folder / MODEL_FILE).write_bytes(model.SerializeToString())
        relist(folder)

    return rewrite


def change_profile(folder: Path) -> None:
    (folder / "profile.json").write_text("{}")


def truncate_graph(folder: Path) -> None:
    model = folder / MODEL_FILE
    model.write_bytes(model.read_bytes()[:-20])


def truncate_and_relist(folder: Path) -> None:
    truncate_graph(folder)
    relist(folder)


def nest_contract(folder: Path) -> None:
    (folder / CONTRACT_FILE).write_text("[" * 100_000)


def link_graph(folder: Path) -> None:
    outside = folder.parent / "outside.onnx"
    (folder / MODEL_FILE).rename(outside)
    (folder / MODEL_FILE).symlink_to(outside)
    relist(folder)


def link_folder(folder: Path) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (folder / "more").symlink_to(outside)
    relist(folder)


def list_outside(folder: Path) -> None:
    relist(folder, {"../../../mlflow.db": "0" * 64})


def put_pipe(folder: Path) -> None:
    os.mkfifo(folder / "notes.txt")


def want_custom_operators(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example.shell"
    model.opset_import.append(helper.make_opsetid("com.example.shell", 1))


def keep_data_elsewhere(model: onnx.ModelProto) -> None:
    constant = model.graph.initializer[0]
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="../../../../etc/hostname")


def keep_an_attribute_elsewhere(model: onnx.ModelProto) -> None:
    value = numpy_helper.from_array(np.zeros(2, dtype=np.float32), "elsewhere")
    value.external_data.add(key="location", value="/etc/hostname")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=value))


def hide_in_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Run", [], ["y"], domain="hidden.away")], "inner", [], [])
    branch = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], "branch", [], []
    )
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def hide_in_a_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Run", ["x"], ["y"], domain="hidden.away")
    model.functions.append(
        helper.make_function("", "Relu", ["x"], ["y"], [node], [helper.make_opsetid("hidden.away", 1)])
    )


def loop_for_ever(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "c"], ["y"], body=body))


def ask_for_a_later_version(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def declare_a_huge_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=[2**40]))


def declare_a_huge_sparse_constant(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, dtype=np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, dtype=np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))


def make_a_huge_tensor(model: onnx.ModelProto) -> None:
    shape = numpy_helper.from_array(np.array([300_000, 100_000], dtype=np.int64), "wide")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["wide"], ["huge"]))


def make_what_a_value_says(model: onnx.ModelProto) -> None:
    """As wide as the first row's first number: small for the example, as large as a caller likes."""
    index = numpy_helper.from_array(np.zeros(1, dtype=np.int64), "first")
    model.graph.initializer.append(index)
    nodes = [
        helper.make_node("Reshape", ["numeric", "flat"], ["row"]),
        helper.make_node("Gather", ["row", "first"], ["number"]),
        helper.make_node("Cast", ["number"], ["wide"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["wide"], ["huge"]),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"))
    model.graph.node.extend(nodes)


def branch_on_a_value(model: onnx.ModelProto) -> None:
    """Cheap for the example, as expensive as may be for a row that its writer knows."""
    result = helper.make_tensor_value_info("branched", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["numeric"], ["branched"])], "a", [], [result])
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(9.0, dtype=np.float32), "secret"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["numeric"], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "secret"], ["known"]),
            helper.make_node("If", ["known"], ["branch"], then_branch=inner, else_branch=inner),
        ]
    )


def transform_what_a_value_says(model: onnx.ModelProto) -> None:
    """A short-time Fourier transform of overlapping frames is as long as the signal times the frame."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 2**16), dtype=np.float32), "signal"))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(1, dtype=np.int64), "step"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(2**15, dtype=np.float32), "window"))
    model.graph.node.extend(
        [
            helper.make_node("Normalizer", ["signal"], ["of_any_size"], domain="ai.onnx.ml", norm="MAX"),
            helper.make_node("STFT", ["of_any_size", "step", "window"], ["huge"]),
        ]
    )


def double_a_text(model: onnx.ModelProto) -> None:
    """A text of some letters, joined with itself forty times over."""
    model.opset_import[0].version = 20
    names = ["categorical", *(f"doubled{time}" for time in range(40))]
    for before, after in pairwise(names):
        model.graph.node.append(helper.make_node("StringConcat", [before, before], [after]))


def spread_what_is_of_unknown_size(model: onnx.ModelProto) -> None:
    """Shape inference knows nothing of a normaliser; a column added to a row makes a square."""
    side = np.ones((2**16, 1), dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(side, "column"))
    model.graph.initializer.append(numpy_helper.from_array(side.T, "row"))
    model.graph.node.extend(
        [
            helper.make_node("Normalizer", ["column"], ["of_any_size"], domain="ai.onnx.ml", norm="MAX"),
            helper.make_node("Add", ["of_any_size", "row"], ["huge"]),
        ]
    )


def multiply_without_end(model: onnx.ModelProto) -> None:
    """Each product takes seconds, and none is larger than what is served."""
    shape = numpy_helper.from_array(np.array([4_000, 4_000], dtype=np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["product0"]))
    names = [f"product{time}" for time in range(10_000)]
    for before, after in pairwise(names):
        model.graph.node.append(helper.make_node("MatMul", [before, "product0"], [after]))


def lead_a_tree_to_itself(folder: Path) -> None:
    """Trees of which a path never ends."""
    tree = {
        "left_children": [0, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [0.5, -1.0, 1.0],
        "default_left": [1, 0, 0],
        "sum_hessian": [10.0, 5.0, 5.0],
    }
    core = {"known": [[]], "base": 0.0, "width": len(COLUMNS)}
    model = {"core": core, "calibration": {"slope": 1.0, "intercept": 0.0}}
    trees = {"learner": {"gradient_booster": {"model": {"trees": [tree]}}}}
    for name, content in ((NATIVE_FILE, model), (TREES_FILE, trees)):
        (folder / NATIVE_FOLDER / name).write_text(json.dumps(content))
    relist(folder, family="xgboost")


def answer_something_else(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "other"
    model.graph.node[-1].output[0] = "other"

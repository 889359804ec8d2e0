"""Ways to tamper with a registered bundle: what a careless copy does, and what an attacker would try."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.bundle.contract import CONTRACT_FILE, MODEL_FILE, Contract
from training.bundle.writer import digests

Damage = Callable[[Path], object]
PICKLED = pickle.dumps({"os": "system"})


def relist(folder: Path, **names: str) -> None:
    """Make the contract agree with what lies there, as a forger would; `names` are listed besides."""
    path = folder / CONTRACT_FILE
    contract = Contract.parse(path.read_bytes())
    path.write_text(contract.model_copy(update={"files": {**digests(folder), **names}}).model_dump_json())


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
    relist(folder, **{"../../../mlflow.db": "0" * 64})


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


def answer_something_else(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "other"
    model.graph.node[-1].output[0] = "other"

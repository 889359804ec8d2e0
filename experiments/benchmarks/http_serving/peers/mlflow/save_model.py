"""Saves the graph as an MLflow model of the ONNX flavour: `save_model.py MODEL FOLDER`."""

import sys

import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec


def signature(graph: onnx.ModelProto) -> ModelSignature:
    """Each input by name, type and width."""
    inputs = [(given.name, given.type.tensor_type) for given in graph.graph.input]
    kinds = {onnx.TensorProto.STRING: np.dtype("str"), onnx.TensorProto.FLOAT: np.dtype("float32")}
    return ModelSignature(
        Schema(
            [
                TensorSpec(kinds[kind.elem_type], (-1, kind.shape.dim[1].dim_value), name)
                for name, kind in inputs
            ]
        )
    )


if __name__ == "__main__":
    model = onnx.load(sys.argv[1])
    mlflow.onnx.save_model(
        model,
        sys.argv[2],
        signature=signature(model),
        pip_requirements=["onnxruntime"],
        onnx_session_options={"intra_op_num_threads": 1},
        onnx_execution_providers=["CPUExecutionProvider"],
    )

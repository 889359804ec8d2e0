"""A small builder of ONNX graphs: name, wire and check nodes from the model's raw columns on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
ML_OPSET = 3
IR_VERSION = 8
ML_DOMAIN = "ai.onnx.ml"
CATEGORICAL_INPUT = "categorical"
NUMERIC_INPUT = "numeric"
OUTPUT = "prediction"


class GraphBuilder:
    """Collects nodes and constants; names are counted, so that equal models give equal bytes."""

    def __init__(self, categorical: int, numeric: int) -> None:
        """`categorical` and `numeric` are the numbers of columns; an input without columns is left out."""
        self.categorical = categorical
        self.numeric = numeric
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        """Store an array in the graph and return its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """Store one float32."""
        return self.constant(np.asarray(value, dtype=np.float32))

    def axes(self, *values: int) -> str:
        """Store a list of axes or sizes as int64."""
        return self.constant(np.asarray(values, dtype=np.int64))

    def finite_numbers(self) -> str:
        """The numeric input with infinities as NaN, as every model reads it."""
        infinite = self.add("IsInf", NUMERIC_INPUT)
        return self.add("Where", infinite, self.number(np.nan), NUMERIC_INPUT)

    def row_count(self) -> str:
        """The number of rows as int64 (1,)."""
        return self.add("Shape", NUMERIC_INPUT if self.numeric else CATEGORICAL_INPUT, start=0, end=1)

    def join(self, parts: Sequence[str]) -> str:
        """Concatenate along the columns."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def build(self, output: str) -> onnx.ModelProto:
        """Close the graph at `output`, float32 (N,), and check it."""
        self._nodes.append(helper.make_node("Identity", [output], [OUTPUT]))
        result = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows"])
        graph = helper.make_graph(self._nodes, "model", self._inputs(), [result], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="roundtrip"
        )
        onnx.checker.check_model(model)
        return model

    def _inputs(self) -> list[onnx.ValueInfoProto]:
        kinds = (
            (CATEGORICAL_INPUT, TensorProto.STRING, self.categorical),
            (NUMERIC_INPUT, TensorProto.FLOAT, self.numeric),
        )
        return [
            helper.make_tensor_value_info(name, kind, ["rows", width]) for name, kind, width in kinds if width
        ]

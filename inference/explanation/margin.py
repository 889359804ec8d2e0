"""The served graph up to its margin: log odds where it ends in the logistic function, else its value."""

import onnx

from contracts.bundle.contract import MODEL_FILE
from contracts.bundle.reader import Bundle
from contracts.bundle.scorer import OUTPUT, Scorer
from inference.errors import ExplanationUnavailableError


def margin_scorer(bundle: Bundle, threads: int = 1) -> Scorer:
    """A scorer of the margins.

    Raises:
        ExplanationUnavailableError: a binary model's graph does not end in the logistic function.
    """
    model = onnx.load_model_from_string(bundle.read(MODEL_FILE))
    if bundle.contract.task == "binary":
        _leave_out_sigmoid(model.graph)
    return Scorer(model.SerializeToString(), threads=threads)


def _leave_out_sigmoid(graph: onnx.GraphProto) -> None:
    made_by = {name: node for node in graph.node for name in node.output}
    last = made_by[OUTPUT]
    before = made_by.get(last.input[0]) if last.op_type == "Identity" else None
    if before is None or before.op_type != "Sigmoid":
        raise ExplanationUnavailableError(
            "this model's graph does not end in a logistic function, so it has no log odds to explain; "
            "ask without explain"
        )
    last.input[0] = before.input[0]

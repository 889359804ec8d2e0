"""Protobuf messages to and from the neutral inference request and the answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inference.core.answer import Answer
from inference.errors import InvalidRequestError
from inference.protocols.open_inference.grpc_messages import message_classes
from inference.protocols.open_inference.infer_request import (
    InferLimits,
    InferRequest,
    gather,
    require_few,
    require_heads,
)
from inference.protocols.open_inference.outputs import (
    WantedOutput,
    all_outputs,
    one_version,
    output_tensor,
    refuse_extensions,
    require_distinct,
    require_output,
)
from inference.protocols.open_inference.tensors import BYTES, TensorHead, from_list, from_raw, from_texts
from inference.protocols.table import Column

# Which field carries a datatype's typed contents; FP16 has none.
CONTENT_FIELDS: Final[Mapping[str, str]] = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def read_inference(message: Any, limits: InferLimits) -> InferRequest:
    """Read a ModelInferRequest; outputs are raw where inputs are.

    Raises:
        InvalidRequestError, TooManyItemsError: it is not as the protocol or the model says.
        UnsupportedOperationError: it uses shared memory or classification.
    """
    require_few(len(message.inputs), limits)
    heads = [TensorHead(tensor.name, tensor.datatype, tensor.shape) for tensor in message.inputs]
    require_heads(heads, limits)
    raws = message.raw_input_contents
    if raws and len(raws) != len(heads):
        raise InvalidRequestError(
            f"{len(heads)} inputs, but {len(raws)} raw contents; send them for all inputs, or for none"
        )
    columns = []
    for place, (head, tensor) in enumerate(zip(heads, message.inputs, strict=True)):
        refuse_extensions(tensor.parameters)
        rows = head.rows(limits.max_rows)
        columns.append((head, from_raw(head, rows, raws[place]) if raws else _typed(head, rows, tensor)))
    return InferRequest(message.id, gather(columns, limits), _wanted(message, bool(raws)))


def _typed(head: TensorHead, rows: int, tensor: Any) -> Column:
    field = CONTENT_FIELDS.get(head.datatype)
    if field is None:
        raise head.refusal(f"is {head.datatype}, which has no typed contents; send raw_input_contents")
    others = [descriptor.name for descriptor, _ in tensor.contents.ListFields() if descriptor.name != field]
    if others:
        raise head.refusal(f"is {head.datatype}, but has {others[0]}; send {field}")
    data = getattr(tensor.contents, field)
    return from_texts(head, rows, data) if head.datatype == BYTES else from_list(head, rows, list(data))


def _wanted(message: Any, raw: bool) -> Sequence[WantedOutput]:
    if not message.outputs:
        return all_outputs(raw)
    for output in message.outputs:
        require_output(output.name, output.parameters)
    require_distinct([output.name for output in message.outputs])
    return [WantedOutput(output.name, raw) for output in message.outputs]


def write_message(model: str, request: InferRequest, answers: Sequence[Answer]) -> Any:
    """The ModelInferResponse with the wanted outputs of these answers."""
    message = message_classes()["inference.ModelInferResponse"](
        model_name=model, model_version=one_version(answers) or "", id=request.id
    )
    message.parameters["degraded"].bool_param = any(answer.degraded for answer in answers)
    for wanted in request.outputs:
        tensor = output_tensor(wanted.name, answers)
        output = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=[len(answers)])
        if wanted.binary:
            message.raw_output_contents.append(tensor.raw())
        else:
            values = tensor.encoded() if tensor.datatype == BYTES else tensor.values
            getattr(output.contents, CONTENT_FIELDS[tensor.datatype]).extend(values)
    return message

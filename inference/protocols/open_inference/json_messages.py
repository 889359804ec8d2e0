"""The protocol over HTTP: a JSON header, and after it the bytes of the tensors that are sent raw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from inference.core.answer import Answer
from inference.errors import InvalidRequestError, MalformedBodyError
from inference.protocols.open_inference.infer_request import (
    InferLimits,
    InferRequest,
    gather,
    require_few,
    require_heads,
)
from inference.protocols.open_inference.outputs import (
    OutputTensor,
    WantedOutput,
    all_outputs,
    one_version,
    output_tensor,
    refuse_extensions,
    require_distinct,
    require_output,
)
from inference.protocols.open_inference.tensors import TensorHead, from_list, from_raw
from inference.protocols.table import Column
from inference.rest.fast_path.middleware import JSON
from inference.validation.json_object import read_object, without_nulls

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
OCTETS: Final = b"application/octet-stream"
BINARY_SIZE: Final = "binary_data_size"
_encode = msgspec.json.Encoder().encode
Parameters = dict[str, Any]


class InputDocument(msgspec.Struct):
    """An input tensor; its contents are `data`, or lie raw after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = None


class OutputDocument(msgspec.Struct):
    """An output that is wanted."""

    name: str
    parameters: Parameters = {}


class RequestDocument(msgspec.Struct):
    """The JSON of an inference request."""

    inputs: list[InputDocument]
    id: str = ""
    parameters: Parameters = {}
    outputs: list[OutputDocument] = []


def read_request(body: bytes, header_length: str | None, limits: InferLimits) -> InferRequest:
    """Read a request; `header_length` is the header `Inference-Header-Content-Length`, if it was sent.

    Raises:
        MalformedBodyError: the JSON is none, or is not as long as the header says.
        InvalidRequestError, TooManyItemsError: the message is not as the protocol or the model says.
        UnsupportedOperationError: it uses shared memory or classification.
    """
    length = _json_length(body, header_length)
    document = _read_document(body[:length], limits)
    heads = [TensorHead(tensor.name, tensor.datatype, tensor.shape) for tensor in document.inputs]
    require_heads(heads, limits)
    contents = _RawContents(memoryview(body)[length:])
    columns = [
        (head, _read_input(head, tensor, contents, limits.max_rows))
        for head, tensor in zip(heads, document.inputs, strict=True)
    ]
    contents.require_end()
    return InferRequest(document.id, gather(columns, limits), _wanted(document))


def _json_length(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 20):
        raise MalformedBodyError(f"{HEADER_LENGTH} is no number; send the length of the JSON in bytes")
    if int(header_length) > len(body):
        raise MalformedBodyError(
            f"{HEADER_LENGTH} is {header_length}, but the body has {len(body)} bytes; send the JSON's length"
        )
    return int(header_length)


def _read_document(text: bytes, limits: InferLimits) -> RequestDocument:
    document = read_object(text)
    if isinstance(inputs := document.get("inputs"), list):
        require_few(len(inputs), limits)
    try:
        try:
            return msgspec.convert(document, RequestDocument)
        except msgspec.ValidationError:  # few clients write nulls, so that only their messages are read twice
            return msgspec.convert(_plain(document), RequestDocument)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"not an inference request: {error}; see GET /v2/models/NAME") from None


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """The message without its members that are null, nor those of its tensors."""
    plain = without_nulls(document)
    for name in ("inputs", "outputs"):
        if isinstance(tensors := plain.get(name), list):
            plain[name] = [
                without_nulls(tensor) if isinstance(tensor, dict) else tensor for tensor in tensors
            ]
    return plain


class _RawContents:
    """The bytes after the JSON, taken from the front."""

    def __init__(self, left: memoryview) -> None:
        self._left = left

    def take(self, head: TensorHead, size: object) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self._left):
            raise head.refusal(
                f"says {BINARY_SIZE} {str(size)[:32]}, but {len(self._left)} bytes are left after the JSON; "
                f"send the raw tensors in order, and {HEADER_LENGTH}"
            )
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def require_end(self) -> None:
        if self._left:
            raise InvalidRequestError(
                f"{len(self._left)} bytes are left after the last tensor; send as many as {BINARY_SIZE} says"
            )


def _read_input(head: TensorHead, tensor: InputDocument, contents: _RawContents, max_rows: int) -> Column:
    rows = head.rows(max_rows)
    refuse_extensions(tensor.parameters)
    size = tensor.parameters.get(BINARY_SIZE)
    if (size is None) == (tensor.data is None):
        raise head.refusal(f"has no contents, or two; send either data or {BINARY_SIZE}")
    if tensor.data is not None:
        return from_list(head, rows, tensor.data)
    return from_raw(head, rows, contents.take(head, size))


def _wanted(document: RequestDocument) -> Sequence[WantedOutput]:
    binary = document.parameters.get("binary_data_output") is True
    if not document.outputs:
        return all_outputs(binary)
    for output in document.outputs:
        require_output(output.name, output.parameters)
    require_distinct([output.name for output in document.outputs])
    return [
        WantedOutput(output.name, output.parameters.get("binary_data", binary) is True)
        for output in document.outputs
    ]


@dataclass(frozen=True, slots=True)
class WrittenResponse:
    """An answer's body, and how to read it."""

    body: bytes
    content_type: bytes
    headers: dict[str, str]


def write_response(model: str, request: InferRequest, answers: Sequence[Answer]) -> WrittenResponse:
    """Encode the wanted outputs of these answers, raw where that was asked for."""
    tensors = [output_tensor(wanted.name, answers) for wanted in request.outputs]
    raws = [
        tensor.raw() if wanted.binary else None
        for wanted, tensor in zip(request.outputs, tensors, strict=True)
    ]
    named = {"id": request.id, "model_version": one_version(answers)}
    document = {
        "model_name": model,
        **{name: value for name, value in named.items() if value},
        "parameters": {"degraded": any(answer.degraded for answer in answers)},
        "outputs": [_output_document(tensor, raw) for tensor, raw in zip(tensors, raws, strict=True)],
    }
    return _framed(_encode(document), [raw for raw in raws if raw is not None])


def _framed(text: bytes, raws: Sequence[bytes]) -> WrittenResponse:
    if not raws:
        return WrittenResponse(text, JSON, {})
    headers = {HEADER_LENGTH.lower(): str(len(text))}
    return WrittenResponse(b"".join([text, *raws]), OCTETS, headers)


def _output_document(tensor: OutputTensor, raw: bytes | None) -> dict[str, Any]:
    head = {"name": tensor.name, "shape": [len(tensor.values)], "datatype": tensor.datatype}
    if raw is None:
        return {**head, "data": tensor.values}
    return {**head, "parameters": {BINARY_SIZE: len(raw)}}

"""Valid messages of every protocol, and ways to spoil them: cut, flipped, with false lengths, absurd."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from tritonclient.grpc._utils import _get_inference_request as grpc_request
from tritonclient.utils import np_to_triton_dtype

from tests.inference.given_rows import ROWS, arrays_of, columns_of
from tests.inference.parking import PROBLEM
from tests.inference.world import instance

LENGTH = "Inference-Header-Content-Length"
INFER = f"/v2/models/{PROBLEM.name}/infer"
PREDICT = f"/v1/models/{PROBLEM.name}:predict"
DATATYPES = {"district": "BYTES"}
ABSURD: list[Any] = [
    *(None, True, "", "x", -1, 0, 1, 2**31, 2**40, 2**63, 2**64, 10**30, -(2**63), 1e308, 1e39, -0.0, 0.5),
    *([], {}, [[]], [None], {"b64": "="}, "BYTES", "INT8", "FP16", "NaN", "\0", "\u2028", "x" * 300),
    *([1] * 100, float("nan"), float("inf")),
]  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A request: where it goes, its header, its bytes. The first `text` bytes are JSON, if any."""

    path: str
    body: bytes
    headers: dict[str, str]
    text: int = 0


def binary_message(arrays: dict[str, Any]) -> Message:
    """An inference request with raw tensors, as Triton's client writes it."""
    inputs = []
    for name, array in arrays.items():
        datatype = np_to_triton_dtype(array.dtype)
        tensor = triton.InferInput(name, list(array.shape), datatype)
        inputs.append(tensor.set_data_from_numpy(array))
    body, length = triton.InferenceServerClient.generate_request_body(inputs, request_id="mutated")
    return Message(INFER, body, {LENGTH: str(length)}, length)


def grpc_message() -> bytes:
    """An inference request with raw tensors, as protobuf."""
    inputs = []
    for name, array in arrays_of().items():
        datatype = np_to_triton_dtype(array.dtype)
        tensor = triton_grpc.InferInput(name, list(array.shape), datatype)
        inputs.append(tensor.set_data_from_numpy(array))
    request = grpc_request(PROBLEM.name, inputs, "", "mutated", None, 0, False, False, 0, None, None)
    serialized: bytes = request.SerializeToString()
    return serialized


def valid_messages() -> list[Message]:
    """One or more of every protocol; raw tensors half of the time."""
    asked = instance()
    looked_up = {name: np.array([asked[name]], np.object_) for name in ("site", "opens_at")}
    raw = [binary_message(arrays_of()), binary_message(arrays_of(ROWS * 20))]
    tensors = [
        {"name": name, "shape": [len(ROWS)], "datatype": DATATYPES.get(name, "FP64"), "data": data}
        for name, data in columns_of().items()
    ]
    frame = pd.DataFrame(ROWS)
    split = {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}
    documents = [
        (INFER, {"id": "mutated", "inputs": tensors, "outputs": [{"name": "prediction"}]}),
        (PREDICT, {"instances": ROWS, "signature_name": "serving_default"}),
        (PREDICT, {"inputs": columns_of()}),
        (PREDICT, {"instances": [asked]}),
        ("/invocations", {"dataframe_split": split}),
        ("/invocations", {"dataframe_records": ROWS}),
    ]
    others = [_json_message(path, document) for path, document in documents]
    others.append(Message("/invocations", frame.to_csv(index=False).encode(), {"content-type": "text/csv"}))
    spaces = {"spaces": np.array([40]), "fee": np.array([np.nan])}
    return [*raw * 3, binary_message(looked_up | spaces), *others]


def _json_message(path: str, document: Any) -> Message:
    body = json.dumps(document).encode()
    return Message(path, body, {"content-type": "application/json"}, len(body))


def mutated(count: int, seed: int) -> Iterator[Message]:
    """So many spoiled messages, the same for the same seed."""
    chance = random.Random(seed)
    messages = valid_messages()
    for _ in range(count):
        message = chance.choice(messages)
        for _ in range(chance.randint(1, 3)):
            message = chance.choice(MUTATIONS)(message, chance)
        yield message


def mutated_bytes(body: bytes, count: int, seed: int) -> Iterator[bytes]:
    """So many spoiled copies of a message without a header."""
    chance = random.Random(seed)
    for _ in range(count):
        message = Message("", body, {})
        for _ in range(chance.randint(1, 3)):
            message = chance.choice((cut, flip, insert, repeat))(message, chance)
        yield message.body


def cut(message: Message, chance: random.Random) -> Message:
    return replace(message, body=message.body[: chance.randint(0, len(message.body))])


def flip(message: Message, chance: random.Random) -> Message:
    body = bytearray(message.body)
    for _ in range(chance.randint(1, 8)):
        if body:
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return replace(message, body=bytes(body))


def insert(message: Message, chance: random.Random) -> Message:
    place = chance.randint(0, len(message.body))
    return replace(
        message, body=message.body[:place] + chance.randbytes(chance.randint(1, 64)) + message.body[place:]
    )


def repeat(message: Message, chance: random.Random) -> Message:
    start = chance.randint(0, len(message.body))
    piece = message.body[start : start + chance.randint(1, 500)]
    return replace(message, body=message.body[:start] + piece * chance.randint(1, 20) + message.body[start:])


def lie_about_the_header(message: Message, chance: random.Random) -> Message:
    length = chance.choice([message.text - 1, message.text + 1, 0, 2**40, -1, len(message.body), "x", "", 7])
    return replace(message, headers={**message.headers, LENGTH: str(length)})


def change_the_document(message: Message, chance: random.Random) -> Message:
    """Put an absurd value, or another part of the document, somewhere in it; the raw bytes stay."""
    try:
        document = json.loads(message.body[: message.text])
    except ValueError:
        return message
    places = list(_places(document))
    if not places:
        return message
    holder, key = chance.choice(places)
    holder[key] = chance.choice(ABSURD) if chance.random() < 0.7 else json.loads(json.dumps(document))
    text = json.dumps(document).encode()
    headers = {**message.headers, LENGTH: str(len(text))} if LENGTH in message.headers else message.headers
    return replace(message, body=text + message.body[message.text :], headers=headers, text=len(text))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        yield from _places(inner)


def nest(message: Message, chance: random.Random) -> Message:
    """Depth without size."""
    depth = chance.choice([50, 300, 5_000])
    return replace(message, body=message.body[: chance.randint(0, message.text)] + b"[" * depth)


MUTATIONS: list[Callable[[Message, random.Random], Message]] = [
    *(cut, flip, insert, repeat, nest),
    *[lie_about_the_header] * 2,
    *[change_the_document] * 5,
]


def bulky_messages(size: int) -> list[Message]:
    """Bodies of about so many bytes that are made to become much more when they are read."""
    head = b'{"inputs":[{"name":"cars","shape":[1],"datatype":"FP64","data":['
    tensor = b'{"name":"cars","shape":[],"datatype":""}'
    texts = [
        (INFER, head + b",".join([b"[]"] * (size // 3 - 50)) + b"]}]}"),
        (INFER, b'{"inputs":[' + b",".join([tensor] * (size // 41 - 1)) + b"]}"),
        (PREDICT, b'{"instances":[' + b",".join([b"{}"] * (size // 3 - 50)) + b"]}"),
        (PREDICT, b'{"inputs":{' + b",".join(b'"%x":[]' % key for key in range(size // 12)) + b"}}"),
        ("/invocations", b'{"dataframe_split":{"columns":[],"data":[' + b"[]," * (size // 3 - 50) + b"[]]}}"),
    ]
    tables = [b"," * size, b"cars\n" * (size // 5), b'"' + b"\n" * (size - 1)]
    messages = [Message(path, body, {"content-type": "application/json"}) for path, body in texts]
    return messages + [Message("/invocations", body, {"content-type": "text/csv"}) for body in tables]


def bulky_grpc_messages(size: int) -> list[bytes]:
    """The same for protobuf: millions of empty inputs, outputs, raw contents and parameters."""
    name = PROBLEM.name.encode()
    named = bytes([1 << 3 | 2, len(name)]) + name
    return [named + bytes([field << 3 | 2, 0]) * (size // 2) for field in (4, 5, 6, 7)]

"""How the peers' requests are written: the graph's two inputs as JSON, in three layouts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

Wire = Literal["lists", "inputs", "tensors"]
Categories = Sequence[Sequence[str]]
Numbers = Sequence[Sequence[float]]


class Columns(msgspec.Struct, frozen=True):
    """The model's inputs by kind, in its order."""

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]


def write_json(document: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(document, separators=(",", ":")).encode()


def as_lists(categorical: Categories, numeric: Numbers) -> bytes:
    """BentoML's and LitServe's: the two lists."""
    return write_json({"categorical": categorical, "numeric": numeric})


def as_inputs(categorical: Categories, numeric: Numbers) -> bytes:
    """MLflow's: the two lists as its inputs."""
    return write_json({"inputs": {"categorical": categorical, "numeric": numeric}})


def as_tensors(categorical: Categories, numeric: Numbers) -> bytes:
    """MLServer's: two tensors of the Open Inference Protocol."""
    return write_json(
        {"inputs": [_tensor("categorical", "BYTES", categorical), _tensor("numeric", "FP32", numeric)]}
    )


WIRES: Mapping[Wire, Callable[[Categories, Numbers], bytes]] = {
    "lists": as_lists,
    "inputs": as_inputs,
    "tensors": as_tensors,
}


def from_feature_server(answer: bytes, columns: Columns, wire: Wire) -> bytes:
    """Make a peer's request of what Feast's feature server answered for one row; missing: empty or 0."""
    document = json.loads(answer)
    names = document["metadata"]["feature_names"]
    row = {name: result["values"][0] for name, result in zip(names, document["results"], strict=True)}
    categorical = [row[name] or "" for name in columns.categorical]
    return WIRES[wire]([categorical], [[row[name] or 0.0 for name in columns.numeric]])


def _tensor(name: str, kind: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    data = [value for row in rows for value in row]
    return {"name": name, "datatype": kind, "shape": [len(rows), len(rows[0])], "data": data}

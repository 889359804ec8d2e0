"""The output tensors: one element per row, in JSON or raw form."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inference.core.answer import Answer
from inference.errors import InvalidRequestError
from inference.protocols.errors import UnsupportedOperationError
from inference.protocols.open_inference.tensors import ARRAY_TYPES, BYTES, LENGTH_BYTES

CLASSIFICATION: Final = "classification"
SHARED_MEMORY: Final = "shared_memory_region"


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One output that every answer has: its datatype, and where in the answer it is."""

    datatype: str
    of: Callable[[Answer], Any]


OUTPUTS: Final[dict[str, OutputKind]] = {
    "prediction": OutputKind("FP64", lambda answer: answer.prediction),
    "model_version": OutputKind(BYTES, lambda answer: answer.model_version),
    "request_id": OutputKind(BYTES, lambda answer: answer.request_id),
    "degraded": OutputKind("BOOL", lambda answer: answer.degraded),
}


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that the caller asked for, and whether raw."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output's elements, in the order of the rows."""

    name: str
    datatype: str
    values: Sequence[Any]

    def raw(self) -> bytes:
        """The elements in the binary form."""
        if self.datatype != BYTES:
            return np.array(self.values, ARRAY_TYPES[self.datatype]).tobytes()
        return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in self.encoded())

    def encoded(self) -> list[bytes]:
        """The elements of a BYTES tensor."""
        return [value.encode() for value in self.values]


def output_tensor(name: str, answers: Sequence[Answer]) -> OutputTensor:
    """The output of this name for these answers."""
    kind = OUTPUTS[name]
    return OutputTensor(name, kind.datatype, [kind.of(answer) for answer in answers])


def one_version(answers: Sequence[Answer]) -> str | None:
    """The version that gave all the answers, or `None` where a rollout had several answer."""
    versions = {answer.model_version for answer in answers}
    return versions.pop() if len(versions) == 1 else None


def all_outputs(binary: bool) -> list[WantedOutput]:
    """Every output, as a request that names none gets them."""
    return [WantedOutput(name, binary) for name in OUTPUTS]


def require_output(name: str, parameters: Container[str]) -> None:
    """Check that an output exists and is asked for in a form that is offered.

    Raises:
        InvalidRequestError: there is no such output.
        UnsupportedOperationError: it is wanted as a classification or in shared memory.
    """
    if name not in OUTPUTS:
        raise InvalidRequestError(f"{name[:64]!r} is no output of this model; it has {', '.join(OUTPUTS)}")
    refuse_extensions(parameters)


def require_distinct(names: Sequence[str]) -> None:
    """Check that no output is asked for twice. Raises `InvalidRequestError`."""
    if len(set(names)) < len(names):
        raise InvalidRequestError("an output is asked for twice; ask for each once")


def refuse_extensions(parameters: Container[str]) -> None:
    """Refuse what would change a tensor and is not offered. Raises `UnsupportedOperationError`."""
    for extension in (CLASSIFICATION, SHARED_MEMORY):
        if extension in parameters:
            raise UnsupportedOperationError(f"{extension!r} is not offered; send and ask for plain tensors")

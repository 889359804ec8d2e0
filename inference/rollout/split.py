"""Which arm a request belongs to: deterministic, sticky by key, a growing share only adds callers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from inference.validation.schema import Question

Mode = Literal["shadow", "canary", "ab"]
REQUEST_ID: Final = "request_id"
SPACE: Final = 2**64


def position(salt: str, unit: str) -> float:
    """Where a unit lies in [0, 1): uniform over units, and independent from one salt to another."""
    digest = blake2b(f"{salt}\0{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / SPACE


def unit_of(key: str, request_id: str, fields: Mapping[str, object]) -> str:
    """What is kept together: the value of `key`; the request itself where that is the key or has no value.

    A value is named by its text, so that the service and a reader of its log name it alike.
    """
    value = None if key == REQUEST_ID else fields.get(key)
    return request_id if value is None else f"{key}={value}"


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what at one step of a rollout: `share` of the units belongs to the challenger.

    A unit is the challenger's when its position is below `share`; so raising the share moves units from the
    champion to the challenger only, and never back.
    """

    mode: Mode
    share: float
    key: str
    salt: str

    def answers(self, question: "Question") -> bool:
        """Whether the challenger answers this question."""
        if self.mode == "shadow":
            return False
        return position(self.salt, unit_of(self.key, question.request_id, question.fields)) < self.share

    def shadows(self, question: "Question") -> bool:  # noqa: ARG002 - who is shadowed may come to depend on it
        """Whether the challenger scores this question unseen."""
        return self.mode == "shadow"

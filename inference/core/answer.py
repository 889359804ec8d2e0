"""What a caller is told, and in which role a model told it."""

import msgspec

from inference.documents import Role


class Reason(msgspec.Struct, frozen=True, gc=False):
    """What one feature contributed to a prediction, and the same in the problem's words."""

    feature: str
    value: str | float | None
    contribution: float
    text: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a caller was told: the prediction, who made it, and which features were not as known.

    `degraded`: some were not read, since the online store was away; `defaulted` names them. `reasons` are
    there when they were asked for.
    """

    request_id: str
    prediction: float
    model_version: str
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    defaulted: tuple[str, ...]
    degraded: bool
    role: Role
    reasons: tuple[Reason, ...] | None = None

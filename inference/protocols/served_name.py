"""Which model a foreign address means: this service serves one, under the problem's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inference.documents import Role
from inference.model_loading.served_model import ServedModel
from inference.protocols.errors import UnknownModelError, VersionUndecidedError
from inference.protocols.signatures import Signatures
from inference.rest.application_state import ApplicationState
from inference.validation.schema import Question

CHAMPION: Final[Role] = "champion"


@dataclass(frozen=True, slots=True)
class Address:
    """A model's name, and a version or a label; without either, whichever version is served is meant."""

    name: str
    version: str = ""
    label: str = ""


def addressed_model(state: ApplicationState, address: Address) -> ServedModel:
    """The served model that the address means.

    Raises:
        UnknownModelError: another name, or a version or label that is not served.
        NoModelError: no model is loaded (yet).
    """
    name, version, label = address.name, address.version, address.label
    if name != state.schema.problem.name:
        raise UnknownModelError(
            f"no model {name[:64]!r} is served here; this service serves {state.schema.problem.name!r}"
        )
    if label and label != state.settings.alias:
        raise UnknownModelError(f"no label {label[:64]!r} is followed here; {state.settings.alias!r} is")
    served = state.follower.require_serving().champion
    if version and version != served.version:
        raise UnknownModelError(
            f"version {version[:64]!r} is not served here, {served.version!r} is; leave the version out to "
            "have whichever is served"
        )
    return served


def require_version(state: ApplicationState, address: Address, questions: Sequence[Question]) -> None:
    """Check, where a version is demanded, that no rollout gives a question to another one.

    Raises:
        VersionUndecidedError: it does.
    """
    serving = state.follower.serving
    if address.version and serving and any(serving.choose(question)[0] != CHAMPION for question in questions):
        raise VersionUndecidedError(
            f"a rollout has another version than {address.version!r} answer this; leave the version out"
        )


def signatures_of(state: ApplicationState, model: ServedModel) -> Signatures:
    """The ways to ask this model."""
    return Signatures(model.columns, state.schema.problem.fields, state.settings.replay)

"""What one caller asks of one model: a request's questions, divided by who is to answer them."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from inference.documents import ErrorItem, Role
from inference.errors import InvalidRequestError, LogUnavailableError, RequestIdConflictError
from inference.model_loading.serving_set import ServingSet
from inference.observability.call import Call
from inference.validation.feature_rows import FeatureRow
from inference.validation.given_features import GivenFeaturesError
from inference.validation.limits import LISTED_ERRORS

if TYPE_CHECKING:
    from inference.model_loading.served_model import ServedModel
    from inference.validation.schema import Question

# These are no model's fault, so that another model would fail likewise.
SHARED_FAILURES: Final = (LogUnavailableError, RequestIdConflictError)


class BatchKey(NamedTuple):
    """What may be scored together: one model in one role, features looked up or given."""

    model: "ServedModel"
    role: Role
    given: bool


class BatchedRequest(msgspec.Struct, frozen=True, gc=False):
    """Questions of one call with one key, and their places in it.

    `rows` are the features given; `None`: they are to be looked up. `since` is `perf_counter()`.
    """

    key: BatchKey
    call: Call
    places: Sequence[int]
    questions: "Sequence[Question]"
    rows: Sequence[FeatureRow] | None
    since: float

    @property
    def size(self) -> int:
        """The number of questions."""
        return len(self.questions)


def ask(key: BatchKey, questions: "Sequence[Question]", call: Call) -> BatchedRequest:
    """Ask all of one model.

    Raises:
        InvalidRequestError: the features given are not those that the model reads; items say which.
    """
    return _ask(key, range(len(questions)), questions, call)


def divide(serving: ServingSet, questions: "Sequence[Question]", call: Call) -> list[BatchedRequest]:
    """Give each question to the model that answers it; what a challenger cannot read goes to the champion.

    Raises:
        InvalidRequestError: the features given are not those that the model reads; items say which.
    """
    if serving.challenger is None:
        looked_up = [question.features for question in questions].count(None)
        if looked_up in (0, len(questions)):
            return [ask(BatchKey(serving.champion, "champion", not looked_up), questions, call)]
    chosen: dict[BatchKey, list[int]] = {}
    for place, question in enumerate(questions):
        role, model = serving.choose(question)
        chosen.setdefault(BatchKey(model, role, question.features is not None), []).append(place)
    return [_ask_readable(serving, key, places, questions, call) for key, places in chosen.items()]


def ask_champion(serving: ServingSet, request: BatchedRequest, error: Exception) -> BatchedRequest:
    """Ask the champion instead of a challenger that failed with `error`.

    Raises:
        Exception: `error`, where it was not the challenger's own.
    """
    if request.key.role != "challenger" or isinstance(error, SHARED_FAILURES):
        raise error
    key = BatchKey(serving.champion, "champion", request.key.given)
    return _ask(key, request.places, request.questions, request.call)


def _ask_readable(
    serving: ServingSet, key: BatchKey, places: Sequence[int], questions: "Sequence[Question]", call: Call
) -> BatchedRequest:
    own = [questions[place] for place in places]
    try:
        return _ask(key, places, own, call)
    except InvalidRequestError:
        if key.role != "challenger":
            raise
        return _ask(BatchKey(serving.champion, "champion", key.given), places, own, call)


def _ask(key: BatchKey, places: Sequence[int], questions: "Sequence[Question]", call: Call) -> BatchedRequest:
    rows = _read_given(key.model, places, questions) if key.given else None
    return BatchedRequest(key, call, places, questions, rows, perf_counter())


def _read_given(
    model: "ServedModel", places: Sequence[int], questions: "Sequence[Question]"
) -> list[FeatureRow]:
    rows: list[FeatureRow] = []
    wrong: list[ErrorItem] = []
    for place, question in zip(places, questions, strict=True):
        if isinstance(question.features, FeatureRow):
            rows.append(question.features)
            continue
        try:
            rows.append(model.inputs.given(question.features or {}))
        except GivenFeaturesError as error:
            wrong.extend(error.items(place))
        if len(wrong) >= LISTED_ERRORS:
            break
    if wrong:
        number = f"{LISTED_ERRORS} or more" if len(wrong) >= LISTED_ERRORS else len(wrong)
        raise InvalidRequestError(
            f"{number} features are not as version {model.version} reads them, nothing was predicted; "
            "correct what items names and send again",
            wrong[:LISTED_ERRORS],
        )
    return rows

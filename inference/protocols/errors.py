"""What other protocols refuse besides what the core does."""

from inference.errors import InferenceError, InvalidRequestError

SHOWN_ITEMS = 10


class UnknownModelError(InferenceError):
    """The address names a model, a version or a label that is not served here."""

    status, code = 404, "unknown_model"


class UnknownServiceError(InferenceError):
    """A health check names a service that is not offered here."""

    status, code = 404, "unknown_service"


class UnroutableError(InferenceError):
    """The router refuses the request."""

    status, code = 400, "http_error"


class UnknownPathError(InferenceError):
    """No route answers this path."""

    status, code = 404, "http_error"


class WrongMethodError(InferenceError):
    """The path is answered, but not for this verb."""

    status, code = 405, "http_error"


class VersionUndecidedError(InferenceError):
    """The address names a version, and a rollout has another one answer."""

    status, code = 409, "version_undecided"


class UnsupportedOperationError(InferenceError):
    """The protocol knows the operation; this service does not offer it."""

    status, code = 400, "unsupported_operation"


class TooSlowError(InferenceError):
    """The message did not arrive in time."""

    status, code = 408, "too_slow"


class MalformedTensorError(InvalidRequestError):
    """A tensor contradicts itself: its shape, its datatype and its contents do not fit each other."""

    code = "malformed_tensor"


def foreign_status(error: InferenceError) -> int:
    """The HTTP status of an error in protocols that know no 422: what is wrong with a request is a 400."""
    return 400 if error.status == 422 else error.status


def one_message(error: InferenceError) -> str:
    """The error and its first `SHOWN_ITEMS` items in one text, for protocols whose errors are a text."""
    parts = [f"row {item.index}: {item.message}" for item in error.items[:SHOWN_ITEMS]]
    return "; ".join([error.message, *parts])

"""What the service answers when it cannot predict: a status, a code, and what to do next."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

from inference.documents import ErrorBody, ErrorDocument, ErrorItem

UNEXPECTED: Final = ErrorDocument(
    error=ErrorBody(code="internal", message="the service failed; nothing was answered, its own log says why")
)


class InferenceError(Exception):
    """Base of this room's errors. Nothing of the request was logged when one is answered.

    `headers` are answered with it, such as `Retry-After`. `message` is for every caller; `detail`, which may
    name paths and statements, is said in its stead to callers with the scope `admin`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        items: Sequence[ErrorItem] = (),
        headers: Mapping[str, str] | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.items, self.detail = message, tuple(items), detail
        self.headers: Mapping[str, str] = headers or {}

    def in_detail(self) -> Self:
        """The same error for callers with the scope `admin`; others may be told this one at the same time."""
        told = type(self).__new__(type(self), self.message)
        told.__dict__.update(self.__dict__, message=self.detail or self.message)
        return told

    def document(self) -> ErrorDocument:
        """The body of the answer."""
        return ErrorDocument(error=ErrorBody(code=self.code, message=self.message, items=self.items))


class MalformedBodyError(InferenceError):
    """The body is no JSON."""

    status, code = 400, "malformed_json"


class InvalidRequestError(InferenceError):
    """The body is JSON, but not a prediction request; `items` names each field."""

    status, code = 422, "invalid_request"


class TooManyItemsError(InferenceError):
    """The request carries more instances than the service takes at once."""

    status, code = 413, "too_many_items"


class BodyTooLargeError(InferenceError):
    """The request carries more bytes than the service takes at once."""

    status, code = 413, "body_too_large"


class UnsupportedMediaTypeError(InferenceError):
    """The body is in a format or a content encoding that is not read here."""

    status, code = 415, "unsupported_media_type"


class UnreadableBodyError(InferenceError):
    """The body is not what its content encoding says."""

    status, code = 400, "unreadable_body"


class RequestIdConflictError(InferenceError):
    """A request id was answered before for another request of the same caller."""

    status, code = 409, "request_id_reused"


class NoModelError(InferenceError):
    """No model is loaded (yet)."""

    status, code = 503, "no_model"

    @classmethod
    def because(cls, reason: str) -> Self:
        """None is served, for a reason that may name paths and statements."""
        return cls(
            "no model is loaded yet; /health/ready says why to callers with the scope admin", detail=reason
        )


class FeaturesUnavailableError(InferenceError):
    """The feature repository no longer computes what it declares."""

    status, code = 503, "features_unavailable"


class LogUnavailableError(InferenceError):
    """The prediction log cannot be written, so nothing may be answered."""

    status, code = 503, "log_unavailable"


class OverloadedError(InferenceError):
    """More is asked than can be answered soon; `Retry-After` says when to ask again."""

    status, code = 503, "overloaded"


class ScoringError(InferenceError):
    """The model answered something that is no number."""

    status, code = 500, "scoring_failed"


class ExplanationUnavailableError(InferenceError):
    """This model version cannot be explained; its predictions can be had without."""

    status, code = 422, "explanation_unavailable"


class ModelRefusedError(Exception):
    """A registered version cannot be served: it contradicts the problem or the feature service."""


class PortTakenError(Exception):
    """Another process listens on the port."""


class NotStartedError(Exception):
    """The application could not be started."""


class BatchInputError(Exception):
    """The file to be scored is missing, unreadable, or lacks columns."""

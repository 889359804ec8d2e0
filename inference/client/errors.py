"""Why a call brought no answer: one class for each of the service's error codes, and for silence."""

from typing import ClassVar

from inference.documents import ErrorBody, ErrorItem


class RoundtripError(Exception):
    """Base of the client's errors."""


class NoAnswerError(RoundtripError):
    """The service could not be reached, or did not answer in time, however often it was tried."""


class UnreadableAnswerError(RoundtripError):
    """Something answered, but not as this service is described; look at the address and the versions."""


class RefusedError(RoundtripError):
    """The service answered with an error: its status, code, message, and what is wrong with which instance.

    `request_id` finds the request in the service's logs; `retry_after` are the seconds after which it may be
    sent again, where the service says so.
    """

    code: ClassVar[str | None] = None

    def __init__(self, status: int, body: ErrorBody, request_id: str, retry_after: float | None) -> None:
        super().__init__(f"{status} {body.code}: {body.message} (request {request_id})")
        self.status, self.error_code, self.message = status, body.code, body.message
        self.items: tuple[ErrorItem, ...] = body.items
        self.request_id, self.retry_after = request_id, retry_after


class MalformedBodyError(RefusedError):
    """The body is no JSON."""

    code = "malformed_json"


class InvalidRequestError(RefusedError):
    """Not a prediction request as described; `items` name each wrong field."""

    code = "invalid_request"


class InvalidEventsError(RefusedError):
    """An event is not as the schema says, or cannot be true; `items` name each event and field."""

    code = "invalid_events"


class TooManyItemsError(RefusedError):
    """More instances or events than the service takes at once; send fewer at a time."""

    code = "too_many_items"


class BodyTooLargeError(RefusedError):
    """More bytes than the service takes at once; send fewer instances at a time."""

    code = "body_too_large"


class UnsupportedMediaTypeError(RefusedError):
    """The body is not in a format that the service reads."""

    code = "unsupported_media_type"


class UnreadableBodyError(RefusedError):
    """The body is not what its content encoding says."""

    code = "unreadable_body"


class RequestIdConflictError(RefusedError):
    """An instance's request id was answered before for another request; give each instance its own."""

    code = "request_id_reused"


class EventIdConflictError(RefusedError):
    """An event id was taken before for another event."""

    code = "event_id_reused"


class ExplanationUnavailableError(RefusedError):
    """Reasons were asked for, but this model has none; ask without `explain`."""

    code = "explanation_unavailable"


class UnauthenticatedError(RefusedError):
    """No credentials, or none that are valid."""

    code = "unauthenticated"


class ForbiddenError(RefusedError):
    """The credentials lack the scope that this needs."""

    code = "forbidden"


class ForeignHostError(RefusedError):
    """The service asks for no credentials, and does not answer to this name; call it by its own."""

    code = "foreign_host"


class ForeignOriginError(RefusedError):
    """The service asks for no credentials, and the request names another site's page as its origin."""

    code = "foreign_origin"


class RateLimitedError(RefusedError):
    """The caller asks more often than it may."""

    code = "rate_limited"


class IssuerUnavailableError(RefusedError):
    """A token cannot be checked just now."""

    code = "issuer_unavailable"


class NoModelError(RefusedError):
    """No model is loaded (yet)."""

    code = "no_model"


class NoEventsError(RefusedError):
    """The service's feature repository takes no events."""

    code = "no_events"


class FeaturesUnavailableError(RefusedError):
    """The feature repository no longer computes what it declares."""

    code = "features_unavailable"


class LogUnavailableError(RefusedError):
    """The prediction log cannot be written, so nothing is answered."""

    code = "log_unavailable"


class OverloadedError(RefusedError):
    """More is asked of the service than it can answer soon."""

    code = "overloaded"


class EventsUnavailableError(RefusedError):
    """Events cannot be made durable just now."""

    code = "events_unavailable"


class ScoringError(RefusedError):
    """The model answered something that is no number."""

    code = "scoring_failed"


class InternalError(RefusedError):
    """The service failed; its own log says why."""

    code = "internal"


def error_class(code: str) -> type[RefusedError]:
    """The class of a code; the base of them all for one that this client does not know."""
    return {known.code: known for known in RefusedError.__subclasses__()}.get(code, RefusedError)

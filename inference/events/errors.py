"""What the service answers when it cannot take events in; nothing of the request was taken."""

from inference.errors import InferenceError


class NoEventsError(InferenceError):
    """The feature repository takes no events."""

    status, code = 404, "no_events"


class MalformedEventsError(InferenceError):
    """The body is no JSON."""

    status, code = 400, "malformed_json"


class TooManyItemsAtOnceError(InferenceError):
    """The request carries more events than the service takes at once."""

    status, code = 413, "too_many_items"


class InvalidEventsError(InferenceError):
    """An event is not as the schema says, or cannot be true; `items` names each event and field."""

    status, code = 422, "invalid_events"


class EventIdConflictError(InferenceError):
    """An event id was taken before for another event."""

    status, code = 409, "event_id_reused"


class EventsUnavailableError(InferenceError):
    """Events cannot be made durable here, so none may be acknowledged."""

    status, code = 503, "events_unavailable"

"""What fails while the service answers: a code and a sentence for everybody, the reason for `admin`."""

from collections.abc import Iterator
from typing import Final

from inference.documents import ServiceWarning
from inference.model_loading.served_model import ServedModel
from inference.rest.application_state import ApplicationState

NOT_FOLLOWED: Final = "the registry, or what it names, cannot be followed; the served model goes on"
SENTENCES: Final = {
    "model_not_followed": NOT_FOLLOWED,
    "online_store_away": "the online store is away; features have their declared defaults",
    "device_unused": "the device that is configured cannot be used; another one scores",
    "log_impaired": "predictions are not logged where they belong, or wait to be sealed",
    "log_torn": "a crash of the machine left a segment of the prediction log without a whole line",
    "metrics_stale": "the figures of /metrics are not those of now",
    "requests_unlogged": "stderr takes no lines of the request log; they are dropped and counted",
    "credentials_stale": "keys, or the issuer's, cannot be read; those known hold",
}


def list_warnings(state: ApplicationState, served: ServedModel, detailed: bool) -> tuple[ServiceWarning, ...]:
    """The warnings; `detailed`: with reasons, which may name paths and statements."""
    return tuple(
        ServiceWarning(code=code, message=reason if detailed else SENTENCES[code])
        for code, reason in _reasons(state, served)
        if reason
    )


def _reasons(state: ApplicationState, served: ServedModel) -> Iterator[tuple[str, str | None]]:
    yield "model_not_followed", state.follower.trouble
    yield "online_store_away", served.reader.trouble
    yield "device_unused", served.scorer.warning
    yield "log_impaired", state.log.last_error
    yield "log_torn", state.log.torn
    yield "metrics_stale", state.metrics.trouble
    yield "requests_unlogged", state.observer.trouble
    for trouble in state.access.troubles:
        yield "credentials_stale", trouble

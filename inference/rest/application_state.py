"""The parts of a running service, as its routes reach them."""

from dataclasses import dataclass

from starlette.requests import Request

from contracts.problem import Problem
from inference.access.control import AccessControl
from inference.model_loading.model_follower import ModelFollower
from inference.observability.cost import Prices
from inference.observability.metrics import ServiceMetrics
from inference.observability.observer import RequestObserver, open_observer
from inference.prediction.admission import Admission
from inference.prediction.service import PredictionService
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import log_folder
from inference.prediction_log.writer import PredictionLog
from inference.settings import InferenceSettings
from inference.validation.schema import RequestSchema


@dataclass(frozen=True)
class ApplicationState:
    """One service: what it was configured with, what it follows, where it logs, how it answers."""

    settings: InferenceSettings
    schema: RequestSchema
    follower: ModelFollower
    log: PredictionLog
    metrics: ServiceMetrics
    observer: RequestObserver
    service: PredictionService
    access: AccessControl
    admission: Admission

    def close(self) -> None:
        """Stop following, seal the log, let go of the last figures, lines and traces."""
        self.access.close()
        self.follower.stop()
        self.service.close()
        self.log.close()
        self.observer.close()
        self.metrics.close()


def start_state(settings: InferenceSettings, problem: Problem, schema: RequestSchema) -> ApplicationState:
    """Open the log and begin to follow the registry; the first model is loaded in the background.

    Raises:
        AccessConfigurationError: what guards the service cannot work as it is configured.
        PseudonymKeyError: personal fields cannot be logged safely.
    """
    access = AccessControl.configured(settings, settings.serve_host)
    metrics = ServiceMetrics(Prices.declared(settings))
    observer = open_observer(settings, metrics)
    log = PredictionLog(
        log_folder(settings),
        settings.seal_rows,
        settings.seal_seconds,
        settings.remembered_requests,
        Pseudonyms.configured(settings, problem),
        settings.log_fallback,
        settings.log_durability,
    )
    follower = ModelFollower(settings, problem, on_load=metrics.record_model)
    metrics.watch(follower, log)
    follower.start()
    admission = Admission(settings.queue_target_ms / 1_000, settings.most_under_way)
    service = PredictionService(follower, log, metrics, admission, settings.inline_items)
    return ApplicationState(settings, schema, follower, log, metrics, observer, service, access, admission)


def state_of(request: Request) -> ApplicationState:
    """The state of the application that this request came to."""
    state: ApplicationState = request.app.state.running
    return state

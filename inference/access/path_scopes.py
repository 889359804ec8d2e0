"""What each path asks of its caller; one that is not named here asks for `admin`."""

from typing import Final

from inference.access.caller import Scope

METRICS: Final = "/metrics"
# That the service is up: what probes ask, which send whatever address they were given as Host.
HEALTH_PATHS: Final = frozenset(
    {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/ping", "/health"}
)
# And how it is spoken to: what a newcomer asks before they have a key.
OPEN_PATHS: Final = HEALTH_PATHS | {"/docs", "/openapi.json"}
DOCS_PARTS: Final = "/docs/parts"
# What a caller needs to be answered: predictions, and what describes the model that answers.
PREDICT_ROOTS: Final = (
    "/v1/predict",
    "/v1/model",
    "/v1/models",
    "/v2",
    "/invocations",
    "/version",
)
# Whoever writes events moves the features that everybody's predictions are made from.
EVENTS_ROOTS: Final = ("/v1/events",)
# Loading and unloading models by hand lies below the protocol's own root.
ADMIN_ROOTS: Final = ("/v2/repository",)


def required_scope(path: str, open_metrics: bool = False) -> Scope | None:
    """The scope that a path asks for, whatever the verb; `None`: no credentials."""
    if path in OPEN_PATHS or _is_below(path, (DOCS_PARTS,)) or (open_metrics and path == METRICS):
        return None
    if _is_below(path, EVENTS_ROOTS):
        return "events"
    if _is_below(path, PREDICT_ROOTS) and not _is_below(path, ADMIN_ROOTS):
        return "predict"
    return "admin"


def _is_below(path: str, roots: tuple[str, ...]) -> bool:
    """Whether the path is one of the roots or continues it with `/`, or with a `:verb`."""
    return any(path == root or path.startswith((f"{root}/", f"{root}:")) for root in roots)

"""`/v1/model`: what is served, since when, on what grounds."""

from fastapi import APIRouter, Request

from inference.documents import ErrorDocument, FeatureColumn, Follower, Model, SchemaVersions, Window
from inference.model_loading.model_follower import ModelFollower
from inference.model_loading.served_model import ServedModel
from inference.prediction_log.schema import SCHEMA_VERSION
from inference.rest.application_state import state_of
from inference.rest.health_warnings import NOT_FOLLOWED
from inference.rest.responses import API_VERSION, describe_refusals

router = APIRouter(prefix="/v1", tags=["model"])


@router.get("/model", responses=describe_refusals(ErrorDocument, {503: "No model is loaded yet."}))
async def get_model(request: Request) -> Model:
    """The served version with its contract, its card, and how following the registry goes."""
    state = state_of(request)
    served = state.follower.require_serving().champion
    detailed = state.access.allows(request.scope["headers"], "admin")
    return describe_model(served, state.settings.alias, state.follower, detailed)


def describe_model(served: ServedModel, alias: str, follower: ModelFollower, detailed: bool) -> Model:
    """The document of a served model; `detailed`: with the reason why following fails."""
    contract = served.bundle.contract
    trouble = follower.trouble
    return Model(
        name=served.ref.name,
        version=served.version,
        alias=alias,
        since=served.since,
        family=contract.family,
        feature_service=contract.feature_service,
        columns=tuple(FeatureColumn(name=column.name, kind=column.kind) for column in contract.columns),
        as_of=contract.as_of,
        windows={name: Window(**dict(window)) for name, window in contract.windows.items()},
        metrics=contract.metrics,
        card=served.bundle.card,
        schemas=SchemaVersions(
            api=API_VERSION,
            bundle=contract.schema_version,
            prediction_log=SCHEMA_VERSION,
            problem=contract.problem_version,
        ),
        follower=Follower(
            checked_at=follower.state.checked_at,
            error=NOT_FOLLOWED if trouble and not detailed else trouble,
            refused_version=follower.state.refused_version,
            failures=follower.state.failures_total,
        ),
    )

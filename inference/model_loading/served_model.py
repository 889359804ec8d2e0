"""One model version ready to serve: bundle, session and feature reader that belong together, warmed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from contracts.bundle.reader import Bundle, read_bundle
from contracts.bundle.runtime import open_scorer
from contracts.bundle.scorer import MatrixScorer
from contracts.problem import Problem
from contracts.registry import ModelVersionRef, fetch_bundle
from features.online.cache import CachedOnlineReader
from features.online.reader import OnlineReader
from features.schema.feature_column import FeatureColumn
from inference.errors import ModelRefusedError
from inference.prediction_log.schema import feature_types, key_types
from inference.prediction_log.segment import Layout
from inference.sandbox.sandbox import require_bounded
from inference.settings import InferenceSettings
from inference.validation.feature_rows import ModelInputs
from inference.validation.schema import example_instance

if TYPE_CHECKING:
    from inference.explanation.explainer import Explainer

logger = logging.getLogger(__name__)

WARM_UP_ROWS = (1, 32, 256)
# One thread is the fastest for a few rows: handing work to others costs more than they save.
SCORING_THREADS = 1
# From here on several threads are faster, if there are any.
BULK_ROWS = 128


@dataclass(frozen=True, eq=False)
class ServedModel:
    """What one answer is made with. A request takes one reference, so that no answer mixes versions."""

    problem: Problem
    ref: ModelVersionRef
    bundle: Bundle
    scorer: MatrixScorer
    bulk_scorer: MatrixScorer
    reader: CachedOnlineReader
    layout: Layout
    since: datetime

    @property
    def version(self) -> str:
        """The registered version."""
        return self.ref.version

    @cached_property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The model's inputs, in order."""
        return self.bundle.contract.columns

    @cached_property
    def inputs(self) -> ModelInputs:
        """Makes the model's rows and arrays."""
        return ModelInputs(self.columns)

    @cached_property
    def explainer(self) -> "Explainer":
        """What explains this version; loaded when it is first asked for, in up to a second.

        Raises:
            ExplanationUnavailableError: nothing in the bundle lets it be explained.
        """
        from inference.explanation.explainer import explainer_of  # most services never explain

        return explainer_of(self.bundle, self.problem)

    def scorer_for(self, rows: int) -> MatrixScorer:
        """The session with the right threads for so many rows."""
        return self.scorer if rows < BULK_ROWS else self.bulk_scorer


def load_model(settings: InferenceSettings, problem: Problem, ref: ModelVersionRef) -> ServedModel:
    """Fetch, verify, try out, open and warm one registered version.

    Raises:
        BundleError, ScorerError, GraphSafetyError, FeatureError: what each part says.
        ModelRefusedError: the bundle is for another problem, the feature service lacks its inputs, or it
            takes more memory or time than it may.
    """
    bundle = read_bundle(fetch_bundle(settings.registry, ref), ref.digest)
    contract = bundle.contract
    if contract.problem != problem.name:
        raise ModelRefusedError(
            f"version {ref.version} predicts {contract.problem!r}, not {problem.name!r}; roll back"
        )
    online = OnlineReader(settings.features, contract.feature_service)
    reader = CachedOnlineReader(online, settings.fresh_seconds)
    require_columns(contract.columns, reader.columns, contract.feature_service)
    require_bounded(settings, bundle, ref.digest)
    layout = Layout(key_types(problem.fields), feature_types(contract.columns))
    scorer = open_scorer(bundle, SCORING_THREADS, settings.device, settings.network_runtime)
    if scorer.warning:
        logger.warning("version %s: %s", ref.version, scorer.warning)
    bulk_scorer = _open_bulk_scorer(settings, bundle, scorer)
    model = ServedModel(problem, ref, bundle, scorer, bulk_scorer, reader, layout, datetime.now(UTC))
    _warm(model, problem)
    return model


def _open_bulk_scorer(settings: InferenceSettings, bundle: Bundle, scorer: MatrixScorer) -> MatrixScorer:
    """A session with more threads; the same one where there are none to have, or where a GPU scores."""
    if settings.bulk_threads == SCORING_THREADS or scorer.device != "cpu":
        return scorer
    return open_scorer(bundle, settings.bulk_threads, settings.device, settings.network_runtime)


def require_columns(wanted: Sequence[FeatureColumn], offered: Sequence[FeatureColumn], service: str) -> None:
    """Check that the feature service still offers the model's inputs.

    Raises:
        ModelRefusedError: it lacks some, or offers them as another kind; the message names them.
    """
    kinds = {column.name: column.kind for column in offered}
    lacking = [column.name for column in wanted if kinds.get(column.name) != column.kind]
    if lacking:
        raise ModelRefusedError(
            f"feature service {service!r} does not offer {lacking} as the model reads them; "
            "apply the feature repository the model was trained on, or train again"
        )


def _warm(model: ServedModel, problem: Problem) -> None:
    """Run whole predictions before the first caller does; a model that answers no number is refused.

    An online store that is away does not keep a model from being served.
    """
    fields = _example_fields(problem)
    for rows in WARM_UP_ROWS:
        served = model.reader.read_blocking([fields] * rows, [model.since] * rows)
        matrix = model.inputs.matrix(list(map(model.inputs.served, served)))
        predictions = model.scorer_for(rows).score_matrix(matrix)
        if predictions.shape != (rows,) or not np.isfinite(predictions).all():
            raise ModelRefusedError(f"version {model.version} answers no number for the example; roll back")


def _example_fields(problem: Problem) -> dict[str, object]:
    parse = TypeAdapter(datetime).validate_python
    stamps = {field.name for field in problem.fields if field.dtype == "timestamp"}
    return {
        name: parse(value).astimezone(UTC) if name in stamps else value
        for name, value in example_instance(problem).items()
    }

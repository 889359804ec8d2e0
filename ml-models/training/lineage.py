"""A training in lineage: what it read (service, examples, outcomes), which model version came of it.

The run's id is MLflow's own, written as a UUID, so that either leads to the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from contracts.problem import Problem
from features.contract import EXAMPLES, OUTCOMES
from features.lineage.facets import file_facet, version_facet
from features.lineage.names import Dataset, model_version, table_name
from features.lineage.run import RecordedRun, recorded_run
from features.settings import FeatureSettings
from training.outcome import TrainingRequest


@dataclass
class TrainingRecord:
    """What a training says of itself as it goes: the training set's fingerprint, the registered version."""

    problem: Problem
    fingerprint: str = ""
    version: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def describe(self, run: RecordedRun) -> None:
        """Fill the run in with what is known by now."""
        run.tags |= self.tags
        if self.fingerprint:
            service = Dataset(run.namespace, self.problem.feature_service)
            tables = {Dataset(run.namespace, table_name(table)): table for table in (EXAMPLES, OUTCOMES)}
            run.inputs[service] = version_facet(self.fingerprint)
            run.inputs |= {which: file_facet(run.settings.tables / table) for which, table in tables.items()}
        if self.version:
            run.outputs[model_version(self.problem.name, self.version)] = {}


@contextmanager
def recorded_training(
    settings: FeatureSettings, problem: Problem, request: TrainingRequest, run_id: str, code_version: str
) -> Iterator[TrainingRecord]:
    """Record the body as the training run of MLflow's `run_id`; the body fills the record in."""
    tags = {"as_of": request.as_of.isoformat(), "mlflow_run": run_id, "code": code_version}
    record = TrainingRecord(problem, tags=tags)
    with recorded_run(settings, f"train_{problem.name}", str(UUID(run_id)), record.describe):
        yield record

"""Log to MLflow: runs, parameters, metrics, the data set, files. Through the client only; no global state."""

import json
import math
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.evaluate import Evaluation
from contracts.problem import Problem
from contracts.registry import ARTIFACT_SCHEME, bundle_location, open_client
from contracts.settings import RegistrySettings
from training.dataset import TrainingSet
from training.errors import TrainingError
from training.staging import STAGING_TAG, end_abandoned_runs, staging_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT_TAG = "mlflow.parentRunId"
SOURCE_TAG = "mlflow.source.git.commit"
ALLOWED = re.compile(r"[^\w\-./ ]+")
LONGEST_PARAM = 500

Scalar = str | int | float


@dataclass(frozen=True)
class RunLog:
    """An open run: where its values and files go; `staging` is a folder that is gone when it has ended."""

    client: "MlflowClient"
    settings: RegistrySettings
    experiment_id: str
    run_id: str
    artifact_uri: str
    staging: Path

    def log_params(self, params: Mapping[str, Scalar]) -> None:
        """Log parameters; long values are cut."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in params.items()]
        self.client.log_batch(self.run_id, params=entries)

    def log_metrics(self, metrics: Mapping[str, float], prefix: str = "") -> None:
        """Log the finite ones; characters that MLflow does not take become `_`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        entries = [Metric(ALLOWED.sub("_", prefix + key), value, now, 0) for key, value in finite.items()]
        self.client.log_batch(self.run_id, metrics=entries)

    def log_evaluation(self, evaluation: Evaluation, prefix: str) -> None:
        """Log overall metrics, and those of slices as `prefix/column/value/metric`."""
        sliced = {
            f"slices/{column}/{value}/{name}": number
            for column, measured in evaluation.slices.items()
            for value, metrics in measured.items()
            for name, number in metrics.items()
        }
        self.log_metrics({**evaluation.overall, **sliced}, prefix)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_dataset(self, training_set: TrainingSet, problem: Problem) -> None:
        """Log the training set as the run's input, with its fingerprint, without reading it again."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {"feature_service": problem.feature_service, "as_of": training_set.as_of.isoformat()}
        dataset = Dataset(
            name=problem.name,
            digest=training_set.fingerprint[:36],
            source_type="feast",
            source=json.dumps(source),
            profile=json.dumps(
                {"num_rows": len(training_set.frame), "fingerprint": training_set.fingerprint}
            ),
        )
        self.client.log_inputs(
            self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        )

    def take_folder(self, folder: Path, artifact_path: str) -> str:
        """Move a folder into the run's artifacts; return its artifact URI.

        With SQLite it is moved below `artifact_root`, and the URI is relative to that. A server gets it sent.
        """
        if self.settings.tracking_db is None:
            self.client.log_artifacts(self.run_id, str(folder), artifact_path)
        else:
            target = self.settings.artifact_root / bundle_location(self.artifact_uri) / artifact_path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, target)
        return f"{self.artifact_uri}/{artifact_path}"


@contextmanager
def open_run(settings: RegistrySettings, problem: Problem, name: str, code_version: str) -> Iterator[RunLog]:
    """Open the run of one training; it ends FINISHED, or FAILED when the body raises.

    Runs that killed processes left open are ended first.
    """
    client = open_client(settings, create=True)
    experiment = _experiment(client, settings, problem.name)
    end_abandoned_runs(settings, client, experiment, problem.name)
    with staging_folder(settings, problem.name) as staging:
        log = _start(client, settings, experiment, name, staging, {SOURCE_TAG: code_version})
        with _ending(log):
            yield log


@contextmanager
def open_nested(parent: RunLog, name: str) -> Iterator[RunLog]:
    """Open a run below `parent`."""
    tags = {PARENT_TAG: parent.run_id}
    log = _start(parent.client, parent.settings, parent.experiment_id, name, parent.staging, tags)
    with _ending(log):
        yield log


def register(log: RunLog, problem: Problem, bundle_uri: str, tags: Mapping[str, str]) -> str:
    """Register the bundle as the next version of the problem's model; return the version."""
    _ensure_model(log.client, problem)
    version = log.client.create_model_version(
        problem.name, bundle_uri, run_id=log.run_id, tags=dict(tags), await_creation_for=0
    )
    return str(version.version)


def _ensure_model(client: "MlflowClient", problem: Problem) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(problem.name, description=problem.title)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment(client: "MlflowClient", settings: RegistrySettings, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return _usable(found.artifact_location, found.experiment_id, name, settings)
    location = None if settings.tracking_db is None else f"{ARTIFACT_SCHEME}{name}"
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        first = client.get_experiment_by_name(name)
        if first is None:
            raise
        return first.experiment_id  # another process was first


def _usable(location: str, experiment_id: str, name: str, settings: RegistrySettings) -> str:
    if settings.tracking_db is not None and not location.startswith(ARTIFACT_SCHEME):
        raise TrainingError(
            f"experiment {name} keeps its artifacts at {location}, which would not survive moving them; "
            "rename that experiment in MLflow and train again"
        )
    return experiment_id


def _start(
    client: "MlflowClient",
    settings: RegistrySettings,
    experiment: str,
    name: str,
    staging: Path,
    tags: dict[str, str],
) -> RunLog:
    run = client.create_run(experiment, run_name=name, tags={**tags, STAGING_TAG: staging.name})
    return RunLog(client, settings, experiment, run.info.run_id, run.info.artifact_uri, staging)


@contextmanager
def _ending(log: RunLog) -> Iterator[None]:
    try:
        yield
    except BaseException:
        log.client.set_terminated(log.run_id, status="FAILED")
        raise
    log.client.set_terminated(log.run_id, status="FINISHED")

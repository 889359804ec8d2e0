"""The history of rankings in MLflow: a run each, with a table, a figure and metrics; finds the last one."""

import json
from collections.abc import Mapping, Sequence

from contracts.problem import Problem
from contracts.registry import open_client
from contracts.settings import RegistrySettings
from training.provenance import code_version
from training.ranking.importance import RankedFeature, WindowImportance
from training.tracking import RunLog, open_run

KIND_TAG, KIND = "kind", "feature ranking"
SERVICE_TAG = "feature_service"
ARTIFACT, TABLE = "ranking", "ranking.json"
# MLflow's own mark of the artifacts that its pages show as tables.
TABLES_TAG = "mlflow.loggedArtifacts"
RANK_METRIC = "rank/"


def read_last_ranks(settings: RegistrySettings, problem: Problem) -> dict[str, int]:
    """Return each feature's rank in the last ranking of the problem's feature service, if there is one."""
    client = open_client(settings, create=True)
    experiment = client.get_experiment_by_name(problem.name)
    if experiment is None:
        return {}
    wanted = f"tags.{KIND_TAG} = '{KIND}' AND tags.{SERVICE_TAG} = '{problem.feature_service}'"
    finished = f"{wanted} AND attributes.status = 'FINISHED'"
    runs = client.search_runs(
        [experiment.experiment_id], finished, max_results=1, order_by=["attributes.start_time DESC"]
    )
    metrics = runs[0].data.metrics if runs else {}
    return {
        name.removeprefix(RANK_METRIC): int(value)
        for name, value in metrics.items()
        if name.startswith(RANK_METRIC)
    }


def log_ranking(
    settings: RegistrySettings,
    problem: Problem,
    params: Mapping[str, str | int | float],
    windows: Sequence[WindowImportance],
    ranking: Sequence[RankedFeature],
    confirmed: Mapping[str, float],
) -> str:
    """Log the ranking as a run of the problem's experiment and return the run's id."""
    name = f"rank {params['as_of']}"
    with open_run(settings, problem, name, code_version()) as log:
        tags = {KIND_TAG: KIND, SERVICE_TAG: problem.feature_service}
        log.set_tags({**tags, TABLES_TAG: json.dumps([{"path": f"{ARTIFACT}/{TABLE}", "type": "table"}])})
        log.log_params(params)
        log.log_metrics(_metrics(ranking, confirmed))
        _log_files(log, problem, windows, ranking)
    return log.run_id


def _metrics(ranking: Sequence[RankedFeature], confirmed: Mapping[str, float]) -> dict[str, float]:
    return {
        **{f"{RANK_METRIC}{feature.name}": float(feature.rank) for feature in ranking},
        **{f"importance/{feature.name}": feature.mean for feature in ranking},
        **{f"importance_std/{feature.name}": feature.std for feature in ranking},
        **confirmed,
    }


def _log_files(
    log: RunLog,
    problem: Problem,
    windows: Sequence[WindowImportance],
    ranking: Sequence[RankedFeature],
) -> None:
    from training.ranking.figure import draw_ranking  # imports matplotlib

    files = log.staging / ARTIFACT
    files.mkdir()
    (files / TABLE).write_text(json.dumps(_as_table(ranking)), encoding="utf-8")
    parts = [window.model_dump() for window in windows]
    (files / "windows.json").write_text(json.dumps(parts, indent=2), encoding="utf-8")
    draw_ranking(files / "importance.png", problem, ranking)
    log.take_folder(files, ARTIFACT)


def _as_table(ranking: Sequence[RankedFeature]) -> dict[str, list[object]]:
    columns = [name for name in RankedFeature.model_fields if name != "windows"]
    return {
        "columns": list[object](columns),
        "data": [[getattr(feature, name) for name in columns] for feature in ranking],
    }

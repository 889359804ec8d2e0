"""Evidently's reports: their verdict is the decision's, and the workspace shows them."""

from collections.abc import Callable
from datetime import UTC

import numpy as np
import pandas as pd
import pytest

from contracts.problem import Task
from inference.prediction_log.label_join import LABEL
from monitoring.ml.drift.evidently_library import load_evidently
from monitoring.ml.drift.population_stability import column_psi
from monitoring.ml.drift.window_reports import PREDICTION, Compared, WindowReports, WindowSamples
from monitoring.ml.monitor import Monitor
from monitoring.ml.reports.workspace import ReportWorkspace
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.windows.sampling import sample_rows
from tests.monitoring.orders import COLUMNS, POLICY, PROBLEM, START, WEEK, draw_orders
from tests.monitoring.world import live_through

END = START + WEEK


def make_reports(
    bigger: float = 0.0, blur: float = 0.0, rows: int = 900, task: Task = "binary"
) -> WindowReports:
    reference, current = draw_orders(START, rows, seed=1), draw_orders(START, rows, seed=2, bigger=bigger)
    current = current.assign(prediction=current[PREDICTION] ** (1 + blur))
    compared = COLUMNS[:4]
    names = [column.name for column in compared]
    labelled = [
        frame.rename(columns={PROBLEM.label.name: LABEL}).astype({LABEL: int if task == "binary" else float})
        for frame in (reference, current)
    ]
    return WindowReports(
        WindowSamples(
            task=task,
            policy=POLICY,
            compared=compared,
            features=Compared(reference[names], current[names]),
            predictions=Compared(reference[[PREDICTION]], current[[PREDICTION]]),
            labelled=Compared(*labelled),
        ),
        END,
    )


def test_evidently_decides_with_our_index_and_the_policys_effect_sizes() -> None:
    still, moved = make_reports().verdict, make_reports(bigger=1.5).verdict

    assert (still.drifted, still.dataset_drift, still.prediction_drift) == (0, False, False)
    assert (moved.drifted, moved.drifted_share, moved.dataset_drift) == (2, 0.5, True)


def test_the_prediction_has_its_own_verdict() -> None:
    verdict = make_reports(blur=1.5).verdict

    assert verdict.prediction_drift
    assert verdict.prediction_psi is not None
    assert verdict.prediction_psi > POLICY.prediction_psi
    assert not verdict.dataset_drift


def test_the_figures_beside_the_verdict_are_the_ones_evidently_computed() -> None:
    reports = make_reports(bigger=0.6)
    built = reports.build(plotted=4, metadata={})["data drift"]
    drifts = {
        result["config"]["column"]: float(result["value"])
        for result in built.dict()["metrics"]
        if "column" in result["config"]
    }

    assert drifts == pytest.approx(reports.verdict.feature_psi)
    features = reports.samples.features
    own = column_psi(features.reference["amount"], features.current["amount"], "numeric")
    assert drifts["amount"] == pytest.approx(own)


def test_a_regression_has_a_quality_report() -> None:
    built = make_reports(task="regression").build(plotted=1, metadata={})

    assert set(built) == {"data drift", "prediction drift", "quality"}
    assert any("RMSE" in result["metric_name"] for result in built["quality"].dict()["metrics"])


def test_a_sample_is_bounded_and_always_the_same() -> None:
    frame = pd.DataFrame({"value": np.arange(10_000)})

    sample = sample_rows(frame, 2_000)

    assert len(sample) == 2_000
    assert sample.equals(sample_rows(frame, 2_000))
    assert sample["value"].is_monotonic_increasing


@pytest.mark.usefixtures("no_orchestrator")
def test_the_workspace_shows_every_window_under_its_own_time(
    settings: MonitoringSettings, open_monitor: Callable[[MonitoringSettings], Monitor]
) -> None:
    live_through(settings, [draw_orders(START + n * WEEK, 1_200, seed=n, bigger=1.5) for n in range(2)])
    monitor = open_monitor(settings)
    decisions = [monitor.evaluate(START + (n + 1) * WEEK) for n in range(2)]
    assert monitor.reports.wait(60)

    workspace = load_evidently().ui.workspace.Workspace(str(settings.workspace))
    (project,) = workspace.list_projects()
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]

    assert project.name == PROBLEM.name
    assert len(ReportWorkspace(settings.workspace, PROBLEM).list_reports()) == len(runs)
    assert monitor.reports.last_error is None
    assert {(run.name, run.timestamp.astimezone(UTC)) for run in runs} == {
        (kind, decision.window_end)
        for decision in decisions
        for kind in ("data drift", "prediction drift", "quality")
    }
    assert {run.metadata["verdict"] for run in runs} == {"drifting", "retrain"}
    shown = {value.metric for panel in workspace.get_dashboard(project.id).panels for value in panel.values}
    assert shown <= {
        result.metric_value_location.metric.params["type"]
        for run in runs
        for result in run.metric_results.values()
    }
    assert {path.name[:10] for path in settings.html_dir.iterdir()} == {f"{decisions[1].window_end:%Y-%m-%d}"}


@pytest.mark.usefixtures("no_orchestrator")
def test_reports_written_again_replace_themselves(
    settings: MonitoringSettings, open_monitor: Callable[[MonitoringSettings], Monitor]
) -> None:
    live_through(settings, [draw_orders(START, 1_200, seed=1)])
    monitor = open_monitor(settings)
    monitor.evaluate(END)
    assert monitor.reports.wait(60)
    before = {path.name for path in settings.workspace.glob("*/snapshots/*.json")}

    written = monitor.write_reports(END)

    assert {path.name for path in settings.workspace.glob("*/snapshots/*.json")} == before
    assert {path.suffix for path in written} == {".json", ".html"}

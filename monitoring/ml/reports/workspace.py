"""The Evidently workspace: one project for the problem, its dashboard, and the reports of every window."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from contracts.problem import Problem, Task
from monitoring.ml.drift.evidently_library import load_evidently
from monitoring.ml.drift.window_reports import ReportKind
from monitoring.ml.errors import ReportError

if TYPE_CHECKING:
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Project, Workspace

QUALITY: Final[dict[Task, tuple[tuple[str, str, dict[str, str]], ...]]] = {
    "binary": (("Log loss", "LogLoss", {}), ("ROC AUC", "RocAuc", {})),
    "regression": (("RMSE", "RMSE", {}), ("Mean error", "MeanError", {"value_type": "mean"})),
}


class ReportWorkspace:
    """Writes reports to the workspace in `folder`; a report written again replaces itself."""

    def __init__(self, folder: Path, problem: Problem) -> None:
        self._folder, self._problem = folder, problem

    def write(self, decision_id: UUID, reports: "Mapping[ReportKind, Snapshot]") -> list[Path]:
        """Write a decision's reports and return their files.

        Raises:
            ReportError: the workspace cannot be written.
        """
        try:
            return [self._write(report_id(decision_id, kind), report) for kind, report in reports.items()]
        except OSError as error:
            raise ReportError(
                f"cannot write to {self._folder}; free space or fix its rights ({error})"
            ) from error

    def list_reports(self) -> list[UUID]:
        """The ids of every report of the problem."""
        return [UUID(str(report)) for report in self._workspace.list_runs(self.project.id)]

    @cached_property
    def project(self) -> "Project":
        """The problem's project, made with its dashboard when it is not there."""
        found = self._workspace.search_project(self._problem.name)
        return found[0] if found else self._create_project()

    @cached_property
    def _workspace(self) -> "Workspace":
        self._folder.mkdir(parents=True, exist_ok=True)
        workspace: Workspace = load_evidently().ui.workspace.Workspace(str(self._folder))
        return workspace

    def _create_project(self) -> "Project":
        project = self._workspace.create_project(self._problem.name, self._problem.title)
        self._workspace.save_dashboard(project.id, _dashboard(self._problem))
        return project

    def _write(self, snapshot_id: UUID, report: "Snapshot") -> Path:
        state, project = self._workspace.state, self.project
        state.write_snapshot(project.id, snapshot_id, report.to_snapshot_model())
        return self._folder / str(project.id) / "snapshots" / f"{snapshot_id}.json"


def report_id(decision_id: UUID, kind: ReportKind) -> UUID:
    """The id of a decision's report, always the same."""
    return uuid5(decision_id, kind)


def _dashboard(problem: Problem) -> Any:
    from evidently.sdk.models import DashboardModel, DashboardTabModel

    panels = _panels(problem)
    tab = DashboardTabModel(title="Overview", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)


def _panels(problem: Problem) -> list[Any]:
    drift = [
        _line("Share of drifting features", "DriftedColumnsCount", "data drift", value_type="share"),
        _line("Drift of the prediction (PSI)", "ValueDrift", "prediction drift", column="prediction"),
    ]
    return [
        *drift,
        *(_line(title, metric, "quality", **labels) for title, metric, labels in QUALITY[problem.task]),
    ]


def _line(title: str, metric: str, tag: ReportKind, **labels: str) -> Any:
    load_evidently()
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    value = PanelMetric(
        legend=title, tags=[tag], metric=f"evidently:metric_v2:{metric}", metric_labels=dict(labels)
    )
    return line_plot_panel(title=title, values=[value], size="half")

"""Turning an observed window into reports in the workspace, and into HTML where it will be read."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from contracts.problem import Problem
from monitoring.ml.decisions.record import Decision
from monitoring.ml.drift.window_reports import ReportKind
from monitoring.ml.observation import Observation
from monitoring.ml.reports.workspace import ReportWorkspace
from monitoring.ml.settings import MonitoringSettings

if TYPE_CHECKING:
    from evidently.core.report import Snapshot


class ReportWriter:
    """Writes a window's Evidently reports, one window at a time."""

    def __init__(self, settings: MonitoringSettings, problem: Problem) -> None:
        self._settings, self._lock = settings, Lock()
        self._workspace = ReportWorkspace(settings.workspace, problem)

    def write(self, decision: Decision, observation: Observation, html: bool) -> list[Path]:
        """Write the reports and return their files; a window below the minimum sample has none.

        Raises:
            ReportError: the workspace cannot be written.
        """
        if observation.reports is None:
            return []
        with self._lock:
            reports = observation.reports.build(self._settings.report_features, describe(decision))
            written = self._workspace.write(decision.decision_id, reports)
            if html:
                written += [self._write_html(decision, kind, report) for kind, report in reports.items()]
                self._forget_old_html()
        return written

    def _write_html(self, decision: Decision, kind: ReportKind, report: "Snapshot") -> Path:
        folder = self._settings.html_dir
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{decision.window_end:%Y-%m-%dT%H%M}-{kind.replace(' ', '-')}.html"
        report.save_html(str(path))
        return path

    def _forget_old_html(self) -> None:
        """Remove all but the last files written; the workspace keeps every report."""
        files = sorted(self._settings.html_dir.glob("*.html"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: -self._settings.html_kept]:
            path.unlink()


def describe(decision: Decision) -> dict[str, str]:
    """What each report says about the decision that it belongs to."""
    return {
        "decision_id": str(decision.decision_id),
        "window_start": decision.window_start.isoformat(),
        "window_end": decision.window_end.isoformat(),
        "champion": decision.champion,
        "verdict": decision.verdict,
        "reasons": "; ".join(decision.reasons),
    }

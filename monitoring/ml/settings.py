"""Where monitoring listens and writes: the room's configuration, read when used."""

from pathlib import Path

from pydantic import Field

from contracts.settings import RegistrySettings
from features.settings import FeatureSettings, Settings, part
from inference.settings import InferenceSettings

MAXIMUM_REPORT_ROWS = 5_000


class MonitoringSettings(Settings):
    """Monitoring, with the rooms that it watches; every value is `ROUNDTRIP_<NAME>` or its default.

    The orchestrator's address is Prefect's own `PREFECT_API_URL`.
    """

    features: FeatureSettings = part(FeatureSettings)
    registry: RegistrySettings = part(RegistrySettings)
    inference: InferenceSettings = part(InferenceSettings)

    monitor_host: str = Field(default="127.0.0.1", description="The address the monitor listens on.")
    monitor_port: int = Field(default=8010, ge=0, le=65_535, description="Its port; 0 takes a free one.")
    report_rows: int = Field(
        default=MAXIMUM_REPORT_ROWS,
        ge=100,
        le=MAXIMUM_REPORT_ROWS,
        description="Rows that a report is computed from, of the reference and of the window.",
    )
    report_features: int = Field(
        default=8, ge=1, description="Features that a report plots: those that moved most."
    )
    report_queue: int = Field(
        default=8, ge=1, description="Windows whose reports may wait; then an evaluation waits too."
    )

    html_kept: int = Field(default=9, ge=3, description="HTML reports kept: three per window, 4 MB each.")

    @property
    def monitoring_dir(self) -> Path:
        """The folder of everything this room produces."""
        return self.var / "monitoring"

    @property
    def decisions_file(self) -> Path:
        """The append-only record of decisions, a JSON line each."""
        return self.monitoring_dir / "decisions.jsonl"

    @property
    def workspace(self) -> Path:
        """The Evidently workspace: `evidently ui --workspace` shows it."""
        return self.monitoring_dir / "workspace"

    @property
    def feature_drift_dir(self) -> Path:
        """The weekly drift of the features: history, matrix and heat map."""
        return self.monitoring_dir / "feature-drift"

    @property
    def html_dir(self) -> Path:
        """Self-contained HTML reports of the windows that asked for retraining."""
        return self.monitoring_dir / "html"

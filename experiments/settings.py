"""Settings of the experiments, with those of the rooms they drive."""

from datetime import date, timedelta

from pydantic import Field

from contracts.settings import RegistrySettings
from features.settings import FeatureSettings, Settings, part
from inference.settings import InferenceSettings
from monitoring.ml.settings import MonitoringSettings
from training.settings import TrainingSettings


class ReplaySettings(Settings):
    """What the replay relives. Environment variables start with `ROUNDTRIP_REPLAY_`.

    It holds the settings of every process that it starts, so that a wrong one is found before hours of work.
    """

    features: FeatureSettings = part(FeatureSettings)
    registry: RegistrySettings = part(RegistrySettings)
    training: TrainingSettings = part(TrainingSettings)
    inference: InferenceSettings = part(InferenceSettings)
    monitoring: MonitoringSettings = part(MonitoringSettings)

    replay_seed: int = Field(
        2013, description="Draws the hours that are served online, before anything is scored."
    )
    replay_warm_up: timedelta = Field(
        timedelta(days=85),
        description="Least history before the first training; it starts on a month's first day.",
    )
    replay_start: date | None = Field(
        None, description="First day of the raw data to use; all of it when unset."
    )
    replay_end: date | None = Field(
        None, description="Day before which the raw data is used; all of it when unset."
    )
    replay_weeks: int | None = Field(
        None, ge=1, description="Relive only this many weeks; all of them when unset."
    )
    replay_hours_per_stratum: int = Field(
        1,
        ge=1,
        le=7,
        description="Of the seven hours of each week and hour of day, how many are served online.",
    )

"""The docks' own world: tables, an applied Feast repository, settings."""

from pathlib import Path

from features.apply import apply_repository
from features.settings import FeatureSettings
from tests.second_problem.tables import write_tables
from training.settings import TrainingSettings

REPOSITORY = Path(__file__).resolve().parent
PROBLEM_PATH = "tests.second_problem.problem:PROBLEM"


def dock_settings(var: Path) -> TrainingSettings:
    """Settings that know nothing but the docks."""
    features = FeatureSettings(var=var, problem=PROBLEM_PATH, feature_repo=REPOSITORY)
    return TrainingSettings(var=var, problem=PROBLEM_PATH, features=features)


def dock_environment(var: Path) -> dict[str, str]:
    """The same settings for a child process."""
    return {
        "ROUNDTRIP_VAR": str(var),
        "ROUNDTRIP_PROBLEM": PROBLEM_PATH,
        "ROUNDTRIP_FEATURE_REPO": str(REPOSITORY),
    }


def build_docks(var: Path) -> TrainingSettings:
    """Write the tables and apply the repository."""
    settings = dock_settings(var)
    write_tables(settings.features.tables)
    apply_repository(settings.features)
    return settings

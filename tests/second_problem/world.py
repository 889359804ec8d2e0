"""The docks' own world: tables, an applied Feast repository, settings."""

from pathlib import Path

from contracts.settings import TrainingSettings
from features.apply import apply_repository
from tests.second_problem.tables import write_tables

REPOSITORY = Path(__file__).resolve().parent
PROBLEM_PATH = "tests.second_problem.problem:PROBLEM"


def dock_settings(var: Path) -> TrainingSettings:
    """Settings that know nothing but the docks."""
    return TrainingSettings(var=var, problem=PROBLEM_PATH, feature_repo=REPOSITORY)


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
    write_tables(settings.tables)
    apply_repository(settings)
    return settings

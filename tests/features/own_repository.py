"""The feature repository of the problem that this repository is about, whichever it is."""

from pathlib import Path

from contracts.problem import load_problem
from features.settings import FeatureSettings


def own_repository() -> tuple[Path, str]:
    """Its folder, and its feature service."""
    settings = FeatureSettings()
    return settings.feature_repo, load_problem(settings.problem).feature_service

"""The trained world, as the training room's tests have it, and the settings of its registry."""

import pytest

from contracts.settings import RegistrySettings
from tests.training.conftest import settings as training_settings
from tests.training.conftest import world
from training.settings import TrainingSettings

__all__ = ["training_settings", "world"]


@pytest.fixture
def settings(training_settings: TrainingSettings) -> RegistrySettings:
    return training_settings.registry

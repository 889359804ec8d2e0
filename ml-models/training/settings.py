"""What training reads and writes: the one place of its configuration, read when used."""

from pydantic import Field

from contracts.settings import RegistrySettings
from features.settings import FeatureSettings, Settings, part


class TrainingSettings(Settings):
    """The features that are trained on, the registry that versions go to, and the seed."""

    features: FeatureSettings = part(FeatureSettings)
    registry: RegistrySettings = part(RegistrySettings)

    seed: int = Field(default=2013, ge=0, description="The seed of every fit.")

"""What can go wrong in the training room; every message says what to do next."""


class TrainingError(Exception):
    """Base of this room's errors."""


class DatasetError(TrainingError):
    """The training set cannot be built or breaks its schema."""


class EmptyWindowError(DatasetError):
    """A window holds too few labelled examples to be used."""


class SingleClassError(DatasetError):
    """A window of a binary problem holds only one class."""


class UnknownMetricError(TrainingError):
    """The problem names a metric that its task does not have."""


class RegistryError(TrainingError):
    """Base of what can be wrong with the registry."""


class RegistryUnavailableError(RegistryError):
    """The registry's database is missing, locked or unreadable."""


class UnknownVersionError(RegistryError):
    """The registry has no such model or version."""


class PromotionError(RegistryError):
    """Base of what can stop a promotion or a rollback."""


class StaleChampionError(PromotionError):
    """The champion is not the version that the caller expected."""


class NoPreviousVersionError(PromotionError):
    """There is no previous version to roll back to."""


class ChampionUnreadableError(PromotionError):
    """There is a champion, and it cannot be compared with: nothing may take its place unasked."""


class PromotionBusyError(PromotionError):
    """Another process has held the promotion lock for too long."""


class ParityError(TrainingError):
    """The exported graph does not answer as the fitted model does."""


class DeploymentError(TrainingError):
    """The deployment cannot be served."""


class OrchestratorUnavailableError(TrainingError):
    """The orchestrator that is named does not answer."""


class RankingError(TrainingError):
    """Features cannot be ranked as asked."""

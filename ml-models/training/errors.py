"""What can go wrong in the training room; every message says what to do next."""

from contracts.errors import ContractError


class TrainingError(ContractError):
    """Base of this room's errors."""


class DatasetError(TrainingError):
    """The training set cannot be built or breaks its schema."""


class EmptyWindowError(DatasetError):
    """A window holds too few labelled examples to be used."""


class SingleClassError(DatasetError):
    """A window of a binary problem holds only one class."""


class ParityError(TrainingError):
    """The exported graph does not answer as the fitted model does."""


class DeploymentError(TrainingError):
    """The deployment cannot be served."""


class OrchestratorUnavailableError(TrainingError):
    """The orchestrator that is named does not answer."""


class RankingError(TrainingError):
    """Features cannot be ranked as asked."""

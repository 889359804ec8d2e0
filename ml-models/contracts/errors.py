"""What can go wrong with what the rooms share; every message says what to do next."""


class ContractError(Exception):
    """Base of these errors, and of those of the training room."""


class UnknownMetricError(ContractError):
    """The problem names a metric that its task does not have."""


class RegistryError(ContractError):
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

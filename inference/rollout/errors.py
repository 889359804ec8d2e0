"""What can go wrong with a rollout; every message says what to do next."""


class RolloutError(Exception):
    """Base of this folder's errors."""


class RolloutRunningError(RolloutError):
    """Another rollout of the model is under way: there is one at a time."""


class NoRolloutError(RolloutError):
    """No rollout of the model is under way."""


class BadPolicyError(RolloutError):
    """The policy does not fit the problem, or lacks what cannot be derived."""


class ChallengerError(RolloutError):
    """The version that was named cannot be the challenger."""


class OutcomesUnreadableError(RolloutError):
    """The table of outcomes cannot be read just now, or contradicts itself."""


class RolloutBusyError(RolloutError):
    """Another process has held the lock on the model's rollouts for too long."""

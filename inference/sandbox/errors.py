"""Why a version did not pass when it was tried out."""

from inference.errors import ModelRefusedError


class LimitError(ModelRefusedError):
    """Opening, scoring and explaining it takes more memory or time than it may; the message says which."""


class CrashError(ModelRefusedError):
    """The process that tried it out died of it, or was killed by someone else."""

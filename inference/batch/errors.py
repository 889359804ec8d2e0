"""What can go wrong with a bulk run, each with what to do next."""

from inference.errors import BatchInputError


class BatchError(Exception):
    """Base of what stops a bulk run and is not its input's fault."""


class BatchBusyError(BatchError):
    """Another run is writing the same output."""


class UnwritableError(BatchError):
    """The output, its parts or the log cannot be written."""


class RayMissingError(BatchError):
    """Ray was asked for and is not installed."""


class ClusterError(BatchError):
    """The Ray cluster cannot be reached, or lost a part for good."""


class DamagedInputError(BatchInputError):
    """A file turned out to be damaged on the way; what was scored before it is kept."""

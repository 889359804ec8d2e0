"""What keeps an edge bundle from being written, each with what to do next."""


class EdgeError(Exception):
    """Base of what can go wrong with an export."""


class OutputTakenError(EdgeError):
    """The output folder holds something already."""


class EdgeParityError(EdgeError):
    """The exported model does not answer as the served one does; nothing was written."""


class SampleError(EdgeError):
    """The version's reference sample cannot be compared on."""

"""What keeps several workers from serving."""


class WorkersError(Exception):
    """The workers do not serve as they should; what they said themselves says why."""

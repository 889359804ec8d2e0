"""What can go wrong in the features room; every message says what to do next."""


class FeatureError(Exception):
    """Base of this room's errors."""


class RawDataError(FeatureError):
    """A raw file is missing, truncated or not what it should be; the message names the file."""


class TableMissingError(FeatureError):
    """A table that should have been built is not there."""


class TableQualityError(FeatureError):
    """A built table breaks its schema; the message names the table and the first violations."""

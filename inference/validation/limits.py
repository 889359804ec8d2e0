"""What a request may hold, whichever way it is decoded: the names it uses itself, ranges and lengths."""

from datetime import UTC, datetime
from typing import Final

INSTANCES: Final = "instances"
FEATURES: Final = "features"
REQUEST_ID: Final = "request_id"
PREDICTION_TIME: Final = "prediction_time"
RESERVED: Final = frozenset({INSTANCES, FEATURES, REQUEST_ID, PREDICTION_TIME})

LONGEST_ID: Final = 128
# Of a feature that the caller gives.
LONGEST_TEXT: Final = 256

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
# Nothing is explained beyond these: a body of megabytes can hold hundreds of thousands.
LISTED_ERRORS: Final = 100
INTEGERS: Final = (-(2**63), 2**63 - 1)

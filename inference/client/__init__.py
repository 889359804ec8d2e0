"""A typed client for other programs: needs httpx and msgspec, and of the service its documents alone."""

from inference.client.async_client import AsyncRoundtripClient
from inference.client.blocking_client import RoundtripClient
from inference.client.errors import (
    NoAnswerError,
    RefusedError,
    RoundtripError,
    UnreadableAnswerError,
)
from inference.client.instances import Instance
from inference.client.retrying import RetryPolicy
from inference.documents import Model, Prediction, Predictions, Ready, Reason, Receipt

__all__ = [
    "AsyncRoundtripClient",
    "Instance",
    "Model",
    "NoAnswerError",
    "Prediction",
    "Predictions",
    "Ready",
    "Reason",
    "Receipt",
    "RefusedError",
    "RetryPolicy",
    "RoundtripClient",
    "RoundtripError",
    "UnreadableAnswerError",
]

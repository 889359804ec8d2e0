"""Feast's OpenLineage client, giving up at the first event that cannot be delivered."""

from feast.openlineage.client import FeastOpenLineageClient
from openlineage.client.event_v2 import RunEvent


class ImpatientClient(FeastOpenLineageClient):
    """A registry is many events: a server that is away is waited for once, not once for each."""

    gave_up = False

    def emit(self, event: RunEvent) -> bool:
        """Send one event; False when it, or one before it, could not be delivered."""
        delivered = not self.gave_up and bool(super().emit(event))
        self.gave_up = not delivered
        return delivered

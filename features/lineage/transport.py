"""Hand OpenLineage events over: to a file under `var`, to a lineage server, or nowhere.

What goes wrong here is logged and forgotten: no build and no training fails for want of its record.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from features.settings import FeatureSettings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

OFF = "off"
TO_FILE = "file"
FILE_TRANSPORT = "features.lineage.file_transport.FileTransport"
# A server that is away must not hold a build up: OpenLineage itself would try six times for ten seconds.
TIMEOUT, RETRIES = 2.0, 1

logger = logging.getLogger("features.lineage")


def transport_config(settings: FeatureSettings) -> dict[str, Any]:
    """Return the configuration of OpenLineage's transport that `settings.lineage` names."""
    if settings.lineage == TO_FILE:
        return {
            "type": FILE_TRANSPORT,
            "path": str(settings.lineage_file),
            "most_bytes": settings.lineage_file_bytes,
        }
    return {"type": "http", "url": settings.lineage, "timeout": TIMEOUT, "retry": {"total": RETRIES}}


def emit(settings: FeatureSettings, make: Callable[[], Iterable["RunEvent"]]) -> None:
    """Make events and send them; whatever goes wrong in either becomes one logged warning."""
    if settings.lineage == OFF:
        return
    try:
        _send(settings, make())
    except Exception as error:
        logger.warning("lineage could not be recorded at %s: %s", settings.lineage, error)


def _send(settings: FeatureSettings, events: Iterable["RunEvent"]) -> None:
    from openlineage.client import OpenLineageClient

    client = OpenLineageClient(config={"transport": transport_config(settings)})
    for event in events:
        client.emit(event)
    client.close()

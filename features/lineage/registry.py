"""Feast's own OpenLineage emitter, told where events go: sources to views to services to online tables.

Feast 0.67 reads no path for the file transport from `feature_store.yaml` (it would write one file an event
into the working directory). At `apply` it needs grpc, and what it says there joins every source to every
view. So the transport is handed over in code, and after `apply` its emitter describes the registry, each view
by itself.
"""

import logging
from typing import TYPE_CHECKING, Any

from feast.repo_config import OpenLineageConfig

from features.lineage.names import PRODUCER
from features.lineage.transport import OFF, transport_config
from features.settings import FeatureSettings

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.openlineage.config import OpenLineageConfig as EmitterConfig
    from feast.openlineage.emitter import FeastOpenLineageEmitter

logger = logging.getLogger("features.lineage")


class LineageConfig(OpenLineageConfig):
    """`openlineage:` of Feast's configuration, with the whole of the transport's own."""

    transport: dict[str, Any] = {}

    def to_openlineage_config(self) -> "EmitterConfig":
        """Return what Feast's emitter is made of."""
        from feast.openlineage.config import OpenLineageConfig as EmitterConfig

        return EmitterConfig(
            enabled=self.enabled,
            transport_type=str(self.transport["type"]),
            transport_url=str(self.transport.get("url", "")),
            producer=self.producer,
            emit_on_apply=self.emit_on_apply,
            emit_on_materialize=self.emit_on_materialize,
            additional_config=dict(self.transport),
        )


def lineage_config(settings: FeatureSettings) -> LineageConfig | None:
    """Return Feast's lineage configuration; None when `settings.lineage` is off."""
    if settings.lineage == OFF:
        return None
    return LineageConfig(
        enabled=True, producer=PRODUCER, emit_on_apply=False, transport=transport_config(settings)
    )


def emit_registry(settings: FeatureSettings, store: "FeatureStore") -> None:
    """Emit what the registry says now: a run per view and service. A failure becomes a logged warning."""
    config = lineage_config(settings)
    if config is None:
        return
    try:
        sent = _emitter(config).emit_registry_lineage(store.registry, store.project, allow_cache=False)
    except Exception as error:
        logger.warning("lineage of the registry could not be recorded: %s", error)
    else:
        if not all(sent):
            logger.warning("lineage: %d events of the registry were not recorded", sent.count(False))


def _emitter(config: LineageConfig) -> "FeastOpenLineageEmitter":
    from feast.openlineage.emitter import FeastOpenLineageEmitter

    from features.lineage.feast_client import ImpatientClient

    emitted = config.to_openlineage_config()
    return FeastOpenLineageEmitter(emitted, ImpatientClient(emitted))

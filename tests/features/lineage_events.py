"""Read events back through OpenLineage's own classes, whose validators and fields are the specification's."""

import json
from pathlib import Path
from typing import Any

from openlineage.client import facet_v2
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.base import (
    BaseFacet,
    DatasetFacet,
    InputDatasetFacet,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
)

PARTS = {"inputs": InputDataset, "outputs": OutputDataset}


def read_events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def revive(event: dict[str, Any]) -> RunEvent:
    """Make the event anew; what OpenLineage does not know, or refuses, raises."""
    return RunEvent(
        eventTime=event["eventTime"],
        eventType=RunState(event["eventType"]),
        run=Run(event["run"]["runId"], facets=_facets(event["run"].get("facets", {}))),
        job=Job(event["job"]["namespace"], event["job"]["name"], _facets(event["job"].get("facets", {}))),
        inputs=[_dataset(InputDataset, each) for each in event["inputs"]],
        outputs=[_dataset(OutputDataset, each) for each in event["outputs"]],
        producer=event["producer"],
    )


def _dataset(kind: Any, described: dict[str, Any]) -> Any:
    facets = {name: _facets(value) for name, value in described.items() if name.lower().endswith("facets")}
    return kind(described["namespace"], described["name"], **facets)


def _facets(described: dict[str, Any]) -> dict[str, Any]:
    # Feast's own facets leave the producer empty, which nothing reads and the specification forbids.
    return {name: _facet(value) for name, value in described.items() if not name.startswith("feast_")}


def _facet(described: dict[str, Any]) -> BaseFacet | dict[str, Any]:
    assert ":" in described["_producer"]
    kind = KNOWN.get(described["_schemaURL"])
    fields = {name: value for name, value in described.items() if not name.startswith("_")}
    return kind(**fields) if kind else described


def _known() -> dict[str, Any]:
    bases = (DatasetFacet, InputDatasetFacet, OutputDatasetFacet, JobFacet, RunFacet)
    kinds = [
        kind for base in bases for kind in base.__subclasses__() if kind.__module__.startswith("openlineage")
    ]
    return {kind._get_schema(): kind for kind in kinds}


assert facet_v2  # its import defines every facet of the specification
KNOWN = _known()

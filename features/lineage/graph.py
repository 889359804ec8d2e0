"""The recorded events as one graph: which run made a dataset, and from which others, by a moment."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from features.errors import LineageError
from features.lineage.event_files import open_event_files
from features.lineage.names import MODELS, Dataset

ADDED_BY_CLIENT = "OPENLINEAGE_CLIENT"

logger = logging.getLogger("features.lineage")

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One completed run: when, of which job, from what to what.

    `versions` are those of its inputs, `rows` those written to its outputs. `named` are inputs of which
    nothing but the name is known: keys and request fields.
    """

    at: datetime
    job: str
    run_id: str
    inputs: tuple[Dataset, ...]
    outputs: tuple[Dataset, ...]
    tags: Mapping[str, str]
    versions: Mapping[Dataset, str]
    rows: Mapping[Dataset, int]
    named: frozenset[Dataset]


class LineageGraph:
    """Answers which step made a dataset and which steps read it."""

    def __init__(self, steps: Iterable[Step]) -> None:
        told = sorted(steps, key=lambda step: step.at)
        made = {each for step in told for each in step.outputs}
        self.steps = [replace(step, named=step.named - made) for step in told]
        self._makers: dict[Dataset, list[Step]] = defaultdict(list)
        for step in self.steps:
            for each in step.outputs:
                self._makers[each].append(step)

    def made_by(self, dataset: Dataset, before: datetime | None = None) -> Step | None:
        """Return the last step to make the dataset, at or before the moment; None for what was only read."""
        made = [step for step in self._makers.get(dataset, ()) if before is None or step.at <= before]
        return made[-1] if made else None

    def readers(self, dataset: Dataset) -> list[Step]:
        """Return the last step of each job and output that reads the dataset."""
        latest = {(step.job, step.outputs): step for step in self.steps if dataset in step.inputs}
        return list(latest.values())

    def find(self, name: str) -> Dataset:
        """Return the dataset of that name.

        Raises:
            LineageError: nothing of that name was recorded.
        """
        known = {each for step in self.steps for each in (*step.inputs, *step.outputs)}
        found = sorted(each for each in known if each.name == name)
        if not found:
            made = sorted({each.name for step in self.steps for each in step.outputs})
            raise LineageError(f"nothing was recorded as {name!r}; recorded are {made}")
        return found[0]

    def model(self, version: str | None) -> Dataset:
        """Return a model version: `3`, `name/3`, or the one made last when None.

        Raises:
            LineageError: there is none, or more than one model has that version.
        """
        made = [each for step in self.steps for each in step.outputs if each.namespace == MODELS]
        ending = f"/{version}" if version else ""
        found = list(dict.fromkeys(each for each in made if each.name.endswith(ending)))
        if not found:
            which = f" {version}" if version else ""
            raise LineageError(f"no model version{which} was recorded; recorded are {_names(made)}")
        if version and len(found) > 1:
            raise LineageError(f"version {version} could be any of {_names(found)}; say NAME/{version}")
        return made[-1] if version is None else found[0]


def read_graph(path: Path) -> LineageGraph:
    """Read the events that the file transport keeps. A line that is none is passed over with a warning.

    Raises:
        LineageError: there is no such file.
    """
    try:
        with open_event_files(path) as files:
            events = chain.from_iterable(map(_events, files))
            return LineageGraph(_step(event) for event in events if event.get("eventType") == "COMPLETE")
    except FileNotFoundError:
        raise LineageError(
            f"{path} is not there: build, apply and train with ROUNDTRIP_LINEAGE=file to record lineage"
        ) from None


def _events(file: BinaryIO) -> Iterator[Event]:
    for number, line in enumerate(file, start=1):
        try:
            event = json.loads(line)
        except ValueError:
            logger.warning("%s, line %d is no event: passed over", file.name, number)
        else:
            yield event


def _step(event: Event) -> Step:
    inputs, outputs = event.get("inputs", []), event.get("outputs", [])
    tags = event["run"].get("facets", {}).get("tags", {}).get("tags", [])
    return Step(
        at=datetime.fromisoformat(event["eventTime"]),
        job=event["job"]["name"],
        run_id=event["run"]["runId"],
        inputs=tuple(_dataset(each) for each in inputs),
        outputs=tuple(_dataset(each) for each in outputs),
        tags={tag["key"]: tag["value"] for tag in tags if tag.get("source") != ADDED_BY_CLIENT},
        versions=_facet(inputs, "facets", "version", "datasetVersion"),
        rows=_facet(outputs, "outputFacets", "outputStatistics", "rowCount"),
        named=frozenset(_dataset(each) for each in inputs if not each.get("facets")),
    )


def _dataset(described: Event) -> Dataset:
    return Dataset(described["namespace"], described["name"])


def _facet(datasets: Iterable[Event], kind: str, facet: str, key: str) -> dict[Dataset, Any]:
    found = {_dataset(each): each.get(kind, {}).get(facet, {}).get(key) for each in datasets}
    return {which: value for which, value in found.items() if value is not None}


def _names(datasets: Iterable[Dataset]) -> list[str]:
    return sorted({each.name for each in datasets})

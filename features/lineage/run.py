"""One run of a job, recorded: it starts, it completes with what it read and wrote, or it fails."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from features.lineage.names import PRODUCER, Dataset, project_of
from features.lineage.transport import emit
from features.settings import FeatureSettings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import OutputDataset, RunEvent

Facets = Mapping[str, Any]


@dataclass
class RecordedRun:
    """What a run says of itself; its body fills in inputs, outputs (each with its facets) and tags."""

    settings: FeatureSettings
    job: str
    run_id: str = field(default_factory=lambda: str(uuid4()))
    inputs: dict[Dataset, Facets] = field(default_factory=dict)
    outputs: dict[Dataset, Facets] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    parent: "RecordedRun | None" = None

    @cached_property
    def namespace(self) -> str:
        """The Feast project, which is the namespace of jobs, tables, views and services."""
        return project_of(self.settings)

    def event(self, state: str, error: BaseException | None = None) -> "RunEvent":
        """Return the event that says that the run is in `state` now (START, COMPLETE, FAIL)."""
        from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState

        return RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            eventType=RunState[state],
            run=Run(self.run_id, facets=self._facets(error)),
            job=Job(self.namespace, self.job),
            inputs=[InputDataset(*which, facets=dict(facets)) for which, facets in self.inputs.items()],
            outputs=[_output(*made) for made in self.outputs.items()],
            producer=PRODUCER,
        )

    def _facets(self, error: BaseException | None) -> dict[str, Any]:
        from openlineage.client.facet_v2 import error_message_run, parent_run, tags_run

        facets: dict[str, Any] = {}
        if self.tags:
            tags = [tags_run.TagsRunFacetFields(key, value) for key, value in self.tags.items()]
            facets["tags"] = tags_run.TagsRunFacet(tags)
        if self.parent:
            run, job = self.parent.run_id, parent_run.Job(self.parent.namespace, self.parent.job)
            facets["parent"] = parent_run.ParentRunFacet(parent_run.Run(run), job)
        if error is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(str(error), "python")
        return facets


@contextmanager
def recorded_run(
    settings: FeatureSettings,
    job: str,
    run_id: str = "",
    describe: Callable[[RecordedRun], None] | None = None,
) -> Iterator[RecordedRun]:
    """Record the body as one run of `job`: START before it, COMPLETE after it, FAIL when it raises.

    `run_id` is a UUID; without one it is made. `describe` fills the run in before each event is made, so
    that what goes wrong in it is lineage's trouble and not the body's.
    """
    run = RecordedRun(settings, job, run_id or str(uuid4()))

    def tell(state: str, error: BaseException | None = None) -> None:
        emit(settings, lambda: [_described(run, describe).event(state, error)])

    tell("START")
    try:
        yield run
    except BaseException as failure:
        tell("FAIL", failure)
        raise
    tell("COMPLETE")


def _output(which: Dataset, facets: Facets) -> "OutputDataset":
    """OpenLineage keeps what a run did to a dataset apart from what the dataset is."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import OutputDatasetFacet

    done = {name: facet for name, facet in facets.items() if isinstance(facet, OutputDatasetFacet)}
    lasting = {name: facet for name, facet in facets.items() if name not in done}
    return OutputDataset(*which, facets=lasting, outputFacets=done)


def _described(run: RecordedRun, describe: Callable[[RecordedRun], None] | None) -> RecordedRun:
    if describe is not None:
        describe(run)
    return run

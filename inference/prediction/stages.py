"""The times that a batch takes in each stage, for figures and for the traces of those it answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inference.core.stage import Stage
from inference.observability.metrics import ServiceMetrics
from inference.prediction.batched_request import BatchedRequest

if TYPE_CHECKING:
    from inference.observability.tracing import RequestTrace


class BatchStages:
    """Notes the stages of one batch; times are `perf_counter()`."""

    def __init__(self, metrics: ServiceMetrics, batch: Sequence[BatchedRequest], began: float) -> None:
        self._metrics = metrics
        key = batch[0].key
        self._version, self._role = key.model.version, key.role
        self._traces: list[RequestTrace] = [
            request.call.trace for request in batch if request.call.trace is not None
        ]
        metrics.observe_many("queue", [began - request.since for request in batch], self._version, self._role)

    def took(self, stage: Stage, began: float, ended: float) -> None:
        """One stage of the batch."""
        self._metrics.observe(stage, ended - began, self._version, self._role)
        for trace in self._traces:
            trace.stage(stage, began, ended, self._version, self._role)

    def scored(self, rows: int, began: float, ended: float) -> None:
        """The run of the model over the batch's rows."""
        self._metrics.observe("score", ended - began, self._version, self._role)
        self._metrics.observe_batch(rows, self._version)
        if self._traces:
            first, *others = self._traces
            first.scored(others, began, ended, rows, self._version, self._role)

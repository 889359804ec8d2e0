"""Features of given rows as they were known at each row's own instant."""

from threading import Lock
from typing import Any

import pyarrow as pa

from features.exact_frame import exact_frame
from inference.batch.job import BatchJob


class HistoricalReader:
    """Adds the features that a job's files do not hold. One read at a time: each uses every core."""

    def __init__(self, job: BatchJob) -> None:
        """Open the feature repository.

        Raises:
            FeatureError: it was never applied.
        """
        from features.repository.feature_store import open_store  # imports Feast, which takes seconds

        self._job, self._lock = job, Lock()
        self._store: Any = open_store(job.settings.features)

    def add(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows in the same order, the job's features after their own columns.

        Raises:
            FeatureError: the rows lack a key, or the features cannot be read.
        """
        from features.offline.historical import historical_features

        with self._lock:
            frame = historical_features(self._store, self._job.service, exact_frame(rows))
        arrays = {name: rows.column(name) for name in rows.schema.names}
        for column in self._job.columns:
            dtype = pa.string() if column.kind == "categorical" else pa.float64()
            arrays[column.name] = pa.Array.from_pandas(frame[column.name], type=dtype)
        return pa.RecordBatch.from_pydict(arrays)
